"""The processes that serve the zoo's models: one pair for each worker of the test run."""

from collections.abc import Iterator

import pytest

from tests.zoo.worker import Worker


@pytest.fixture(scope="session")
def lean() -> Iterator[Worker]:
    """Serve without mlflow and pandas, as the lean image does."""
    with Worker("mlflow", "pandas") as worker:
        yield worker


@pytest.fixture(scope="session")
def full() -> Iterator[Worker]:
    """Serve with all libraries of the development environment."""
    with Worker() as worker:
        yield worker
