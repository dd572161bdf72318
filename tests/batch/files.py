"""Files of rides for the batch tests, and what is in the files that batches made."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch import job
from stream_consumer.batch.parallel import decided
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters

RIDES: Mapping[str, Sequence[Any]] = {
    "PULocationID": [130, 74, 75, 74],
    "DOLocationID": [205, 75, 300, 42],
    "trip_distance": [3.5, 1.0, 2.0, None],
    "ride_id": [7, 8, 9, 10],
}
"""Four rides: the first two valid, one out of bounds, one without a distance."""


def rides_file(path: Path, columns: Mapping[str, Any] = RIDES) -> Path:
    """Write rides in the format that the name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    match path.name.partition(".")[2]:
        case "parquet":
            pq.write_table(table, path)
        case "csv" | "csv.gz":
            with pa.output_stream(path) as file:  # compressed, if its name says so
                pyarrow.csv.write_csv(table, file)
        case _:
            path.write_text("".join(json.dumps(event(row)) + "\n" for row in table.to_pylist()), encoding="utf-8")
    return path


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"ride": {name: row[name] for name in row if name != "ride_id"}, "ride_id": row["ride_id"]}


def parquet_file(path: Path, columns: Mapping[str, Any] = RIDES, **options: Any) -> Path:
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def jobs_asked(patch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each run adds how many chunks it lets be scored at once."""
    asked = list[int]()

    def noted(chunks: Any, judge: Any, jobs: int) -> Any:
        asked.append(jobs)
        return decided(chunks, judge, jobs)

    patch.setattr(job, "decided", noted)
    return asked


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def letters(path: Path) -> list[DeadLetter]:
    return decode_dead_letters(path.read_bytes())
