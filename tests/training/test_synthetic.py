"""Synthetic rides: seeded, plausible, and open about what they are."""

import numpy as np
import pytest

from stream_consumer.training.synthetic import synthetic_rides


def test_synthetic_rides_say_that_they_are() -> None:
    assert synthetic_rides(10, seed=42).origin == "10 synthetic rides, seed 42"


def test_the_same_seed_gives_the_same_rides_and_another_gives_others() -> None:
    once, again, other = synthetic_rides(500, seed=1), synthetic_rides(500, seed=1), synthetic_rides(500, seed=2)
    assert once.matrix().tolist() == again.matrix().tolist()
    assert once.duration.tolist() == again.duration.tolist()
    assert once.matrix().tolist() != other.matrix().tolist()


@pytest.mark.parametrize("seed", [0, 7])
def test_every_synthetic_ride_is_one_that_serving_accepts(seed: int) -> None:
    rides = synthetic_rides(20_000, seed=seed)
    assert len(rides.within_bounds()) == len(rides) == rides.counts.kept == 20_000
    assert rides.duration.min() >= 1.0
    assert rides.duration.max() <= 60.0


def test_the_rides_are_by_pickup_time_over_january_and_february() -> None:
    times = synthetic_rides(20_000, seed=42).pickup_time
    assert (np.diff(times) >= np.timedelta64(0, "s")).all()
    assert np.unique(times.astype("datetime64[M]")).astype(str).tolist() == ["2021-01", "2021-02"]


def test_most_rides_are_short_and_longer_ones_take_longer() -> None:
    rides = synthetic_rides(20_000, seed=42)
    assert 2.0 < np.median(rides.trip_distance) < 4.0
    assert 10.0 < np.median(rides.duration) < 20.0
    assert np.corrcoef(rides.trip_distance, rides.duration)[0, 1] > 0.7


def test_roadworks_slow_the_way_into_a_third_of_the_zones_from_their_day_on() -> None:
    usual, slowed = (synthetic_rides(5_000, seed=7, roadworks_from=day) for day in (None, 24))
    changed = usual.duration != slowed.duration
    assert usual.matrix().tolist() == slowed.matrix().tolist()
    assert slowed.pickup_time[changed].min() >= np.datetime64("2021-01-25")
    assert (slowed.duration[changed] > usual.duration[changed]).all()
    assert set(slowed.DOLocationID[changed] % 3) == {1}
    late = slowed.pickup_time >= np.datetime64("2021-01-25")
    assert changed[late & (slowed.DOLocationID % 3 == 1)].mean() > 0.9
