"""Rides → what to put, the dead letters that must come of it, and the durations that were to be predicted."""

from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.malformed_events import mixed_in
from stream_consumer.local.demo.ride_producer import ride_events
from stream_consumer.local.demo.run import Plan
from stream_consumer.training.rides import Rides


def ride_plan(
    rides: Rides, *, malformed: float = 0, rate: float | None = None, batch_size: int = 500, seed: int = 42
) -> Plan:
    """Return the plan to put *rides* with a share of *malformed* records (0 to 1) among them."""
    entries, expected = mixed_in(list(ride_events(rides)), malformed, seed)
    expected[Reason.BOUNDS] += len(rides) - len(rides.within_bounds())
    actual = dict(zip(map(str, rides.ride_id.tolist()), rides.duration.tolist(), strict=True))
    return Plan(entries=entries, expected=expected, actual=actual, rate=rate, batch_size=batch_size)
