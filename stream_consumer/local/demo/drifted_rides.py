"""
Rides after a change of a producer: the drifts of ``demo --drift``.

The rule: durations do not change, so the error shows the cost of a drift.
"""

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_consumer.training.rides import Rides

_KILOMETRES_PER_MILE = 1.609344
_EVERY = 20


class Drifted(StrEnum):
    """A change of a producer."""

    KILOMETRES = "kilometres"
    """Distances in kilometres instead of miles."""
    ZEROS = "zeros"
    """A distance of zero in 5 % of the rides."""
    ZONES = "zones"
    """Pick-ups and drop-offs swapped."""

    @property
    def told(self) -> str:
        return _TOLD[self]

    def of(self, rides: "Rides") -> "Rides":
        """Return *rides* with the drift."""
        match self:
            case Drifted.KILOMETRES:
                return replace(rides, trip_distance=rides.trip_distance * _KILOMETRES_PER_MILE)
            case Drifted.ZONES:
                return replace(rides, PULocationID=rides.DOLocationID, DOLocationID=rides.PULocationID)
            case Drifted.ZEROS:
                distances = rides.trip_distance.copy()
                distances[::_EVERY] = 0
                return replace(rides, trip_distance=distances)


_TOLD = {
    Drifted.KILOMETRES: "distances in kilometres",
    Drifted.ZEROS: "5 % with a distance of zero",
    Drifted.ZONES: "pick-ups and drop-offs swapped",
}
