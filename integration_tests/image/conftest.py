"""The images, and functions of them."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.container.__main__ import main as make_image
from infra.container.engine import Engine
from integration_tests.containers import TMP, in_containers
from integration_tests.tiers import HANDLER, KEYS
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.model import Model

MakeFunction = Callable[..., RuntimeFunction]

DOORS = "stream-consumer:image-test-doors"
TRAINING = "stream-consumer:image-test-training"


@pytest.fixture(scope="session")
def doors(image: str, models: Path) -> str:
    """The full image, on the layers of the lean one, within its budget."""
    del image  # built first, so that its layers are there
    base = os.environ.get("PYTHON_IMAGE")
    arguments = ["build", "--doors", "--tag", DOORS, "--model", str(models / "champion")]
    make_image([*arguments, *(["--base", base] if base else [])], os.environ)
    return DOORS


@pytest.fixture(scope="session")
def training(image: str) -> str:
    """The image that trains, on the layers of the lean one, within its budget."""
    del image  # built first, so that its layers are there
    base = os.environ.get("PYTHON_IMAGE")
    make_image(["build", "--training", "--tag", TRAINING, *(["--base", base] if base else [])], os.environ)
    return TRAINING


@pytest.fixture(scope="session", params=["lean", "doors"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which image a test is about: it runs for both, unless it names one."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def built(kind: str, request: pytest.FixtureRequest) -> str:
    """The image of that kind."""
    name: str = request.getfixturevalue({"lean": "image", "doors": "doors"}[kind])
    return name


@pytest.fixture(scope="session")
def archive(engine: Engine, kind: str, built: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of that kind, as a file."""
    path = tmp_path_factory.mktemp(kind) / "image.tar"
    engine.save(built, path)
    return path


@pytest.fixture(scope="session")
def model(champion: Model) -> Model:
    """The model that is in the image, loaded outside of it."""
    return champion


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
            image: str = image,
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
