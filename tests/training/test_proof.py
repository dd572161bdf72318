"""The proof that a model is better: a paired bootstrap by day, and each zone for itself."""

from dataclasses import replace

import numpy as np
import pytest

from stream_consumer.training.fit import FloatArray
from stream_consumer.training.proof import Comparison, compare
from stream_consumer.training.rides import Rides
from tests.training.trips import joined, rides_of


def rides_on(days: int, each: int, zone: int = 1) -> Rides:
    """So many rides of 10 minutes on so many days, from one zone to another."""
    rides = rides_of([(zone, 265)] * (days * each), [1.0] * (days * each), [10.0] * (days * each))
    first = np.datetime64("2021-02-01T12:00:00")
    return replace(rides, pickup_time=first + np.repeat(np.arange(days), each) * np.timedelta64(1, "D"))


def off_by(*errors: FloatArray | float) -> FloatArray:
    return 10.0 + np.concatenate([np.atleast_1d(error) for error in errors])


def test_a_model_that_is_better_by_the_same_on_every_day_is_better_by_that() -> None:
    """Every drawn set of days has one difference, so it is the bound: sqrt(4) - sqrt(9)."""
    rides = rides_on(days=7, each=20)
    seen = compare(rides, off_by(np.full(140, 2.0)), off_by(np.full(140, -3.0)), seed=1)
    assert seen == Comparison(rides=140, days=7, rmse=2.0, champion_rmse=3.0, upper_bound=-1.0)


def test_a_model_against_itself_is_not_better() -> None:
    errors = np.random.default_rng(3).normal(size=200)
    seen = compare(rides_on(days=10, each=20), off_by(errors), off_by(errors), seed=1)
    assert seen.upper_bound == 0.0


def test_the_bound_is_of_the_days_drawn_and_not_of_the_rides() -> None:
    """A model that wins by much on one day of ten and loses by little on nine is not proven better."""
    ours = np.where(np.arange(1_000) < 100, 1.0, 3.1)
    theirs = np.where(np.arange(1_000) < 100, 6.0, 3.0)
    seen = compare(rides_on(days=10, each=100), off_by(ours), off_by(theirs), seed=1)
    assert seen.rmse < seen.champion_rmse
    assert seen.upper_bound > 0, "one set in three has none of that day"
    by_ride = compare(
        replace(rides_on(days=1_000, each=1), duration=np.full(1_000, 10.0)), off_by(ours), off_by(theirs), seed=1
    )
    assert by_ride.upper_bound < 0, "had each ride been a day of its own"


def test_the_same_seed_gives_the_same_bound() -> None:
    random = np.random.default_rng(5)
    rides, ours, theirs = rides_on(days=9, each=30), off_by(random.normal(size=270)), off_by(random.normal(size=270))
    bounds = [compare(rides, ours, theirs, seed=seed).upper_bound for seed in (1, 1, 2)]
    assert bounds[0] == bounds[1] != bounds[2]


@pytest.mark.process
@pytest.mark.parametrize("days", [5, 28])
def test_models_that_are_equally_good_are_seldom_taken_for_better(days: int) -> None:
    """
    Of 300 pairs that differ by chance alone, with errors that a day shares, about 5 % may pass: here at most 9 %.

    Without the widening for few days it was 14 % of those on 5 days.
    """
    random, rides = np.random.default_rng(7), rides_on(days=days, each=20)
    passed = 0
    for trial in range(300):
        shared = np.repeat(random.normal(size=(2, days)), 20, axis=1)
        ours, theirs = shared + random.normal(size=(2, 20 * days))
        passed += compare(rides, off_by(ours), off_by(theirs), seed=trial).upper_bound < 0
    assert 3 <= passed <= 27


@pytest.mark.parametrize(("rides", "factor", "worse"), [(501, 1.06, 1), (501, 1.04, 0), (500, 1.06, 0)])
def test_a_zone_of_more_than_500_rides_may_not_be_more_than_5_percent_worse(
    rides: int, factor: float, worse: int
) -> None:
    elsewhere = joined(*(rides_on(days=5, each=100, zone=zone) for zone in (7, 8)))
    here = rides_on(days=rides, each=1, zone=9)
    ours = off_by(np.full(1_000, 0.5), np.full(rides, 2.0 * factor))
    theirs = off_by(np.full(1_000, 2.0), np.full(rides, 2.0))
    seen = compare(joined(elsewhere, here), ours, theirs, seed=1)
    found = [group for group in seen.worse if group.name == "pickups in zone 9"]
    assert len(found) == worse
    if found:
        assert (found[0].rides, found[0].champion_rmse) == (501, 2.0)
        assert str(found[0]) == "pickups in zone 9 (501 rides, RMSE 2.12 for 2.00)"


def test_dropoffs_are_grouped_as_pickups_are() -> None:
    rides = rides_on(days=6, each=100)
    seen = compare(rides, off_by(np.full(600, 3.0)), off_by(np.full(600, 1.0)), seed=1)
    assert [group.name for group in seen.worse] == ["pickups in zone 1", "dropoffs in zone 265"]


def test_a_champion_without_any_error_makes_no_division_by_zero() -> None:
    rides = rides_on(days=6, each=100)
    seen = compare(rides, off_by(np.full(600, 1.0)), off_by(np.zeros(600)), seed=1)
    assert (seen.champion_rmse, seen.upper_bound, len(seen.worse)) == (0.0, 1.0, 2)
