"""What init refuses when the consumer is composed: each fault by the name of what is to be changed."""

from pathlib import Path

import pytest

from stream_consumer.composition import compose
from stream_consumer.errors import ModelError, SettingsError
from stream_consumer.settings import Settings
from tests.example_models import changed, with_metadata


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def refusal(error: type[Exception], model: Path) -> str:
    with pytest.raises(error) as caught:
        compose(Settings.of({"MODEL_LOCATION": str(model)}), lambda _: None)
    return str(caught.value)


def test_a_model_whose_name_fits_no_record_is_refused(rides_model: Path, tmp_path: Path) -> None:
    """Or each of its predictions would be refused by the output stream."""
    path = changed(rides_model, tmp_path / "model", with_metadata({"name": "m" * 2**20}))
    assert "log it under a shorter name" in refusal(ModelError, path)


def test_a_model_whose_name_is_no_text_is_refused(rides_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model"
    changed(rides_model, path, with_metadata({"name": "NAME"}))
    content = (path / "MLmodel").read_text(encoding="utf-8")
    (path / "MLmodel").write_text(content.replace("name: NAME", 'name: "\\ud800"'), encoding="utf-8")
    assert str(path) in refusal(ModelError, path)


def test_a_profile_that_does_not_exist_is_named(rides_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert refusal(SettingsError, rides_model) == (
        "AWS_PROFILE='nobody': The config profile (nobody) could not be found"
    )


def test_a_configuration_that_cannot_be_read_is_named(
    rides_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[[", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    message = refusal(SettingsError, rides_model)
    assert str(tmp_path / "config") in message
    assert "AWS_CONFIG_FILE" in message
