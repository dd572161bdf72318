"""A fresh clone's environment, a model, and a shell without credentials."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from infra.container.example_model import write_example_model
from infra.publish import INFRA


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials of moto's account, 123456789012."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The environment dev of a fresh clone."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("main.tf", "variables.tf"):
        shutil.copy(INFRA / "envs" / "dev" / name, folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_example_model(folder)
    return folder
