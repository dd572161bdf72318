"""What one training leaves in MLflow, and that serving can use it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from stream_consumer.models.files import default_s3, directory_digest
from stream_consumer.models.loading import Choice, load_directory, load_model
from stream_consumer.models.skops_file import load_skops
from stream_consumer.profiling.reference import carried_by
from stream_consumer.training.mlflow_registry import MlflowRegistry
from stream_consumer.training.promotion import Champion
from stream_consumer.training.record import rides_digest, trained_on
from stream_consumer.training.register import mlflow_at
from stream_consumer.training.run_notes import note_metrics
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, TrainingResult, train_on
from tests.training.conftest import new_store


def champion(name: str = "ride-duration") -> Champion | None:
    with mlflow_at(None) as mlflow:
        return MlflowRegistry(mlflow, name).champion()


@pytest.fixture(scope="module")
def result(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingResult]:
    """The first training of a store."""
    with new_store(empty_store, tmp_path_factory.mktemp("trained")):
        assert champion() is None
        yield train_on(synthetic_rides(2_000, seed=42), options=TrainingOptions(seed=7))


@pytest.fixture(scope="module")
def directory(result: TrainingResult) -> Path:
    """The model's files."""
    with mlflow_at(result.registered.tracking_uri) as mlflow:
        return Path(mlflow.artifacts.download_artifacts(result.model_uri, dst_path="downloaded"))


def test_the_first_training_registers_the_tested_model_as_champion(result: TrainingResult) -> None:
    assert (result.name, result.version, result.model_uri) == ("ride-duration", "1", "models:/ride-duration/1")
    assert result.verdict.promoted
    assert result.rival is None
    found = champion()
    assert found is not None
    assert (found.version, found.uri) == ("1", "models:/ride-duration/1")
    assert found.record is not None
    assert len(found.record.unseen(result.trial.rides)) == len(result.trial.test)
    assert champion("another") is None


def test_the_result_tells_what_was_trained_on_and_tested_on(result: TrainingResult) -> None:
    trial = result.trial
    assert (trial.origin, trial.seed) == ("2,000 synthetic rides, seed 42", 7)
    assert trial.holdout == "2021-02, the last of 2 months"
    assert trial.training_rides + len(trial.test) == trial.rows.kept == 2_000
    assert trial.model.rmse < trial.baseline.rmse == trial.bounded_baseline.rmse


def test_the_run_has_the_parameters_that_would_repeat_it(result: TrainingResult) -> None:
    with mlflow_at(result.registered.tracking_uri) as mlflow:
        params = mlflow.MlflowClient().get_run(result.registered.run_id).data.params
    assert params["rides"] == "2,000 synthetic rides, seed 42"
    assert (params["rows_read"], params["rows_kept"], params["seed"]) == ("2000", "2000", "7")
    assert params["rows dropped: trip_distance out of bounds"] == "0"
    assert params["max_iter"] == "56"
    assert params["mlflow"] == "3.17.2"
    assert set(params) >= {"python", "numpy", "scikit-learn", "scipy", "skops", "holdout", "training_rides"}


def test_the_run_has_the_errors_beside_the_baselines_and_plots(result: TrainingResult) -> None:
    with mlflow_at(result.registered.tracking_uri) as mlflow:
        client = mlflow.MlflowClient()
        metrics = client.get_run(result.registered.run_id).data.metrics
        plots = [file.path for file in client.list_artifacts(result.registered.run_id, "plots")]
        page = Path(client.download_artifacts(result.registered.run_id, "report.html")).read_text()
    assert metrics["rmse"] == result.trial.model.rmse
    assert metrics["baseline_rmse"] == result.trial.baseline.rmse
    errors = {prefix + error for prefix in ("", "baseline_", "bounded_baseline_") for error in ("rmse", "mae", "r2")}
    assert set(metrics) == errors | note_metrics(result.trial).keys()
    assert plots == [
        "plots/calibration.png",
        "plots/error_by_distance.png",
        "plots/error_by_hour.png",
        "plots/error_by_zone.png",
        "plots/predicted_vs_actual.png",
        "plots/residuals.png",
    ]
    assert "<h1>ride-duration, version 1</h1>" in page
    assert "there was no champion" in page


