"""Functions of the image."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from infra.container.engine import Engine
from integration_tests.containers import TMP, in_containers
from integration_tests.tiers import HANDLER, KEYS
from stream_consumer.local.functions import FunctionConfig
from stream_consumer.local.runtime import RuntimeFunction
from stream_consumer.model import Model

MakeFunction = Callable[..., RuntimeFunction]


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
