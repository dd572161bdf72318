"""
The promise on real rides: trained on January 2021, tested on February.

The TLC's files are not part of the project: ``RIDES_DATA`` names their directory, else it is beside the checkout.
"""

import os
from pathlib import Path

import numpy as np
import pytest

import stream_consumer
from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.rides import load_rides
from stream_consumer.training.trial import Trial, run_trial

BESIDE = Path(stream_consumer.__file__).parents[2] / "shared" / "data"
MONTHS = [Path(os.environ.get("RIDES_DATA", BESIDE)) / f"green_tripdata_2021-0{month}.parquet" for month in (1, 2)]

pytestmark = pytest.mark.skipif(
    not all(month.exists() for month in MONTHS),
    reason="the real rides (green_tripdata_2021-01.parquet and -02) are not there; RIDES_DATA names their directory",
)


@pytest.fixture(scope="module")
def trial() -> Trial:
    rides = load_rides([str(month) for month in MONTHS], bounded=False)
    return run_trial(rides, seed=42, stages=Stages(silent))


def test_every_row_of_the_real_files_is_accounted_for(trial: Trial) -> None:
    assert (trial.rows.read, trial.rows.kept) == (76_518 + 64_572, 73_852 + 61_895)
    assert trial.rows.dropped == {
        "value missing": 0,
        "duration not 1 to 60 minutes": 5_261,
        "PULocationID out of bounds": 0,
        "DOLocationID out of bounds": 0,
        "trip_distance out of bounds": 82,
    }


def test_february_is_predicted_within_six_minutes(trial: Trial) -> None:
    assert trial.holdout == "2021-02, the last of 2 months"
    assert trial.model.rmse <= 6.0


def test_the_linear_baseline_is_the_forerunners_and_better_with_bounds(trial: Trial) -> None:
    assert trial.baseline.rmse == pytest.approx(7.76, abs=0.01)
    assert trial.bounded_baseline.rmse == pytest.approx(6.87, abs=0.01)


def test_zones_beyond_what_the_model_can_know_are_left_unknown(trial: Trial) -> None:
    known = trial.fitted.categories
    assert (len(known["PULocationID"]), len(known["DOLocationID"])) == (250, 255)
    assert np.isfinite(trial.fitted.model.predict([[zone, zone, 1.0] for zone in range(1, 266)])).all()
