"""Training, again and again, on an MLflow store of the test's own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stream_consumer
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.training.fitness import DEFAULT_BUDGET
from stream_consumer.training.mlflow_registry import MlflowRegistry
from stream_consumer.training.register import load_champion, mlflow_at
from stream_consumer.training.rides import Rides
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, train, train_on
from tests.no_cores import environment_without_cores
from tests.training.trips import write_trips

RIDES = synthetic_rides(1_000, seed=42)

pytestmark = pytest.mark.usefixtures("reports_without_plots")


def poor(rides: Rides) -> Rides:
    """*rides* from which nothing can be learned."""
    return replace(rides, duration=np.random.default_rng(1).permutation(rides.duration))


def only_model() -> Path:
    """The files of the one model in the store."""
    [path] = Path("mlruns").glob("*/models/*/artifacts")
    return path


def champion(store: str) -> str:
    with mlflow_at(store) as mlflow:
        return str(mlflow.MlflowClient().get_model_version_by_alias("ride-duration", "champion").version)


def test_a_better_model_replaces_the_champion_and_as_good_a_one_does_not(store: str) -> None:
    train_on(poor(RIDES))
    better = train_on(RIDES)
    assert better.verdict.promoted
    assert better.verdict.reason.startswith(f"RMSE {better.trial.model.rmse:.4f} beats the ")
    assert champion(store) == "2"
    again = train_on(RIDES)
    assert again.version == "3"
    assert again.rival is not None
    assert again.rival.comparison is not None
    assert again.rival.comparison.upper_bound == 0.0
    assert again.rival.comparison.champion_rmse == pytest.approx(better.trial.model.rmse)
    assert not again.verdict.promoted
    assert champion(store) == "2"


def test_a_champion_that_cannot_be_loaded_is_replaced_and_named(store: str) -> None:
    train_on(RIDES)
    (only_model() / "model.skops").write_bytes(b"no archive")
    result = train_on(poor(RIDES))
    assert result.verdict.reason.startswith(
        "champion version 1 could not be tested and was replaced uncompared: ModelError: model.skops "
    )
    assert champion(store) == "2"


def test_a_champion_that_was_trained_on_the_rides_of_the_test_stays(store: str) -> None:
    """It was trained on all of February but its last days, which are too few to compare on."""
    february = RIDES.where(RIDES.pickup_time >= np.datetime64("2021-02-01"))
    train_on(poor(february))
    result = train_on(
        replace(RIDES, duration=np.concatenate([RIDES.duration[: -len(february)], poor(february).duration]))
    )
    assert "it was trained on" in result.verdict.reason
    assert champion(store) == "1"


def test_a_model_that_cannot_be_served_is_registered_and_does_not_become_champion(store: str) -> None:
    result = train_on(RIDES, options=TrainingOptions(budget=replace(DEFAULT_BUDGET, size=1_000)))
    assert result.version == "1"
    assert result.verdict.reason.startswith("the saved model cannot be served: its files have ")
    with mlflow_at(store) as mlflow:
        tags = mlflow.MlflowClient().get_model_version("ride-duration", "1").tags
        assert (tags["promoted"], tags["reason"]) == ("false", result.verdict.reason)
        assert MlflowRegistry(mlflow, "ride-duration").champion_version() is None


@pytest.mark.usefixtures("store")
def test_every_stage_is_announced_and_timed() -> None:
    announced: list[str] = []
    result = train_on(RIDES, progress=lambda stage, **_: announced.append(stage))
    assert announced == [
        "opening the registry",
        "loading rides",
        "fitting the linear baseline",
        f"fitting HistGradientBoosting on {result.trial.training_rides} rides (seed 42)",
        f"testing on 2021-02, the last of 2 months: {len(result.trial.test)} rides",
        "there is no champion yet",
        "saving the model",
        "loading the saved model",
        "registering ride-duration",
    ]
    assert list(result.seconds) == [
        "connect",
        "load",
        "baseline",
        "fit",
        "test",
        "champion",
        "log",
        "check",
        "register",
    ]


@pytest.mark.usefixtures("store")
def test_files_of_trip_records_are_trained_on_and_a_model_of_other_columns_is_no_champion(tmp_path: Path) -> None:
    """Of the models, the forerunners' baseline alone is fitted on a ride of absurd distance, and suffers."""
    trips = [
        (zone, 10, 1.0 + hour, f"2021-01-{day:02} {hour:02}:00:00", f"2021-01-{day:02} {hour:02}:{zone + hour}:00")
        for zone in range(11, 51)
        for day in (1, 2)
        for hour in range(10)
    ]
    absurd = (11, 10, 244_152.0, "2021-01-01 00:00:00", "2021-01-01 00:11:00")
    result = train([write_trips(tmp_path / "green.csv", [*trips, absurd])])
    assert (result.trial.rows.read, result.trial.rows.kept, result.trial.training_rides) == (801, 800, 640)
    assert result.trial.bounded_baseline.rmse == pytest.approx(0.0, abs=0.001)
    assert result.trial.baseline.rmse > 1.0

    for path in (only_model() / "MLmodel", only_model() / "input_example.json"):
        path.write_text(path.read_text().replace("trip_distance", "trip_length"))
    with pytest.raises(ModelError) as caught:
        load_champion(result.model_uri)
    assert str(caught.value) == (
        "models:/ride-duration/1 takes the columns PULocationID, DOLocationID, trip_length; "
        "wanted PULocationID, DOLocationID, trip_distance"
    )


@pytest.mark.usefixtures("store")
def test_a_store_that_cannot_be_used_is_refused_before_the_rides_are_read(tmp_path: Path) -> None:
    (tmp_path / "rides.parquet").write_bytes(b"no Parquet")
    with pytest.raises(UsageError, match=r"^MLflow at gopher://host/store cannot be used: "):
        train([f"{tmp_path}/rides.parquet"], options=TrainingOptions(tracking_uri="gopher://user:secret@host/store"))


@pytest.mark.process
def test_training_prints_nothing_and_warns_of_nothing_and_keeps_to_the_working_directory(tmp_path: Path) -> None:
    code = (
        "from stream_consumer.training.synthetic import synthetic_rides\n"
        "from stream_consumer.training.train import train_on\n"
        "for _ in range(2):\n"
        "    result = train_on(synthetic_rides(500, seed=1))\n"
        "assert result.registered.tracking_uri == 'sqlite:///mlflow.db'\n"
    )
    environment = environment_without_cores(tmp_path)
    ran = subprocess.run(  # noqa: S603 (our own interpreter on the code above)
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={name: value for name, value in environment.items() if not name.startswith("MLFLOW_")}
        | {"PYTHONPATH": str(Path(stream_consumer.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "mlflow.db", "mlruns"}
