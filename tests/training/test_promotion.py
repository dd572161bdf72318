"""Who becomes champion."""

import errno
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError
from numpy.typing import NDArray

from stream_consumer.errors import ModelError, PinNeeded
from stream_consumer.training.fit import Predict
from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.promotion import Champion, Rival, Verdict, judge, meet
from stream_consumer.training.proof import Comparison, Group
from stream_consumer.training.record import TrainingRecord, record_of
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.trial import Trial, run_trial
from tests.training.trips import joined


@pytest.fixture(scope="module")
def trial() -> Trial:
    """January to train on, February to test on."""
    return run_trial(synthetic_rides(2_000, seed=42), seed=7, stages=Stages(silent))


@pytest.fixture(scope="module")
def champion(trial: Trial) -> Champion:
    """A champion that was trained on other rides than those of the test."""
    return Champion("3", "models:/ride-duration/3", record_of(trial))


def off_by(minutes: float, trial: Trial) -> Callable[[str], Predict]:
    """Load a model that errs by so many minutes more than that of *trial*, whatever the ride."""

    def load(uri: str) -> Predict:
        assert uri == "models:/ride-duration/3"
        return lambda matrix: trial.fitted.model.predict(matrix) + minutes

    return load


def trained_on(trial: Trial, of_the_test: NDArray[np.bool_]) -> TrainingRecord:
    """The record of a champion that was trained on some rides of the test."""
    return record_of(replace(trial, training=trial.test.where(of_the_test)))


def test_the_champion_is_tested_on_the_rides_of_the_test(trial: Trial, champion: Champion) -> None:
    met = meet(champion, trial, off_by(60.0, trial))
    assert met.comparison is not None
    assert (met.version, met.comparison.rides, met.comparison.days) == ("3", len(trial.test), 28)
    assert met.comparison.rmse == trial.model.rmse
    assert 50 < met.comparison.champion_rmse < 70
    assert judge(met, "").promoted


def test_a_champion_that_cannot_be_loaded_is_at_fault(trial: Trial, champion: Champion) -> None:
    def load(uri: str) -> Predict:
        raise ModelError(f"{uri} is broken")

    assert meet(champion, trial, load) == Rival("3", fault="ModelError: models:/ride-duration/3 is broken")


def test_a_store_that_does_not_answer_is_no_fault_of_the_champion(trial: Trial, champion: Champion) -> None:
    def load(uri: str) -> Predict:
        raise ModelError(f"{uri} cannot be read") from EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    with pytest.raises(ModelError, match="cannot be read"):
        meet(champion, trial, load)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_fault_of_this_machine_is_no_fault_of_the_champion(
    trial: Trial, champion: Champion, error: Exception, *, wrapped: bool
) -> None:
    """A full disk had a worse model promoted uncompared."""

    def load(uri: str) -> Predict:
        if wrapped:
            raise ModelError(f"{uri} cannot be read") from error
        raise error

    with pytest.raises((ModelError, type(error))):
        meet(champion, trial, load)


def test_files_that_a_champion_lacks_are_its_own_fault(trial: Trial, champion: Champion) -> None:
    def load(uri: str) -> Predict:
        raise ModelError(f"{uri} cannot be read") from FileNotFoundError("model.skops")

    assert meet(champion, trial, load).fault == "ModelError: models:/ride-duration/3 cannot be read"


def test_a_champion_that_needs_a_pin_is_not_replaced_uncompared(trial: Trial, champion: Champion) -> None:
    def load(uri: str) -> Predict:
        raise PinNeeded(f"loading the model at {uri} can run code from its files")

    met = meet(champion, trial, load)
    assert met.unproven.startswith("training loads no model that needs a pin, and loading the model at models:/ride")
    assert not judge(met, "").promoted


def test_a_ride_that_a_file_repeats_proves_no_more_than_one(trial: Trial, champion: Champion) -> None:
    twice = replace(trial, test=joined(trial.test, trial.test))
    met = meet(champion, twice, off_by(60.0, trial))
    assert met.comparison is not None
    assert met.comparison.rides == len(trial.test)


@pytest.mark.parametrize("minutes", [math.nan, math.inf])
def test_a_champion_whose_predictions_are_not_finite_is_at_fault(
    trial: Trial, champion: Champion, minutes: float
) -> None:
    assert meet(champion, trial, off_by(minutes, trial)) == Rival("3", fault="its predictions are not finite")


def test_a_champion_that_was_trained_on_the_rides_of_the_test_is_not_compared(trial: Trial) -> None:
    """It would know them by heart, or, as here, be worse: either way the test would tell nothing."""
    seen = trained_on(trial, np.ones(len(trial.test), bool))
    verdict = judge(meet(Champion("3", "models:/ride-duration/3", seen), trial, off_by(60.0, trial)), "")
    count = f"{len(trial.test):,}"
    assert verdict == Verdict(
        promoted=False,
        reason=f"champion version 3 could not be compared: it was trained on {count} of the {count} rides of the test, "
        "and the 0 rides of 0 full days that neither model was trained on are too few: 100 of 5 days are the least; "
        "test on newer rides, or decide yourself with `stream-consumer model promote`",
    )


