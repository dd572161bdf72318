"""
TLC trip records as columns: Parquet or CSV, green or yellow taxis.

One rule: only the five columns that training needs are read, and a file that lacks one is refused by name.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from stream_consumer.errors import UsageError
from stream_consumer.magic_bytes import not_parquet, not_text, not_utf8

_PLACES = ("PULocationID", "DOLocationID", "trip_distance")
_FLEETS = ("lpep", "tpep")  # green and yellow taxis name their clocks differently
_CLOCK_FORMATS = (pyarrow.csv.ISO8601, "%m/%d/%Y %I:%M:%S %p")  # the TLC's own files and NYC Open Data's exports


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """Equally long columns as read; what is null in the file is NaN or NaT here."""

    pickup_zone: NDArray[np.float64]
    dropoff_zone: NDArray[np.float64]
    trip_distance: NDArray[np.float64]
    pickup_time: NDArray[np.datetime64]
    dropoff_time: NDArray[np.datetime64]


def read_trips(path: Path, name: str) -> Trips:
    """
    The trips in the file at *path*; *name* is what messages call it.

    Raises:
        UsageError: The file is empty, unreadable, lacks columns, or has other types in them.
    """
    read, foreign = (_read_parquet, not_parquet) if path.suffix == ".parquet" else (_read_csv, not_text)
    try:
        if known := foreign(path):
            raise UsageError(f"{name} cannot be read as trip records: it is {known}")
        trips = read(path, name)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} cannot be read as trip records: it is {not_utf8(error)}") from error
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{name} cannot be read as trip records: {' '.join(str(error).split())}") from error
    if not len(trips.pickup_time):
        raise UsageError(f"{name} has no rows")
    return trips


def _read_parquet(path: Path, name: str) -> Trips:
    with pyarrow.parquet.ParquetFile(path) as file:
        fleet = _fleet(file.schema_arrow.names, name)
        return _trips(file.read(columns=list(_types(fleet))), fleet)


def _read_csv(path: Path, name: str) -> Trips:
    with pyarrow.csv.open_csv(path) as head:
        fleet = _fleet(head.schema.names, name)
    types = _types(fleet)
    options = pyarrow.csv.ConvertOptions(
        include_columns=list(types), column_types=types, timestamp_parsers=list(_CLOCK_FORMATS)
    )
    return _trips(pyarrow.csv.read_csv(path, convert_options=options), fleet)


def _fleet(present: list[str], name: str) -> str:
    """Whose trip records have the columns *present*."""
    fleet = next((fleet for fleet in _FLEETS if f"{fleet}_pickup_datetime" in present), _FLEETS[0])
    if missing := [column for column in _types(fleet) if column not in present]:
        raise UsageError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(present)}. "
            "Wanted are the TLC's trip records of green (lpep_…) or yellow (tpep_…) taxis"
        )
    return fleet


def _types(fleet: str) -> dict[str, pa.DataType]:
    clocks = f"{fleet}_pickup_datetime", f"{fleet}_dropoff_datetime"
    return dict.fromkeys(_PLACES, pa.float64()) | dict.fromkeys(clocks, pa.timestamp("us"))


def _trips(table: pa.Table, fleet: str) -> Trips:
    return Trips(*(_cast(table[column], kind).to_numpy() for column, kind in _types(fleet).items()))


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast *column*; a duration in minutes has no use for the nanoseconds that pandas writes."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind, safe=not (pa.types.is_timestamp(column.type) and column.type.unit == "ns"))
