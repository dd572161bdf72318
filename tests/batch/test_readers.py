"""What readers make of files: rows with their numbers, ids with their types, and clear words for what is no input."""

import errno
import gzip
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import CHUNK_BYTES, CHUNK_LINES, CHUNK_ROWS, BadLines, Chunk, Lines, Table
from stream_consumer.batch.csv_reader import csv
from stream_consumer.batch.errors import StoreFailed, UnusableInput
from stream_consumer.batch.readers import Layout, Wanted, ndjson, parquet, readable
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from tests.batch.files import parquet_file
from tests.batch.test_chunk_scoring import COLUMNS, MODEL, expected, verdicts

ZONE = EventSchema([Column("zone", "long")])


def read_parquet(path: Path, schema: EventSchema = ZONE, id_column: str | None = None) -> list[Chunk]:
    with parquet(path, Wanted(schema, id_column), "in/rides.parquet", "rides") as rows:
        return list(rows.chunks)


def read_csv(path: Path, content: str | bytes, schema: EventSchema = ZONE, id_column: str | None = None) -> list[Chunk]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with csv(path, Wanted(schema, id_column), "in/rides.csv", "rides") as rows:
        return list(rows.chunks)


def read_ndjson(path: Path, content: bytes) -> list[Chunk]:
    path.write_bytes(content)
    with ndjson(path, "in/rides.ndjson") as rows:
        return list(rows.chunks)


def ids(chunks: Sequence[Chunk]) -> list[Any]:
    return [one for chunk in chunks if isinstance(chunk, Table) for one in chunk.ids.to_pylist()]


def numbers(chunks: Sequence[Chunk]) -> list[int]:
    return [int(number) for chunk in chunks for number in chunk.numbers]