def test_the_version_says_how_good_it_is_and_why_it_is_champion(result: TrainingResult) -> None:
    with mlflow_at(result.registered.tracking_uri) as mlflow:
        tags = mlflow.MlflowClient().get_model_version("ride-duration", "1").tags
    assert tags == {
        "rmse": f"{result.trial.model.rmse:.4f}",
        "baseline_rmse": f"{result.trial.baseline.rmse:.4f}",
        "promoted": "true",
        "reason": "there was no champion",
        "rides_digest": rides_digest(result.trial.rides),
        "seed": "7",
        "digest": result.registered.digest,
        "trained_on": msgspec.json.encode(trained_on(result.trial)).decode(),
    }


def test_the_model_carries_the_schema_and_the_bounds_of_a_ride(result: TrainingResult, directory: Path) -> None:
    described = yaml.safe_load((directory / "MLmodel").read_text())
    assert json.loads(described["signature"]["inputs"]) == [
        {"type": "long", "name": "PULocationID", "required": True},
        {"type": "long", "name": "DOLocationID", "required": True},
        {"type": "double", "name": "trip_distance", "required": True},
    ]
    assert json.loads(described["signature"]["outputs"]) == [{"type": "double", "required": True}]
    facts = described["metadata"]["stream_consumer"]
    assert facts["name"] == "ride-duration"
    assert facts["bounds"] == {
        "PULocationID": {"minimum": 1, "maximum": 265},
        "DOLocationID": {"minimum": 1, "maximum": 265},
        "trip_distance": {"minimum": 0.0, "maximum": 200.0},
    }
    assert facts["categories"] == result.trial.fitted.categories


def test_the_model_carries_the_profile_of_the_rides_it_was_fitted_on_and_of_what_it_predicts_for_the_tests(
    result: TrainingResult, directory: Path
) -> None:
    trial = result.trial
    profile, profiler = carried_by(load_directory(directory, "here", Choice()))
    assert [bins.title for bins in profile.bins] == ["PULocationID", "DOLocationID", "trip_distance", "prediction"]
    assert [bins.kind for bins in profile.bins] == ["label", "label", "number", "number"]
    fitted_on = profiler.profile(trial.training.matrix().T.tolist(), [None] * len(trial.training))
    predicted = profiler.profile(
        trial.test.matrix().T.tolist(), trial.fitted.model.predict(trial.test.matrix()).tolist()
    )
    assert [column.tolist() for column in profile.counts[:3]] == [column.tolist() for column in fitted_on.counts[:3]]
    assert profile.counts[3].tolist() == predicted.counts[3].tolist()
    assert sum(profile.counts[3]) == len(trial.test)


def test_the_digest_covers_the_reference(directory: Path, tmp_path: Path) -> None:
    described = yaml.safe_load((directory / "MLmodel").read_text())
    text = described["metadata"]["stream_consumer"]["reference"]
    assert len(text.encode()) <= 5_000
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    assert directory_digest(copy) == directory_digest(directory)
    described["metadata"]["stream_consumer"]["reference"] = text[:-4] + "9" + text[-3:]
    (copy / "MLmodel").write_text(yaml.safe_dump(described))
    assert directory_digest(copy) != directory_digest(directory)


def test_the_example_is_five_tested_rides_with_their_predictions(result: TrainingResult, directory: Path) -> None:
    rides, model = result.trial.test.matrix()[:5], result.trial.fitted.model
    example = json.loads((directory / "input_example.json").read_text())
    facts = yaml.safe_load((directory / "MLmodel").read_text())["metadata"]["stream_consumer"]
    assert example["columns"] == ["PULocationID", "DOLocationID", "trip_distance"]
    assert example["data"] == rides.tolist()
    assert facts["example_predictions"] == model.predict(rides).tolist()


def test_the_saved_model_predicts_the_same_loaded_with_our_allow_list_alone(
    result: TrainingResult, directory: Path
) -> None:
    rides = result.trial.test.matrix()
    saved = load_skops(directory / "model.skops", "here", pinned=False)
    assert saved.predict(rides).tolist() == result.trial.fitted.model.predict(rides).tolist()


def test_serving_loads_the_champion(result: TrainingResult) -> None:
    model = load_model("models:/ride-duration@champion", s3=default_s3)
    assert (model.name, model.version) == ("ride-duration", "1")
    rides = result.trial.test.matrix()
    assert model.predict(rides.T.tolist()).tolist() == result.trial.fitted.model.predict(rides).tolist()