def test_only_rides_that_neither_model_was_trained_on_are_compared(trial: Trial) -> None:
    early = trial.test.pickup_time < np.datetime64("2021-02-15")
    record = trained_on(trial, early)
    met = meet(Champion("3", "models:/ride-duration/3", record), trial, off_by(60.0, trial))
    assert met.comparison is not None
    assert (met.comparison.rides, met.comparison.days) == (int((~early).sum()), 14)


@pytest.mark.parametrize(("days", "compared"), [(5, True), (4, False)])
def test_fewer_than_five_days_prove_nothing(trial: Trial, champion: Champion, days: int, *, compared: bool) -> None:
    first = trial.test.where(trial.test.pickup_time < np.datetime64("2021-02-01") + np.timedelta64(days, "D"))
    met = meet(champion, replace(trial, test=first), off_by(60.0, trial))
    assert (met.comparison is not None) == compared
    assert ("rides of 4 full days" in met.unproven) != compared


def test_a_stray_ride_makes_no_day(trial: Trial, champion: Champion) -> None:
    times = trial.test.pickup_time.copy()
    times[0] = np.datetime64("2009-01-01T00:00:00")
    met = meet(champion, replace(trial, test=replace(trial.test, pickup_time=times)), off_by(60.0, trial))
    assert met.comparison is not None
    assert (met.comparison.days, met.comparison.rides) == (28, len(trial.test))


def test_a_champion_whose_rides_nobody_knows_is_not_compared(trial: Trial, champion: Champion) -> None:
    verdict = judge(meet(replace(champion, record=None), trial, off_by(60.0, trial)), "")
    assert not verdict.promoted
    assert verdict.reason.startswith(
        "champion version 3 could not be compared: nothing tells which rides it was trained on; "
    )


def test_a_model_against_itself_does_not_become_champion(trial: Trial, champion: Champion) -> None:
    assert not judge(meet(champion, trial, off_by(0.0, trial)), "").promoted


def test_the_first_model_becomes_champion() -> None:
    assert judge(None, "") == Verdict(promoted=True, reason="there was no champion")


@pytest.mark.parametrize("rival", [None, Rival("3", Comparison(1_000, 28, 5.9, 6.1, -0.1)), Rival("3", fault="broken")])
def test_a_model_that_cannot_be_served_never_becomes_champion(rival: Rival | None) -> None:
    assert judge(rival, "it cannot be loaded: broken") == Verdict(
        promoted=False, reason="the saved model cannot be served: it cannot be loaded: broken"
    )


ON = "on 1,000 rides of 28 full days that neither was trained on: the difference is at most"


def test_a_model_that_is_better_beyond_chance_becomes_champion() -> None:
    assert judge(Rival("3", Comparison(1_000, 28, 5.9, 6.1, -0.1)), "") == Verdict(
        promoted=True, reason=f"RMSE 5.9000 beats the 6.1000 of champion version 3 {ON} -0.1000 with 95 % confidence"
    )


@pytest.mark.parametrize("bound", [0.0, 0.05])
def test_a_model_that_is_better_by_chance_or_just_as_good_does_not(bound: float) -> None:
    assert judge(Rival("3", Comparison(1_000, 28, 5.9, 6.1, bound)), "") == Verdict(
        promoted=False,
        reason=f"RMSE 5.9000 does not beat the 6.1000 of champion version 3 {ON} +{bound:.4f} with 95 % confidence",
    )


def test_a_model_that_is_better_but_for_a_zone_does_not_and_the_worst_zone_is_named() -> None:
    worse = (Group("pickups in zone 74", 600, 6.6, 6.0), Group("dropoffs in zone 9", 700, 9.0, 6.0))
    verdict = judge(Rival("3", Comparison(1_000, 28, 5.9, 6.1, -0.1, worse, worse)), "")
    assert verdict == Verdict(
        promoted=False,
        reason=f"RMSE 5.9000 beats the 6.1000 of champion version 3 {ON} -0.1000 with 95 % confidence, but is more "
        "than 5% worse for dropoffs in zone 9 (700 rides, RMSE 9.00 for 6.00) and 1 more",
    )


def test_a_champion_that_could_not_be_tested_is_replaced_and_named() -> None:
    assert judge(Rival("3", fault="ModelError: broken"), "") == Verdict(
        promoted=True,
        reason="champion version 3 could not be tested and was replaced uncompared: ModelError: broken",
    )
