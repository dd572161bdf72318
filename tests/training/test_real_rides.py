"""
The promise on real rides: trained on January 2021, tested on February.

The TLC's files are not part of the project: ``RIDES_DATA`` names their directory, else it is beside the checkout.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stream_consumer
from stream_consumer.training.fit import Predict, fit
from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.promotion import Champion, judge, meet
from stream_consumer.training.record import fingerprints, record_of
from stream_consumer.training.rides import load_rides
from stream_consumer.training.trial import Trial, run_trial

BESIDE = Path(stream_consumer.__file__).parents[2] / "shared" / "data"
MONTHS = [Path(os.environ.get("RIDES_DATA", BESIDE)) / f"green_tripdata_2021-0{month}.parquet" for month in (1, 2)]

where_they_are = pytest.mark.skipif(
    not all(month.exists() for month in MONTHS),
    reason="the real rides (green_tripdata_2021-01.parquet and -02) are not there; RIDES_DATA names their directory",
)
pytestmark = [where_they_are, pytest.mark.process]  # two months of rides take seconds


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


def ten_days_of(trial: Trial, *, last: bool) -> Champion:
    """A champion that was trained on ten days of February, else on ten of January."""
    month = trial.test if last else trial.training
    days = month.where(month.pickup_time < month.pickup_time.min() + np.timedelta64(10, "D"))
    return Champion("1", "models:/ride-duration/1", record_of(replace(trial, training=days)))


def predictor(trial: Trial, champion: Champion) -> Predict:
    assert champion.record is not None
    everything = trial.rides.within_bounds()
    seen = np.isin(fingerprints(everything), champion.record.fingerprints)
    predict: Predict = fit(everything.where(seen), seed=42).model.predict
    return predict


def test_all_of_january_is_proven_better_than_ten_days_of_it(trial: Trial) -> None:
    champion = ten_days_of(trial, last=False)
    met = meet(champion, trial, lambda _: predictor(trial, champion))
    verdict = judge(met, "")
    assert met.comparison is not None
    assert len(trial.test) - met.comparison.rides == 51, "these stand twice in the file"
    assert met.comparison.days == 27, "a blizzard left the first with a tenth of the rides"
    assert met.comparison.upper_bound < -0.2
    assert len(met.comparison.groups) > 20
    assert verdict.promoted, verdict.reason


def test_ten_days_of_january_do_not_replace_all_of_it(trial: Trial) -> None:
    champion = Champion("1", "models:/ride-duration/1", record_of(trial))
    few = trial.training.where(trial.training.pickup_time < trial.training.pickup_time.min() + np.timedelta64(10, "D"))
    met = meet(champion, replace(trial, fitted=fit(few, seed=42)), lambda _: trial.fitted.model.predict)
    assert met.comparison is not None
    assert met.comparison.upper_bound > 0.2
    assert not judge(met, "").promoted


def test_february_proves_nothing_against_a_champion_that_knows_it(trial: Trial) -> None:
    """Of February 2021, the ten days that it was trained on are left out; of all of it nothing is left."""
    champion = ten_days_of(trial, last=True)
    met = meet(champion, trial, lambda _: predictor(trial, champion))
    assert met.comparison is not None
    assert met.comparison.days == 18
    knows_all = Champion("1", champion.uri, record_of(replace(trial, training=trial.test)))
    verdict = judge(meet(knows_all, trial, lambda _: predictor(trial, champion)), "")
    assert not verdict.promoted
    assert "it was trained on 61,894 of the 61,894 rides of the test" in verdict.reason
