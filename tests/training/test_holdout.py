"""Which rides a model is tested on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_consumer.errors import UsageError
from stream_consumer.training.holdout import choose_holdout
from stream_consumer.training.rides import Rides
from tests.training.trips import rides_of


def picked_up(*months: tuple[str, int]) -> Rides:
    """Rides picked up at noon on the first day of months, so many in each."""
    times = [np.datetime64(f"{month}-01T12:00:00") for month, count in months for _ in range(count)]
    rides = rides_of([(1, 2)] * len(times), [1.0] * len(times), [5.0] * len(times))
    return replace(rides, pickup_time=np.array(times))


def test_the_last_of_several_months_is_held_out() -> None:
    holdout = choose_holdout(picked_up(("2021-01", 70), ("2021-02", 60), ("2021-03", 50)))
    assert str(holdout.begins) == "2021-03-01T00:00:00"
    assert holdout.description == "2021-03, the last of 3 months"


def test_strays_of_wrong_clocks_make_no_month_and_stay_on_their_side() -> None:
    rides = picked_up(("2009-01", 2), ("2021-01", 100), ("2021-02", 90), ("2021-03", 3))
    holdout = choose_holdout(rides)
    earlier, later = holdout.split(rides)
    assert holdout.description == "2021-02, the last of 2 months"
    assert (len(earlier), len(later)) == (102, 93)


def test_of_one_month_the_last_fifth_by_pickup_time_is_held_out() -> None:
    rides = rides_of([(1, 2)] * 1000, [1.0] * 1000, [5.0] * 1000)
    holdout = choose_holdout(rides)
    earlier, later = holdout.split(rides)
    assert holdout.description == "the last 20% by pickup time, from 2021-01-01T00:13:20 on"
    assert (len(earlier), len(later)) == (800, 200)


@settings(max_examples=30)  # each draws a hundred rides
@given(st.lists(st.integers(0, 10**8), min_size=100, max_size=120, unique=True))
def test_every_ride_is_on_one_side_and_all_training_is_earlier_than_all_testing(seconds: list[int]) -> None:
    rides = rides_of([(1, 2)] * len(seconds), [1.0] * len(seconds), [5.0] * len(seconds))
    rides = replace(rides, pickup_time=np.datetime64("2021-01-01", "s") + np.array(seconds))
    earlier, later = choose_holdout(rides).split(rides)
    assert len(earlier) + len(later) == len(rides)
    assert earlier.pickup_time.max() < later.pickup_time.min()


def test_too_few_rides_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^99 rides are too few to train and to test on; 100 are the least$"):
        choose_holdout(picked_up(("2021-01", 99)))


def test_rides_of_one_moment_have_no_later_part() -> None:
    with pytest.raises(UsageError, match="have the same pickup time 2021-01-01T12:00:00, so there is no later part"):
        choose_holdout(picked_up(("2021-01", 100)))
