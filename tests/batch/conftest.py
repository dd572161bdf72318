"""The model that batches are scored with, and where they are scored."""

from pathlib import Path
from typing import Any

import pytest

from stream_consumer.batch.storage import Stores
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from tests.cli.model import linear_model


def nowhere() -> Any:
    raise AssertionError("no S3 is wanted here")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that predicts 5 minutes and 2 for each mile."""
    return linear_model(tmp_path_factory.mktemp("models") / "batch")


@pytest.fixture(scope="session")
def model(model_folder: str) -> Model:
    return load_model(model_folder, s3=nowhere)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def stores(scratch: Path) -> Stores:
    return Stores(nowhere, scratch)
