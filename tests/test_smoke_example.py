"""The example of a model, from which a smoke event is made."""

import json
import shutil
from pathlib import Path

import pytest

from infra.smoke.example import example_of, settings_of
from infra.smoke.wait import Untestable


def without_example(model: Path, copy: Path, *, estimator: bool = True) -> str:
    """Copy *model* without its input example, and perhaps without what would have to be loaded."""
    shutil.copytree(model, copy)
    (copy / "input_example.json").unlink()
    if not estimator:
        (copy / "model.skops").unlink()
    return str(copy)


def row_of(location: str, **variables: str) -> object:
    example = example_of(settings_of(variables), location)
    return json.loads(example.event("smoke-1"))[example.schema.envelope.entity]


def test_the_first_row_of_the_example_that_is_a_valid_event_is_taken(rides_model: Path, tmp_path: Path) -> None:
    """Rows that were logged need not all be events that the bounds let in."""
    model = shutil.copytree(rides_model, tmp_path / "model")
    rows = [[0, 205, 3.66], [130, None, 3.66], [74, 75, 1.1]]
    content = {"columns": ["PULocationID", "DOLocationID", "trip_distance"], "data": rows}
    (model / "input_example.json").write_text(json.dumps(content))
    assert row_of(str(model)) == {"PULocationID": 74, "DOLocationID": 75, "trip_distance": 1.1}


def test_a_model_with_an_example_need_not_be_loadable_here(rides_model: Path, tmp_path: Path) -> None:
    """Its libraries are in the image, and perhaps not on the machine that deploys it."""
    model = shutil.copytree(rides_model, tmp_path / "model")
    (model / "model.skops").unlink()
    assert row_of(str(model)) == {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def test_without_either_numbers_within_the_bounds_will_do(rides_model: Path, tmp_path: Path) -> None:
    location = without_example(rides_model, tmp_path / "model", estimator=False)
    assert row_of(location) == {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 1.0}


def test_but_texts_are_not_guessed(trips_model: Path, tmp_path: Path) -> None:
    """A payment that no ride was ever paid with would be refused, and become a dead letter."""
    model = shutil.copytree(trips_model, tmp_path / "model")
    (model / "input_example.json").unlink(missing_ok=True)
    (model / "model.skops").unlink()
    with pytest.raises(Untestable, match="has no input example that is a valid event, and the model cannot be loaded"):
        row_of(str(model))


def test_the_settings_name_fields_and_the_model() -> None:
    names = {"ENTITY_FIELD": "trip", "MODEL_LOCATION": "s3://models/7"}
    assert settings_of(names).model_location == "s3://models/7"
    assert settings_of({}).model_location == "/opt/model"
    older = {"MODEL_BUCKET": "models", "MLFLOW_EXPERIMENT_ID": "1", "RUN_ID": "m-2"}
    assert settings_of(older).model_location == "s3://models/1/models/m-2/artifacts"
