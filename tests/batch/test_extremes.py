"""Whatever a model predicts, a run commits every row: what it shows meanwhile decides nothing."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.prediction import decode_prediction
from tests.batch.files import parquet_file, rows
from tests.extremes import FINITE, NOT_FINITE
from tests.rides import FakeModel

COLUMNS = {"PULocationID": 1, "DOLocationID": 2}


class Extreme(FakeModel):
    """A model that predicts *values*, whatever they are, by the distance of a ride."""

    def __init__(self, values: Sequence[Any]) -> None:
        super().__init__(lambda _pickup, _dropoff, distance: values[int(distance)])


def scored(values: Sequence[float], folder: Path, name: str) -> tuple[list[Any], int]:
    """Return the predictions of a run whose display fails, and how many rows were rejected."""
    table: dict[str, list[Any]] = {name: [value] * len(values) for name, value in COLUMNS.items()}
    table |= {"trip_distance": [float(at) for at in range(len(values))], "ride_id": list(range(len(values)))}
    job = Job.of(str(parquet_file(folder / "rides.parquet", table)), str(folder / name))
    summary = run(job, model=Extreme(values), stores=Stores(), progress=failing)
    assert summary.predicted + sum(summary.rejected.values()) == len(values)
    if name.endswith(".parquet"):
        return [row["ride_duration"] for row in rows(folder / name)], summary.rows - summary.predicted
    if name.endswith(".csv"):
        with (folder / name).open(newline="") as lines:
            return [float(line["ride_duration"]) for line in csv.DictReader(lines)], summary.rows - summary.predicted
    events = map(decode_prediction, (folder / name).read_bytes().splitlines())
    return [event.value for event in events], summary.rows - summary.predicted


def failing(*_: object) -> None:
    raise BrokenPipeError


@pytest.mark.parametrize("name", ["made.parquet", "made.csv", "made.ndjson"])
@settings(max_examples=10)
@given(values=st.lists(st.one_of(FINITE, NOT_FINITE), min_size=1, max_size=6))
def test_every_row_is_predicted_to_the_last_bit_or_rejected(name: str, values: list[float]) -> None:
    with TemporaryDirectory() as folder:
        predicted, rejected = scored(values, Path(folder), name)
    finite = [value for value in values if math.isfinite(value)]
    assert list(map(repr, predicted)) == list(map(repr, finite))
    assert rejected == len(values) - len(finite)
