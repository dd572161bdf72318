"""What is noted of a training beside its model: computed by hand, and as MLflow gives it back."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.record import rides_digest
from stream_consumer.training.register import mlflow_at
from stream_consumer.training.run_notes import (
    COMMIT_TAG,
    DESCRIPTION_TAG,
    commit_tag,
    description,
    error_rows,
    hours,
    log_notes,
    note_metrics,
)
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.trial import Trial, run_trial


@pytest.fixture(scope="module")
def trial() -> Trial:
    rides = synthetic_rides(1_000, seed=42)
    return run_trial(rides, seed=1, stages=Stages(silent))


def test_the_training_s_error_and_dropped_rows_are_metrics(trial: Trial) -> None:
    counts = replace(trial.rows, dropped={"a distance out of bounds": 7})
    metrics = note_metrics(replace(trial, rows=counts))
    errors = trial.fitted.model.predict(trial.training.matrix()) - trial.training.duration
    assert metrics["training_rmse"] == pytest.approx(float(np.sqrt(np.mean(errors**2))))
    assert metrics["training_rmse"] < trial.model.rmse, "the model has seen them"
    assert metrics["rows_dropped/a distance out of bounds"] == 7


def test_a_column_is_as_important_as_the_error_grows_without_it(trial: Trial) -> None:
    metrics = note_metrics(trial)
    importances = {name: value for name, value in metrics.items() if name.startswith("importance/")}
    assert set(importances) == {f"importance/{name}" for name in ("PULocationID", "DOLocationID", "trip_distance")}
    assert max(importances, key=importances.__getitem__) == "importance/trip_distance"
    assert importances == {name: value for name, value in note_metrics(trial).items() if name in importances}


def test_the_error_by_hour_adds_up_to_the_error(trial: Trial) -> None:
    head, *rows = [line.strip().split(",") for line in error_rows(trial, "hour", hours(trial.test))]
    assert head == ["hour", "rides", "rmse", "mean_error"]
    assert all(0 <= int(hour) <= 23 for hour, *_ in rows)
    assert sum(int(count) for _, count, *_ in rows) == len(trial.test)
    squares = sum(int(count) * float(rmse) ** 2 for _, count, rmse, _ in rows)
    assert (squares / len(trial.test)) ** 0.5 == pytest.approx(trial.model.rmse, abs=1e-3)


def test_the_hour_is_that_of_the_pickup(trial: Trial) -> None:
    at = np.array(["2021-01-01T00:59:59", "2021-01-31T23:00:00"], "datetime64[s]")
    rides = replace(trial.test.where(np.arange(len(trial.test)) < 2), pickup_time=at)
    assert hours(rides).tolist() == [0, 23]


def test_the_commit_is_that_of_the_folder_if_it_has_one(tmp_path: Path) -> None:
    assert commit_tag(tmp_path) == {}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], check=True)  # noqa: S603 (ours)
    said = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert commit_tag(tmp_path) == {COMMIT_TAG: said.strip()}
    assert commit_tag(tmp_path / "nowhere") == {}


def test_mlflow_gives_the_notes_of_a_run_back(trial: Trial, store: str, tmp_path: Path) -> None:
    with mlflow_at(store) as mlflow:
        mlflow.set_experiment("ride-duration")  # another test's is still the process's, and is not in this store
        with mlflow.start_run() as run:
            log_notes(mlflow, trial, tmp_path)
        found = mlflow.MlflowClient().get_run(run.info.run_id)
        by_hour = mlflow.artifacts.load_text(f"{found.info.artifact_uri}/error_by_hour.csv")
    assert found.data.tags[DESCRIPTION_TAG] == description(trial)
    assert f"RMSE is {trial.model.rmse:.2f} min" in description(trial)
    assert found.data.metrics["training_rmse"] == note_metrics(trial)["training_rmse"]
    inputs = {item.tags[0].value: item.dataset for item in found.inputs.dataset_inputs}
    assert {context: data.digest for context, data in inputs.items()} == {
        "training": rides_digest(trial.training)[:36],
        "testing": rides_digest(trial.test)[:36],
    }
    assert by_hour == "".join(error_rows(trial, "hour", hours(trial.test)))