def test_rows_of_a_parquet_file_are_numbered_through_its_row_groups(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": [1, 2, 3], "ride_id": [7, 8, 9]}, row_group_size=2)
    chunks = read_parquet(path)
    assert (numbers(chunks), ids(chunks)) == ([0, 1, 2], [7, 8, 9])


def test_long_rows_come_in_smaller_chunks(tmp_path: Path) -> None:
    """Columns that are not read do not count."""
    long = [f"{number}{'x' * 20_000}" for number in range(2_000)]
    path = parquet_file(tmp_path / "rides.parquet", {"zone": range(2_000), "ride_id": long, "note": long})
    sizes = [len(chunk.numbers) for chunk in read_parquet(path)]
    assert (sum(sizes), max(sizes) * 20_000 <= CHUNK_BYTES) == (2_000, True)
    assert [len(chunk.numbers) for chunk in read_parquet(path, id_column="zone")] == [2_000]


def test_what_cannot_be_read_now_is_not_the_inputs_fault() -> None:
    for error in (MemoryError(), pa.ArrowMemoryError("full")):
        with pytest.raises(MemoryError), readable("rides.parquet", "Parquet"):
            raise error
    with (
        pytest.raises(StoreFailed, match=r"rides\.parquet cannot be read: Stale"),
        readable("rides.parquet", "Parquet"),
    ):
        raise OSError(errno.ESTALE, "Stale file handle")
    with pytest.raises(UnusableInput), readable("rides.parquet", "Parquet"):
        raise OSError("Couldn't deserialize thrift")


def test_a_large_row_group_comes_in_chunks(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": np.arange(CHUNK_ROWS + 1)})
    assert [len(chunk.numbers) for chunk in read_parquet(path)] == [CHUNK_ROWS, 1]


def test_ids_are_made_where_there_are_none(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": [1, 2]})
    assert ids(read_parquet(path)) == ["rides_0", "rides_1"]
    assert ids(read_csv(tmp_path / "rides.csv", "zone\n1\n2\n")) == ["rides_0", "rides_1"]


def test_the_column_of_ids_can_be_named(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": [1, 2], "trip": ["a", "b"], "ride_id": [1, 2]})
    assert ids(read_parquet(path, id_column="trip")) == ["a", "b"]
    assert ids(read_parquet(path, id_column="zone")) == [1, 2]


@pytest.mark.parametrize("read", [read_parquet, lambda path: read_csv(path, "PULocationID,fare\n1,2\n")])
def test_missing_columns_are_named_with_those_that_are_there(read: Any, tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides", {"PULocationID": [1], "fare": [2.0]})
    with pytest.raises(UnusableInput, match=r"in/rides\.\w+ lacks the column 'zone'; it has 'PULocationID', 'fare'"):
        read(path)


def test_an_optional_column_that_is_not_there_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The header may be mistyped. A table from Spark is read in many parts, each with the same columns."""
    schema = EventSchema([Column("zone", "long"), Column("city", "string", required=False)], Envelope())
    for _ in range(2):
        Layout(Wanted(schema), ["zone", "citty"], f"{tmp_path}/flats.csv", "flats")
    [warning] = caplog.messages
    assert warning.endswith(
        "flats.csv lacks the optional column 'city', which the model gets as missing; it has 'zone', 'citty'"
    )


def test_a_named_column_of_ids_must_be_there(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": [1]})
    with pytest.raises(UnusableInput, match="lacks the column 'trip'"):
        read_parquet(path, id_column="trip")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="more than one column 'zone'"):
        read_csv(tmp_path / "rides.csv", "zone,zone\n1,2\n")


def test_an_optional_column_may_be_missing_altogether(tmp_path: Path) -> None:
    schema = EventSchema([Column("toll", "double", required=False)])
    path = parquet_file(tmp_path / "rides.parquet", {"fare": [2.0, 3.0]})
    assert ids(read_parquet(path, schema)) == ["rides_0", "rides_1"]
    assert ids(read_csv(tmp_path / "rides.csv", "fare\n1\n2\n", schema)) == ["rides_0", "rides_1"]


def test_dictionaries_are_read_as_what_they_hold(tmp_path: Path) -> None:
    columns = {"zone": pa.array([5, 5, 6]).dictionary_encode(), "ride_id": pa.array(list("aba")).dictionary_encode()}
    [table] = read_parquet(parquet_file(tmp_path / "rides.parquet", columns))
    assert isinstance(table, Table)
    assert (table.columns["zone"].to_pylist(), table.ids.to_pylist()) == ([5, 5, 6], ["a", "b", "a"])


@pytest.mark.parametrize("content", [b"", b"no Parquet at all", b"PAR1" + bytes(40) + b"PAR1"])
def test_what_is_no_parquet_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rides.parquet"
    path.write_bytes(content)
    with pytest.raises(UnusableInput, match=r"in/rides\.parquet cannot be read as Parquet"):
        read_parquet(path)


def test_a_parquet_file_that_is_damaged_within_is_unusable(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "rides.parquet", {"zone": np.arange(20_000), "ride_id": np.arange(20_000)})
    content = bytearray(path.read_bytes())
    content[50:20_000] = bytes(19_950)
    path.write_bytes(content)
    with pytest.raises(UnusableInput, match="cannot be read as Parquet"):
        read_parquet(path)


def test_a_column_that_is_not_utf8_makes_its_file_unusable(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00"), pa.py_buffer(b"\xff"))
    path = tmp_path / "rides.parquet"
    pq.write_table(pa.table({"zone": [1], "ride_id": broken}), path)
    with pytest.raises(UnusableInput, match="cannot be read as Parquet"):
        read_parquet(path)


def test_lines_of_another_length_keep_their_place(tmp_path: Path) -> None:
    """The rows around them keep their numbers, and the lines go to the contract as they are."""
    text = "ride_id,zone\n1,2\n2\n3,4\n4,5,6\n"
    chunks = read_csv(tmp_path / "rides.csv", text)
    assert numbers(chunks) == [0, 2, 1, 3]
    assert [line for chunk in chunks if isinstance(chunk, BadLines) for line in chunk.data] == [b"2", b"4,5,6"]
    assert ids(chunks) == [1, 3]


def test_numbers_hold_through_the_blocks_of_a_long_csv(tmp_path: Path) -> None:
    rows = [f"{at},1" if at % 997 else f"{at}" for at in range(400_000)]
    chunks = read_csv(tmp_path / "rides.csv", "ride_id,zone\n" + "\n".join(rows) + "\n")
    assert len(chunks) > 2
    assert sorted(numbers(chunks)) == list(range(400_000))
    assert all(chunk.ids.to_pylist() == chunk.numbers.tolist() for chunk in chunks if isinstance(chunk, Table))


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1", "-2", '"3"'], [1, -2, 3]),
        (["1", "x"], ["1", "x"]),
        (["007", "8"], ["007", "8"]),
        (["1", "9223372036854775808"], ["1", "9223372036854775808"]),
        (["9223372036854775807"], [9223372036854775807]),
        (["1", ""], [1, None]),
        (["1.0"], ["1.0"]),
    ],
)
def test_ids_of_a_csv_are_integers_only_if_all_of_them_are(cells: list[str], wanted: list[Any], tmp_path: Path) -> None:
    text = "ride_id,zone\n" + "".join(f"{cell},1\n" for cell in cells)
    assert ids(read_csv(tmp_path / "rides.csv", text)) == wanted


def test_a_csv_may_be_compressed(tmp_path: Path) -> None:
    assert ids(read_csv(tmp_path / "rides.csv.gz", gzip.compress(b"ride_id,zone\n5,1\n"))) == [5]


@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b"ride_id,zone\n5,1\n" * 9)[:-15], b"ride_id,zone\n\xff,1\n"],
    ids=["empty", "broken off", "not UTF-8"],
)
def test_what_is_no_csv_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    name = "rides.csv.gz" if content.startswith(b"\x1f") else "rides.csv"
    with pytest.raises(UnusableInput, match=r"in/rides\.csv cannot be read as CSV"):
        read_csv(tmp_path / name, content)


cells = st.one_of(
    st.sampled_from(["", "1", "-0", "130", "3.66", "1e2", "1E400", "007", "+1", " 1", "1.", "130.0", ".5", "NaN", "inf",
                     "TRUE", "tRUE", "false", "null", "9" * 20, "9007199254740993", "0." + "1" * 30,
                     "12345678901234567.1"]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(categories=["L", "N"]), max_size=3),
)  # fmt: skip


@given(st.lists(st.tuples(*[cells] * 7), min_size=1, max_size=6))
def test_cells_mean_what_they_would_in_json(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    """A number in a column of numbers is one as it stands; anything else stays a text, and an empty cell is null."""
    names = [column.name for column in COLUMNS]
    text = "\n".join(",".join(row) for row in [("ride_id", *names), *rows]) + "\n"
    chunks = read_csv(tmp_path_factory.getbasetemp() / "cells.csv", text, MODEL.schema)
    whole = all(is_integer(row[0]) for row in rows if row[0])
    events = []
    for ride_id, *values in rows:
        ride = ", ".join(
            f'"{column.name}": {literal(cell, column.type)}' for column, cell in zip(COLUMNS, values, strict=True)
        )
        events.append(f'{{"ride": {{{ride}}}, "ride_id": {literal(ride_id, "long") if whole else quoted(ride_id)}}}')
    found = [verdicts(Judge(MODEL, "rides").decide(chunk)) for chunk in chunks]
    assert found == [expected(range(len(rows)), [event.encode() for event in events])]


def quoted(cell: str) -> str:
    return json.dumps(cell) if cell else "null"


def literal(cell: str, kind: str) -> str:
    """The JSON number that pandas would read in a column of numbers, or else a JSON string."""
    if cell.lower() in {"true", "false"} and kind == "boolean":
        return cell.lower()
    try:
        number = float(cell)
    except ValueError:
        return quoted(cell)
    if not cell.isascii() or cell.strip().isalpha():
        return quoted(cell)
    if kind in {"integer", "long"} and math.isfinite(number) and "e" not in cell.lower():
        exact = Decimal(cell.strip())  # a float would round
        return str(int(exact)) if exact == int(exact) else repr(number)
    try:
        return str(int(cell))
    except ValueError:
        return repr(number) if math.isfinite(number) else "1e400"


def is_integer(cell: str) -> bool:
    try:
        return cell == str(int(cell)) and cell.isascii() and -(2**63) <= int(cell) < 2**63
    except ValueError:
        return False


def test_every_line_of_ndjson_is_a_row(tmp_path: Path) -> None:
    [lines] = read_ndjson(tmp_path / "rides.ndjson", b'{"a":1}\n\n{"b":2}\r\n{"c":3}')
    assert isinstance(lines, Lines)
    assert lines.data == [b'{"a":1}', b"", b'{"b":2}\r', b'{"c":3}']


def test_ndjson_comes_in_chunks(tmp_path: Path) -> None:
    chunks = read_ndjson(tmp_path / "rides.ndjson", b"{}\n" * (CHUNK_LINES + 1))
    assert [len(chunk.numbers) for chunk in chunks] == [CHUNK_LINES, 1]
    assert numbers(chunks) == list(range(CHUNK_LINES + 1))


def test_a_file_without_line_ends_does_not_fill_memory(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"row 1 of in/rides\.ndjson is longer than 16777216 bytes"):
        read_ndjson(tmp_path / "rides.ndjson", b"{}\n" + b" " * (1 << 24))
