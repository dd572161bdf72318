"""Rides → the entries to put, the expected dead letters, and the true durations."""

import numpy as np

from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.malformed_events import mixed_in
from stream_consumer.local.demo.ride_producer import ride_events
from stream_consumer.local.demo.run import Plan
from stream_consumer.monitor.drift import DAY, WEEK, Limits
from stream_consumer.training.holdout import full_periods
from stream_consumer.training.rides import Rides

_WEEK = np.timedelta64(7, "D")


def ride_plan(
    rides: Rides, *, malformed: float = 0, rate: float | None = None, batch_size: int = 500, seed: int = 42
) -> Plan:
    """Return the plan to put *rides* with a share of *malformed* records (0 to 1) among them."""
    entries, expected = mixed_in(list(ride_events(rides)), malformed, seed)
    expected[Reason.BOUNDS] += len(rides) - len(rides.within_bounds())
    actual = dict(zip(map(str, rides.ride_id.tolist()), rides.duration.tolist(), strict=True))
    limits = limits_of(rides)
    return Plan(entries=entries, expected=expected, actual=actual, rate=rate, batch_size=batch_size, limits=limits)


def limits_of(rides: Rides) -> Limits:
    """
    Return the limits for the drift of *rides*.

    Synthetic rides are the same at any hour. Trip records are a random sample of some days. Only seven days have all
    hours and weekdays. Days with few rides, of taxis with a wrong clock, do not count.
    """
    if rides.synthetic:
        return WEEK
    days = full_periods(rides, "D")
    times = rides.pickup_time[np.isin(rides.pickup_time.astype("datetime64[D]"), days)]
    return WEEK if len(times) and np.ptp(times) >= _WEEK else DAY
