"""
Rides for training: trip records that pass the usual filter and that serving would accept.

The rule: every row read is either kept or counted under the reason for dropping it.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from stream_consumer.errors import UsageError
from stream_consumer.models.files import default_s3
from stream_consumer.training.memory import machine_memory
from stream_consumer.training.progress import StageProgress, silent
from stream_consumer.training.sources import expanded, fetch, shown
from stream_consumer.training.tables import Trips, read_trips

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FEATURES = ("PULocationID", "DOLocationID", "trip_distance")
"""The model's columns, in the order of its matrix."""


class Bounds(TypedDict):
    """The valid range of a column, inclusive."""

    minimum: float
    maximum: float


BOUNDS: Mapping[str, Bounds] = {
    "PULocationID": {"minimum": 1, "maximum": 265},  # the TLC's taxi zones. 264 and 265 are unknown and outside
    "DOLocationID": {"minimum": 1, "maximum": 265},
    "trip_distance": {"minimum": 0.0, "maximum": 200.0},  # miles. Meters report up to 244,152
}
"""The ranges that serving accepts. They travel with the model."""

SHORTEST_MINUTES, LONGEST_MINUTES = 1.0, 60.0
"""The usual filter on the duration, inclusive."""

# Memory for a ride in training: the columns, their copies and the estimator's own.
_RIDE_BYTES = 200

_COLUMNS = ("ride_id", *FEATURES, "duration", "pickup_time")


@dataclass(frozen=True, slots=True)
class RowCounts:
    """``read == kept + sum(dropped.values())``. A row with several reasons counts under the first."""

    read: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Rides:
    """
    Equally long columns, with an entry for each ride, in the order of the sources.

    ``ride_id`` is the row's position among all rows read. The position does not depend on dropped rows. ``duration`` is
    in minutes, ``trip_distance`` in miles. ``origin`` describes the sources of the rides for people.
    """

    origin: str
    counts: RowCounts
    ride_id: NDArray[np.int64]
    PULocationID: NDArray[np.int64]
    DOLocationID: NDArray[np.int64]
    trip_distance: NDArray[np.float64]
    duration: NDArray[np.float64]
    pickup_time: NDArray[np.datetime64]
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.ride_id)

    def matrix(self) -> NDArray[np.float64]:
        """Return the model's input: n x 3 in the order of FEATURES."""
        return np.column_stack([self.PULocationID, self.DOLocationID, self.trip_distance]).astype(np.float64)

    def where(self, mask: NDArray[np.bool_]) -> "Rides":
        """Return the rides of *mask*, with the same origin. The counts cover only these rides."""
        count = int(mask.sum())
        columns = {column: getattr(self, column)[mask] for column in _COLUMNS}
        return replace(self, counts=RowCounts(count, count, {}), **columns)

    def earliest(self, count: int) -> "Rides":
        """
        Return the *count* rides that were picked up first, in the order of the sources.

        The TLC's green files hold rides of two kinds, one behind the other, so their first rows are no sample.
        """
        return self._at(np.argsort(self.pickup_time, kind="stable")[:count])

    def sample(self, count: int, seed: int) -> "Rides":
        """Return at most *count* random rides, in the order of the sources."""
        return self._at(np.random.default_rng(seed).permutation(len(self))[:count])

    def _at(self, positions: NDArray[np.intp]) -> "Rides":
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[positions] = True
        return self.where(mask)

    def within_bounds(self) -> "Rides":
        """Return the rides that serving would accept. The rest is added to the counts of dropped rows."""
        faults = {f"{name} out of bounds": ~_within(getattr(self, name), BOUNDS[name]) for name in FEATURES}
        keep, dropped = _sort_out(faults)
        counts = RowCounts(self.counts.read, int(keep.sum()), {**self.counts.dropped, **dropped})
        return replace(self.where(keep), counts=counts)


def load_rides(
    sources: Sequence[str],
    *,
    bounded: bool = True,
    progress: StageProgress = silent,
    s3: Callable[[], "S3Client"] = default_s3,
    most: int | None = None,
) -> Rides:
    """
    Load the rides of TLC trip records in *sources*: paths, ``s3://`` or ``http(s)://`` URLs of Parquet or CSV files.

    Args:
        sources: Read in this order, as a single table. A path may be a pattern such as ``rides/*.parquet``.
        bounded: Whether to drop rides that serving would refuse. If False, only the usual filter on the duration
            applies.
        progress: Called for each file while downloading and reading.
        s3: Makes the client. Called only for a source on S3.
        most: Largest number of rows to read. The default is the number that fits into memory with all derived data.

    Raises:
        UsageError: A source is missing, unreadable, of the wrong shape or given twice, no ride is left, or there are
            more than *most* rows.
    """
    if not sources:
        raise UsageError("no rides were given; name at least one Parquet or CSV file of TLC trip records")
    sources = expanded(sources)
    if twice := {shown(source) for source in sources if sources.count(source) > 1}:
        raise UsageError(f"given twice: {', '.join(sorted(twice))}; its rides would count double")
    trips = list[Trips]()
    most = machine_memory() // _RIDE_BYTES if most is None else most
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="rides-") as directory:
            path = fetch(source, Path(directory), progress=progress, s3=s3)
            progress(f"reading {shown(source)}")
            trips.append(read_trips(path, shown(source), most))
            most -= len(trips[-1].pickup_time)
    rides = _usual_filter(trips, origin=", ".join(map(shown, sources)))
    rides = rides.within_bounds() if bounded else rides
    if not len(rides):
        reasons = ", ".join(f"{count} {reason}" for reason, count in rides.counts.dropped.items() if count)
        raise UsageError(f"none of the {rides.counts.read} rows of {rides.origin} is a usable ride: {reasons}")
    return rides


def _usual_filter(trips: Sequence[Trips], *, origin: str) -> Rides:
    pickup_zone = np.concatenate([part.pickup_zone for part in trips])
    dropoff_zone = np.concatenate([part.dropoff_zone for part in trips])
    distance = np.concatenate([part.trip_distance for part in trips])
    pickup = np.concatenate([part.pickup_time for part in trips])
    duration = (np.concatenate([part.dropoff_time for part in trips]) - pickup) / np.timedelta64(1, "m")
    # NaN and NaT fail every comparison. A zone must be a whole number.
    complete = np.isfinite(distance) & np.isfinite(duration) & (pickup_zone % 1 == 0) & (dropoff_zone % 1 == 0)
    in_range = _within(duration, {"minimum": SHORTEST_MINUTES, "maximum": LONGEST_MINUTES})
    keep, dropped = _sort_out({"value missing": ~complete, "duration not 1 to 60 minutes": ~in_range})
    return Rides(
        origin=origin,
        counts=RowCounts(len(keep), int(keep.sum()), dropped),
        ride_id=np.flatnonzero(keep),
        PULocationID=pickup_zone[keep].astype(np.int64),
        DOLocationID=dropoff_zone[keep].astype(np.int64),
        trip_distance=distance[keep],
        duration=duration[keep],
        pickup_time=pickup[keep].astype("datetime64[s]"),
    )


def _within(values: NDArray[Any], bounds: Bounds) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= bounds["minimum"]) & (values <= bounds["maximum"])
    return inside


def _sort_out(faults: Mapping[str, NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """
    Return the rows without a fault, and the number of rows for each fault.

    A faulty row counts under its first fault.
    """
    bad = np.zeros_like(next(iter(faults.values())))
    counts = {}
    for reason, fault in faults.items():
        counts[reason] = int((fault & ~bad).sum())
        bad |= fault
    return ~bad, counts
