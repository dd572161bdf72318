"""The demo's plan: what rides are judged by, and the drifts that are made on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from stream_consumer.local.demo.drifted_rides import Drifted
from stream_consumer.local.demo.ride_plan import limits_of, ride_plan
from stream_consumer.monitor.drift import DAY, WEEK, Limits
from stream_consumer.training.synthetic import synthetic_rides


def test_synthetic_rides_are_a_random_sample() -> None:
    assert ride_plan(synthetic_rides(50, seed=1, days=1)).limits == WEEK


@pytest.mark.parametrize(("days", "limits"), [(1, DAY), (6, DAY), (8, WEEK), (59, WEEK)])
def test_trip_records_are_judged_as_a_week_from_seven_days_on(days: int, limits: Limits) -> None:
    assert limits_of(replace(synthetic_rides(2_000, seed=1, days=days), synthetic=False)) == limits


def test_rides_of_a_wrong_clock_make_no_week() -> None:
    rides = replace(synthetic_rides(2_000, seed=1, days=2), synthetic=False)
    rides.pickup_time[-3:] = np.datetime64("2009-01-01")
    assert limits_of(rides) == DAY


def test_a_drift_changes_its_columns_and_no_other() -> None:
    rides = synthetic_rides(200, seed=1)
    kilometres, zeros, zones = (drift.of(rides) for drift in (Drifted.KILOMETRES, Drifted.ZEROS, Drifted.ZONES))
    np.testing.assert_allclose(kilometres.trip_distance, rides.trip_distance * 1.609344)
    assert np.count_nonzero(zeros.trip_distance == 0) == 10
    np.testing.assert_array_equal(zones.PULocationID, rides.DOLocationID)
    np.testing.assert_array_equal(zones.DOLocationID, rides.PULocationID)
    for one in (kilometres, zeros, zones):
        np.testing.assert_array_equal(one.duration, rides.duration)
        assert np.count_nonzero(one.matrix() != rides.matrix(), axis=0).astype(bool).sum() == 1 + (one is zones)


def test_rides_that_a_drift_puts_out_of_bounds_are_expected_as_dead_letters() -> None:
    rides = synthetic_rides(20, seed=1)
    rides.trip_distance[:3] = 150
    plan = ride_plan(Drifted.KILOMETRES.of(rides))
    assert {reason.value: count for reason, count in plan.expected.items() if count} == {"bounds": 3}
