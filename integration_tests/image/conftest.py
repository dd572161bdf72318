"""Images to test: built here for this run, or the one that IMAGE names."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from container.__main__ import main as make_image
from container.engine import Engine, find_engine
from container.example_model import write_example_model
from integration_tests.containers import TMP, in_containers
from stream_consumer.local.functions import FunctionConfig
from stream_consumer.local.runtime import RuntimeFunction
from stream_consumer.model import Model, load_model

HANDLER = "stream_consumer.lambda_function.lambda_handler"
IMAGE = "stream-consumer:image-test"

# What Lambda's role would bring; nobody checks them here.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

MakeFunction = Callable[..., RuntimeFunction]


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine(os.environ)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_example_model(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    """The same model, loaded here: what the image ought to predict."""

    def nowhere() -> Any:
        raise AssertionError("a folder is not on S3")

    return load_model(str(model_folder), s3=nowhere)


@pytest.fixture(scope="session")
def image(engine: Engine, model_folder: Path) -> str:
    """The image, with the model baked in."""
    del engine  # no tool, no image: its own message first
    base = os.environ.get("PYTHON_IMAGE")
    arguments = ["build", "--tag", IMAGE, "--model", str(model_folder), *(["--base", base] if base else [])]
    make_image(arguments, os.environ)
    return IMAGE


@pytest.fixture
def lines() -> list[str]:
    """What the workers of the test wrote."""
    return []


@pytest.fixture
def function(engine: Engine, image: str, lines: list[str]) -> Iterator[MakeFunction]:
    """Make functions of the image; each is ended with the test."""
    with ExitStack() as stack:

        def make(  # noqa: PLR0913 (options by name, each with its default)
            environment: Mapping[str, str] | None = None,
            *,
            handler: str = HANDLER,
            options: tuple[str, ...] = TMP,
            memory_mb: int = 1769,
            timeout_seconds: float = 30.0,
            freeze: bool = False,
        ) -> RuntimeFunction:
            config = FunctionConfig(handler, memory_mb=memory_mb, timeout_seconds=timeout_seconds)
            made = RuntimeFunction(
                config,
                environment=KEYS | dict(environment or {}),
                log=lines.append,
                freeze=freeze,
                start=in_containers(engine, image, options),
            )
            return stack.enter_context(made)

        yield make
