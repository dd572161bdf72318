"""Small Parquet files that unpack to gigabytes: read in batches of bounded size, or refused in one line."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch import parquet_batches
from stream_consumer.batch.chunks import CHUNK_BYTES, CHUNK_ROWS
from stream_consumer.batch.parquet_batches import ParquetBatches
from stream_consumer.batch.parquet_pages import pages

LONG = "x" * 100_000
DELTA = {"use_dictionary": False, "column_encoding": {"c": "DELTA_BYTE_ARRAY"}}


def written(path: Path, column: Any, **options: Any) -> Path:
    """Write a file of one column, in no more than 400 kB."""
    pq.write_table(pa.table({"c": column}), path, compression="zstd", **options)
    assert path.stat().st_size < 400_000
    return path


def decoded(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def repeated(value: Any, rows: int) -> Any:
    """Return a column that is one value in every row; in the file it is there once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def sparse(rows: int, every: int) -> Any:
    return pa.array(["y" if row % every else LONG for row in range(rows)])


REPEATED: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "a text": (lambda: repeated(LONG, 300_000), {}),
    "bytes": (lambda: repeated(LONG.encode(), 300_000), {}),
    "a text of 64-bit offsets": (lambda: pa.array([LONG] * 800, pa.large_string()), {}),
    "a text of string views": (lambda: pa.array([LONG] * 800, pa.string_view()), {}),
    "bytes of one width": (lambda: pa.array([LONG.encode()] * 800, pa.binary(len(LONG))), {}),
    "a text that repeats the last": (lambda: pa.array([LONG] * 800), DELTA),
    "a text between short ones": (lambda: sparse(60_000, 500), {"use_dictionary": False}),
    "a text between short ones, repeating the last": (lambda: sparse(2_000, 20), DELTA),
}


@pytest.mark.parametrize(("column", "options"), REPEATED.values(), ids=REPEATED)
def test_a_long_value_in_many_rows_comes_in_small_batches(
    column: Callable[[], Any], options: dict[str, Any], tmp_path: Path
) -> None:
    content = column()
    file = ParquetBatches(written(tmp_path / "c.parquet", content, **options))
    found = [batch.column(0) for batch, _ in zip(file.read(["c"]), range(6), strict=False)]
    assert max(decoded(part).nbytes for part in found) <= 1.1 * CHUNK_BYTES
    # In order, and none left out.
    rows = sum(map(len, found))
    first = decoded(content[:rows]).to_pylist()
    assert [value for part in found for value in decoded(part).to_pylist()] == first
    assert len(found) == 6 or rows == len(content)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, DELTA], ids=["dictionary", "plain", "delta"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_short_values_come_in_large_batches(kind: Any, options: dict[str, Any], tmp_path: Path) -> None:
    """However carefully their encoding is read."""
    texts = [f"{row:06}" if row % 7 else None for row in range(CHUNK_ROWS + 10)]
    pq.write_table(pa.table({"c": pa.array(texts, kind)}), tmp_path / "c.parquet", **options)
    batches = [decoded(batch.column(0)) for batch in ParquetBatches(tmp_path / "c.parquet").read(["c"])]
    assert [value for part in batches for value in part.to_pylist()] == texts
    assert len(batches) <= 4


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "one text of a gigabyte": (
        lambda: pa.array(["x" * 10_000_000, "y"]), {"use_dictionary": False},
        "its pages unpack to 10,000,0.. bytes at once, and 8,388,608 are held; write it with smaller pages",
    ),
    "a row longer than any record": (lambda: pa.array(["y", "x" * 5_000_000]), {}, "row 1 is longer than 4000000"),
    "a list of a billion numbers": (
        lambda: pa.ListArray.from_arrays(pa.array([0, 5_000_000], pa.int32()), pa.nulls(5_000_000)),
        {}, "the column 'c' has lists or structs; wanted one value a row",
    ),
    "a struct": (lambda: pa.array([{"a": 1}]), {}, "the column 'c' has lists or structs"),
}  # fmt: skip


@pytest.mark.parametrize(("column", "options", "said"), REFUSED.values(), ids=REFUSED)
def test_what_no_batch_can_hold_is_refused_before_it_is_unpacked(
    column: Callable[[], Any], options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page of the limit's true size takes half a minute to write.
    monkeypatch.setattr(parquet_batches, "_MOST_PAGE_BYTES", 8_388_608)
    monkeypatch.setattr(parquet_batches, "LONGEST_ROW", 4_000_000)
    path = written(tmp_path / "c.parquet", column(), **options)
    before = pa.total_allocated_bytes()
    with pytest.raises(pa.ArrowInvalid, match=said):
        list(ParquetBatches(path).read(["c"]))
    assert pa.total_allocated_bytes() - before < CHUNK_BYTES


def test_a_billion_rows_take_the_memory_of_one_batch(tmp_path: Path) -> None:
    """Runs of one number take no room in the file, so there may be any number of rows."""
    with pq.ParquetWriter(tmp_path / "c.parquet", pa.schema({"c": pa.int64()}), compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(pa.table({"c": np.zeros(2_000_000, np.int64)}), row_group_size=2_000_000)
    assert (tmp_path / "c.parquet").stat().st_size < 200_000
    tracemalloc.start()
    before, rows, most = pa.total_allocated_bytes(), 0, 0
    for batch in ParquetBatches(tmp_path / "c.parquet").read(["c"]):
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 10_000_000
    assert most + peak < 2 * CHUNK_BYTES


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, DELTA, {"data_page_version": "2.0"}], ids=str)
def test_the_headers_of_pages_are_read_as_they_were_written(options: dict[str, Any], tmp_path: Path) -> None:
    texts = [f"{'x' * (row % 300)}{row}" for row in range(30_000)]
    options |= {"data_page_size": 10_000, "row_group_size": 20_000, "write_statistics": True}
    pq.write_table(pa.table({"c": texts}), tmp_path / "c.parquet", **options)
    metadata = pq.read_metadata(tmp_path / "c.parquet")
    with (tmp_path / "c.parquet").open("rb") as file:
        for group in range(2):
            column = metadata.row_group(group).column(0)
            found = list(pages(file, column))
            assert sum(page.values for page in found if page.encoding is not None) == column.num_values
            assert 0 <= column.total_uncompressed_size - sum(page.unpacked for page in found) < 2_000 * len(found)


def test_a_damaged_header_is_no_endless_read(tmp_path: Path) -> None:
    path = written(tmp_path / "c.parquet", pa.array(range(10)))
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    with pytest.raises(pa.ArrowInvalid, match="the header of a page is damaged"):
        list(ParquetBatches(path).read(["c"]))
