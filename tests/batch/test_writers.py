"""What writers make: the columns, the types, the same bytes each time; and the count read back from the file."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch.chunks import Outcomes
from stream_consumer.batch.errors import MixedIds
from stream_consumer.batch.writers import writer, written
from stream_consumer.contract.prediction import decode_prediction
from tests.rides import FakeModel

NAMES = ["made.parquet", "made.csv", "made.csv.gz", "made.ndjson", "made.jsonl"]


def outcomes(ids: Any, first: int = 0) -> Outcomes:
    return predicted(np.arange(first, first + len(ids)), ids, np.arange(0.5, len(ids)).tolist())


def predicted(numbers: Any, ids: Any, values: list[float]) -> Outcomes:
    return Outcomes(numbers, ids, values, [], [pa.array(values, pa.float64())])


def write(path: Path, *chunks: Any) -> Path:
    with contextlib.closing(writer(path, FakeModel(name="rides", version="3"), "in.parquet")) as output:
        for ids in chunks:
            output.write(outcomes(ids))
    return path


def test_parquet_has_dictionaries_for_model_and_version(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "made.parquet", pa.array([1, 2]), pa.array([], pa.int64()), pa.array([3])))
    assert [f"{field.name}: {field.type}" for field in table.schema] == [
        "ride_id: int64",
        "ride_duration: double",
        "model: dictionary<values=string, indices=int32, ordered=0>",
        "version: dictionary<values=string, indices=int32, ordered=0>",
    ]
    assert table.to_pylist()[2] == {"ride_id": 3, "ride_duration": 0.5, "model": "rides", "version": "3"}
    assert pq.read_metadata(tmp_path / "made.parquet").num_row_groups == 1


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (pa.array([1], pa.uint8()), "int64"),
        ([1, -(2**63)], "int64"),
        (pa.array(["a"], pa.large_string()), "string"),
        (["a"], "string"),
    ],
)
def test_ids_keep_their_type(ids: Any, kind: str, tmp_path: Path) -> None:
    assert str(pq.read_schema(write(tmp_path / "made.parquet", ids)).field("ride_id").type) == kind


def test_csv_quotes_texts_and_no_numbers(tmp_path: Path) -> None:
    assert write(tmp_path / "made.csv", ['a"b', "1"]).read_text(encoding="utf-8") == (
        '"ride_id","ride_duration","model","version"\n"a""b",0.5,"rides","3"\n"1",1.5,"rides","3"\n'
    )
    assert write(tmp_path / "made.csv", [7]).read_text(encoding="utf-8").splitlines()[1] == '7,0.5,"rides","3"'


def test_ndjson_has_the_streams_events(tmp_path: Path) -> None:
    lines = write(tmp_path / "made.ndjson", [7, "x"]).read_bytes().splitlines()
    assert lines[0] == (
        b'{"model":"rides","version":"3","prediction":{"ride_duration":0.5,"ride_id":7},"event_id":"in.parquet:0"}'
    )
    assert decode_prediction(lines[1]).prediction.id == "x"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunks", [[], [[]], [[1], [], [2, 3]], [pa.array(["a\nb", "c"])]])
def test_what_was_written_is_read_back(name: str, chunks: Sequence[Any], tmp_path: Path) -> None:
    first = write(tmp_path / name, *chunks)
    assert written(first) == sum(map(len, chunks))
    again = tmp_path / "again" / name
    again.parent.mkdir()
    assert write(again, *chunks).read_bytes() == first.read_bytes()


def test_whole_minutes_are_minutes(tmp_path: Path) -> None:
    """CSV says 12 for 12.0, and a reader that looks at the first megabyte alone takes all for integers."""
    ids = np.arange(60_000)
    with contextlib.closing(
        writer(tmp_path / "made.csv", FakeModel(name="rides", version="3"), "in.parquet")
    ) as output:
        output.write(predicted(ids, pa.array(ids), [12.0] * len(ids)))
        output.write(predicted(ids[:1], pa.array(ids[:1]), [12.5]))
    assert written(tmp_path / "made.csv") == 60_001


@pytest.mark.parametrize("name", NAMES[:3])
@pytest.mark.parametrize("chunks", [[[1, "a"]], [[1], ["a"]], [pa.array(["a"]), pa.array([1])]])
def test_a_column_has_ids_of_one_type(name: str, chunks: Sequence[Any], tmp_path: Path) -> None:
    with pytest.raises(MixedIds, match=r"rows 0 to \d have integer ids where others have strings; .* write \.ndjson"):
        write(tmp_path / name, *chunks)


def test_many_rows_are_several_row_groups(tmp_path: Path) -> None:
    chunk = pa.array(["x" * 200] * 60_000)
    path = write(tmp_path / "made.parquet", *[chunk] * 6)
    assert [pq.read_metadata(path).row_group(at).num_rows for at in range(2)] == [180_000, 180_000]
