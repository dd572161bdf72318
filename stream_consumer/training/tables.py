"""
TLC trip records as columns: Parquet or CSV, green or yellow taxis.

The rule: only the five columns for training are read, and a file without one of them is refused by name. Files are read
in pieces, so a file with more rows than memory holds is refused before memory is full.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.csv import ISO8601

from stream_consumer.batch.csv_reader import csv_numbers, csv_pieces
from stream_consumer.batch.parquet_batches import ParquetBatches
from stream_consumer.errors import UsageError, in_one_line
from stream_consumer.magic_bytes import not_parquet, not_text, not_utf8

_PLACES = ("PULocationID", "DOLocationID", "trip_distance")
_FLEETS = ("lpep", "tpep")  # green and yellow taxis name their clocks differently
_CLOCK_FORMATS = (ISO8601, "%m/%d/%Y %I:%M:%S %p")  # the TLC's own files and NYC Open Data's exports


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """Equally long columns as read. Null in the file is NaN or NaT here."""

    pickup_zone: NDArray[np.float64]
    dropoff_zone: NDArray[np.float64]
    trip_distance: NDArray[np.float64]
    pickup_time: NDArray[np.datetime64]
    dropoff_time: NDArray[np.datetime64]


def read_trips(path: Path, name: str, most: int) -> Trips:
    """
    Return the trips in the file at *path*. *name* is the file's name in messages.

    Raises:
        UsageError: The file is empty or unreadable, has more than *most* rows, lacks columns, or has other types in
            them.
    """
    read, foreign = (_read_parquet, not_parquet) if path.suffix == ".parquet" else (_read_csv, not_text)
    try:
        if known := foreign(path):
            raise UsageError(f"{name} cannot be read as trip records: it is {known}")
        trips = _joined(read(path, name), name, most)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} cannot be read as trip records: it is {not_utf8(error)}") from error
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{name} cannot be read as trip records: {in_one_line(error)}") from error
    if not len(trips.pickup_time):
        raise UsageError(f"{name} has no rows")
    return trips


def _joined(pieces: Iterator[Trips], name: str, most: int) -> Trips:
    parts, rows = list[Trips](), 0
    for piece in pieces:
        rows += len(piece.pickup_time)
        if rows > most:
            raise UsageError(
                f"{name} has too many rows: memory holds {most:,} more rides; name fewer files, or a part of this one"
            )
        parts.append(piece)
    names = [field.name for field in fields(Trips)]
    return Trips(*(np.concatenate([getattr(part, column) for part in parts] or [[]]) for column in names))


def _read_parquet(path: Path, name: str) -> Iterator[Trips]:
    file = ParquetBatches(path)
    fleet = _fleet(file.schema.names, name)
    return (_trips(batch, fleet) for batch in file.read(list(_types(fleet))))


def _read_csv(path: Path, name: str) -> Iterator[Trips]:
    with csv_pieces(path, []) as head:
        fleet = _fleet(head.schema.names, name)
    clocks = {column: kind for column, kind in _types(fleet).items() if column not in _PLACES}
    # All names of missing values in pyarrow's own list.
    options = {"column_types": clocks, "timestamp_parsers": list(_CLOCK_FORMATS), "null_values": None}
    with csv_pieces(path, list(_types(fleet)), **options) as pieces:
        for piece in pieces:
            columns = {column: piece.column(column) for column in piece.schema.names}
            columns |= {column: csv_numbers(columns[column], column) for column in _PLACES}
            yield _trips(columns, fleet)


def _fleet(present: list[str], name: str) -> str:
    """Return the fleet whose trip records have the columns *present*."""
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


def _trips(columns: Any, fleet: str) -> Trips:
    return Trips(
        *(_cast(columns[column], kind).to_numpy(zero_copy_only=False) for column, kind in _types(fleet).items())
    )


def _cast(column: Any, kind: pa.DataType) -> Any:
    """
    Cast *column*.

    Nanoseconds, as pandas writes them, are dropped, since a duration in minutes does not need them.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind, safe=not (pa.types.is_timestamp(column.type) and column.type.unit == "ns"))
