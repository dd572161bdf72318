"""Preflight, the models: one for each function, loaded as the function would load it."""

import shutil
from pathlib import Path

import boto3
import pytest

from infra.container.example_model import write_example_model
from infra.preflight.models import models
from infra.preflight.variables import Model
from stream_consumer.models.files import directory_digest


def test_a_baked_model_is_loaded_as_the_image_will_load_it(model: Path) -> None:
    """With its own digest as its pin, which the image has in MODEL_DIGEST."""
    [found] = models({"a": Model()}, str(model), None)
    assert str(found) == f"ok   model        {model} loads, sha256 {directory_digest(model)[:12]}…"


def test_a_function_without_a_model_is_named(model: Path) -> None:
    asked = {"b": Model(), "web": Model(), "a": Model("/opt/elsewhere")}
    assert [str(found) for found in models(asked, "", None)] == [
        "STOP model        none for b, web: name it by MODEL=…, or as model.location in the tfvars"
    ]
    assert not any(found.blocks for found in models(asked, str(model), None))


def test_a_model_that_does_not_load_stops(tmp_path: Path, model: Path) -> None:
    broken = Path(shutil.copytree(model, tmp_path / "broken"))
    (broken / "MLmodel").write_text("flavors: {}\n")
    [found] = models({}, str(broken), None)
    assert found.blocks
    assert str(broken) in found.seen


@pytest.mark.usefixtures("keys")
def test_models_on_s3_are_fetched_once_and_held_to_their_pins(model: Path) -> None:
    s3 = boto3.client("s3", "us-east-1")
    s3.create_bucket(Bucket="models")
    for file in model.rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), "models", f"7/{file.relative_to(model).as_posix()}")
    right, wrong = directory_digest(model), "0" * 64
    asked = {name: Model("s3://models/7", right) for name in ("a", "b")} | {"c": Model("s3://models/7", wrong)}
    first, second = models(asked, "", lambda: s3)
    assert str(first) == f"ok   model        s3://models/7 loads, sha256 {right[:12]}…"
    assert second.blocks
    assert f"has the digest {right}, but MODEL_DIGEST pins {wrong}" in second.seen
    assert [str(found) for found in models({"a": asked["a"]}, "", None)] == [
        "note model        s3://models/7: not looked at without an identity"
    ]


def test_a_models_own_settings_are_heeded(model: Path) -> None:
    """A fault in a consumer's environment would fail init as a broken model does."""
    [found] = models({"a": Model(environment={"MODEL_COLUMNS": "a:nothing"})}, str(model), None)
    assert found.blocks
    assert "MODEL_COLUMNS" in found.seen


def test_a_package_that_only_this_machine_misses_stops_nothing(tmp_path: Path) -> None:
    """This environment has one scikit-learn, and the image gets the one that saved the model."""
    write_example_model(tmp_path / "older", scikit_learn="1.5.2")
    [found] = models({}, str(tmp_path / "older"), None)
    assert str(found) == (
        f"note model        {tmp_path / 'older'} needs scikit-learn==1.5.2: not loaded here; the image gets it"
    )


def test_code_that_the_image_will_not_have_either_stops(tmp_path: Path, model: Path) -> None:
    foreign = Path(shutil.copytree(model, tmp_path / "foreign"))
    described = (foreign / "MLmodel").read_text()
    (foreign / "MLmodel").write_text(described.replace('format": "skops"', 'format": "cloudpickle"'))
    (foreign / "model.skops").write_bytes(b"cxgboost_of_nowhere\nXGBRegressor\n.")
    [found] = models({}, str(foreign), None)
    assert found.blocks
    assert "No module named 'xgboost_of_nowhere'" in found.seen
