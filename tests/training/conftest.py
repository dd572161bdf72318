"""What holds for every test of training: one thread, no AWS, and an MLflow store of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from stream_consumer.training.register import mlflow_at


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """OpenMP's threads spin for each other when tests run on every core."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs, to copy: making its tables takes a second."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with mlflow_at(f"sqlite:///{path}") as mlflow:
        mlflow.MlflowClient().search_registered_models()
        mlflow.set_tracking_uri(None)
    return path


@contextmanager
def new_store(empty: Path, directory: Path) -> Iterator[str]:
    """A store in *directory*, which the environment names and where artifacts go, the working directory."""
    (directory / "mlflow.db").write_bytes(empty.read_bytes())
    uri = f"sqlite:///{directory}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri
        with mlflow_at(uri) as mlflow:
            mlflow.set_tracking_uri(None)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Iterator[str]:
    """A store of the test's own."""
    with new_store(empty_store, tmp_path) as uri:
        yield uri
