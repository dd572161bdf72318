"""What a run keeps of the rides that its model was trained on."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_consumer.training.mlflow_registry import MlflowRegistry
from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.record import TrainingRecord, load_record, log_record, record_of, rides_digest
from stream_consumer.training.register import mlflow_at
from stream_consumer.training.rides import Rides, load_rides
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import train_on
from stream_consumer.training.trial import Trial, run_trial
from tests.training.trips import GOOD, write_trips

RIDES = synthetic_rides(2_000, seed=42)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return run_trial(RIDES, seed=1, stages=Stages(silent))


@pytest.fixture(scope="module")
def record(trial: Trial) -> TrainingRecord:
    return record_of(trial)


def reordered(rides: Rides) -> Rides:
    """Return the same rides, the last first, under other ids."""
    columns = ("PULocationID", "DOLocationID", "trip_distance", "duration", "pickup_time")
    return replace(rides, **{column: getattr(rides, column)[::-1] for column in columns})


def test_the_held_out_rides_are_unseen_wherever_they_stand(trial: Trial, record: TrainingRecord) -> None:
    assert record.unseen(RIDES).ride_id.tolist() == trial.test.ride_id.tolist()
    assert len(record.unseen(reordered(RIDES))) == len(trial.test)
    assert len(record.unseen(trial.training)) == 0


def test_a_ride_that_differs_in_one_value_is_unseen(trial: Trial, record: TrainingRecord) -> None:
    training = trial.training
    for column in ("PULocationID", "DOLocationID", "trip_distance", "duration", "pickup_time"):
        values = getattr(training, column)
        step = np.timedelta64(1, "s") if column == "pickup_time" else 1
        other = replace(training, **{column: values + step})
        assert len(record.unseen(other)) == len(training), column


def test_the_record_tells_source_period_and_error(trial: Trial, record: TrainingRecord) -> None:
    assert (record.origin, record.synthetic) == ("2,000 synthetic rides, seed 42", True)
    assert (record.first, record.last) == ("2021-01-01", "2021-01-31")
    assert (record.rmse, record.test_rides) == (trial.model.rmse, len(trial.test))


def test_a_stray_ride_does_not_stretch_the_period() -> None:
    strays = RIDES.pickup_time.copy()
    strays[0] = np.datetime64("2009-01-01T00:00:00")
    record = record_of(run_trial(replace(RIDES, pickup_time=strays), seed=1, stages=Stages(silent)))
    assert record.first == "2021-01-01"


@pytest.mark.parametrize("count", [100, 2_000, 20_000])
def test_other_rides_of_the_same_city_do_not_differ(record: TrainingRecord, count: int) -> None:
    assert record.differences(synthetic_rides(count, seed=7)) == []


def test_rides_of_another_kind_differ(record: TrainingRecord) -> None:
    kind = "the model was trained on synthetic rides, and these are trip records"
    assert record.differences(replace(RIDES, synthetic=False)) == [kind]
    elsewhere = replace(RIDES, PULocationID=266 - RIDES.PULocationID)
    [zones] = record.differences(elsewhere)
    assert zones.startswith("PULocationID differs from the rides of the training by ")
    metres = replace(RIDES, trip_distance=RIDES.trip_distance * 1_609)
    [distances] = record.differences(metres)
    assert distances.startswith("trip_distance differs from the rides of the training by ")


def test_a_digest_is_of_the_rides_and_not_of_their_order() -> None:
    assert rides_digest(reordered(RIDES)) == rides_digest(RIDES)
    assert rides_digest(RIDES.where(RIDES.ride_id > 0)) != rides_digest(RIDES)


def facts(record: TrainingRecord) -> dict[str, Any]:
    """What is not an array."""
    names = {field.name for field in fields(record)} - {"fingerprints", "counts"}
    return {name: getattr(record, name) for name in names}


def test_a_record_comes_back_from_its_run(store: str, record: TrainingRecord) -> None:
    with mlflow_at(store) as mlflow:
        mlflow.set_experiment("records")  # whatever experiment this process was in belongs to another store
        with mlflow.start_run() as run:
            log_record(mlflow, record)
        with mlflow.start_run() as without:
            pass
        loaded = load_record(mlflow, run.info.run_id)
        assert load_record(mlflow, without.info.run_id) is None
    assert loaded is not None
    assert loaded.unseen(RIDES).ride_id.tolist() == record.unseen(RIDES).ride_id.tolist()
    assert loaded.differences(replace(RIDES, PULocationID=266 - RIDES.PULocationID)) != []
    assert facts(loaded) == facts(record)


@pytest.mark.usefixtures("reports_without_plots")
def test_a_version_is_found_by_the_rides_and_the_seed(store: str) -> None:
    train_on(RIDES)
    train_on(RIDES)
    with mlflow_at(store) as mlflow:
        registry = MlflowRegistry(mlflow, "ride-duration")
        assert registry.trained_on(reordered(RIDES), seed=42) == "2"
        assert registry.trained_on(RIDES, seed=43) is None
        assert registry.trained_on(synthetic_rides(2_000, seed=43), seed=42) is None


def test_the_same_trips_as_parquet_and_as_csv_have_one_digest(tmp_path: Path) -> None:
    files = [write_trips(tmp_path / name, [GOOD, (42, 43, 1.1, *GOOD[3:])]) for name in ("a.parquet", "a.csv")]
    assert len({rides_digest(load_rides([file])) for file in files}) == 1
