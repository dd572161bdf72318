"""Files of trip records, as the TLC publishes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from stream_consumer.training.rides import Rides, RowCounts

Trip = tuple[int | None, int | None, float | None, str | None, str | None]
"""Pickup zone, dropoff zone, miles, pickup and dropoff time."""

GOOD: Trip = (130, 205, 3.66, "2021-02-01 00:34:03", "2021-02-01 00:51:58")


def write_trips(path: Path, trips: Sequence[Trip] = (GOOD,), *, fleet: str = "lpep") -> str:
    """Write *trips* as Parquet or CSV, by the suffix, among columns that nobody needs; the path as text."""
    table = trip_table(trips, fleet)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pa.output_stream(path) as stream:
            pyarrow.csv.write_csv(table, stream)
    return str(path)


def trip_table(trips: Sequence[Trip], fleet: str = "lpep") -> pa.Table:
    """*trips* in the TLC's order of columns."""
    pickup_zone, dropoff_zone, distance, pickup, dropoff = (list(column) for column in zip(*trips, strict=True))
    clock = pa.timestamp("us")
    return pa.table(
        {
            "VendorID": pa.array([2] * len(trips), pa.int64()),
            f"{fleet}_pickup_datetime": pa.array(pickup).cast(clock),
            f"{fleet}_dropoff_datetime": pa.array(dropoff).cast(clock),
            "store_and_fwd_flag": pa.array(["N"] * len(trips)),
            "PULocationID": pa.array(pickup_zone, pa.int64()),
            "DOLocationID": pa.array(dropoff_zone, pa.int64()),
            "trip_distance": pa.array(distance, pa.float64()),
        }
    )


def write_rides(path: Path, rides: Rides) -> str:
    """Write *rides* as trips, as :func:`write_trips` does."""
    dropoff = rides.pickup_time + (rides.duration * 60).round().astype("timedelta64[s]")
    clocks = (np.datetime_as_string(times).tolist() for times in (rides.pickup_time, dropoff))
    columns = (rides.PULocationID.tolist(), rides.DOLocationID.tolist(), rides.trip_distance.tolist(), *clocks)
    return write_trips(path, list(zip(*columns, strict=True)))


def rides_of(
    zones: Sequence[tuple[int, int]], distance: Sequence[float], duration: Sequence[float], *, day: str = "2021-01-01"
) -> Rides:
    """Rides of one day, a second apart."""
    count = len(zones)
    pickup_zone, dropoff_zone = np.array(zones, dtype=np.int64).T
    return Rides(
        origin="made by hand",
        counts=RowCounts(count, count, {}),
        ride_id=np.arange(count),
        PULocationID=pickup_zone,
        DOLocationID=dropoff_zone,
        trip_distance=np.array(distance, dtype=np.float64),
        duration=np.array(duration, dtype=np.float64),
        pickup_time=np.datetime64(day, "s") + np.arange(count),
    )


def joined(*parts: Rides) -> Rides:
    """The rides of all *parts*, in their order."""
    names = ("ride_id", "PULocationID", "DOLocationID", "trip_distance", "duration", "pickup_time")
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **columns)
