"""
Read Parquet in record batches of bounded size, whatever size the file unpacks to.

The rule: :data:`CHUNK_BYTES` and the largest pages bound memory, not the size of the file. A few kilobytes can hold a
page of gigabytes, a long text for millions of rows, or a list of a billion numbers. Therefore pages are inspected
before they are unpacked, and a column of lists is refused.

A dataset scanner reads ahead by whole row groups, 600 MB for 10 million rides. Buffering would read whole column
chunks. Both are off. Pages are read on demand, 12 MB for a group of any size.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream_consumer.batch.chunks import CHUNK_BYTES, CHUNK_ROWS
from stream_consumer.batch.parquet_pages import DELTA_BYTE_ARRAY, DICTIONARY_ENCODINGS, Page, longest_value, pages

LONGEST_ROW = 1 << 24
"""Largest size in bytes of a row. No record of a stream is longer."""

_BUFFER_BYTES = 1 << 20
# Sum over the columns of the size of each column's largest page. All these pages are in memory at once.
_MOST_PAGE_BYTES = 1 << 29
# Size of a value without a length of its own.
_VALUE_BYTES = 8


class ParquetBatches:
    """A Parquet file and its batches."""

    def __init__(self, path: Path) -> None:
        """
        Open the file at *path*.

        Raises:
            pyarrow.ArrowException: The file is not Parquet.
        """
        self._path = path
        with self._opened() as file:
            self.schema = file.schema_arrow
            self.rows: int = file.metadata.num_rows

    def _opened(self) -> Any:
        return pq.ParquetFile(self._path, buffer_size=_BUFFER_BYTES, pre_buffer=False)

    def read(self, columns: Sequence[str]) -> Iterator[Any]:
        """
        Yield the rows of *columns* in order, as record batches.

        Raises:
            pyarrow.ArrowException: The file is damaged, a column has lists or structs, or a page or row is too long.
        """
        nested = [name for name in columns if pa.types.is_nested(self.schema.field(name).type)]
        if nested:
            raise pa.ArrowInvalid(f"the column {nested[0]!r} has lists or structs; wanted one value a row")
        with self._opened() as file:
            rows = self._rows_at_once(file, columns)
            yield from _cut(file.iter_batches(rows, columns=list(columns), use_threads=False))

    def _rows_at_once(self, file: Any, columns: Sequence[str]) -> int:
        """Return the number of rows to unpack at once: fewer if the pages show that rows are long."""
        indices = [at for at in range(file.metadata.num_columns) if file.schema.column(at).path in columns]
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        with self._path.open("rb") as opened:
            found = [
                [(group.column(at), page) for group in groups for page in pages(opened, group.column(at))]
                for at in indices
            ]
            held = sum(max((page.unpacked for _, page in column), default=0) for column in found)
            if held > _MOST_PAGE_BYTES:
                raise pa.ArrowInvalid(
                    f"its pages unpack to {held:,} bytes at once, and {_MOST_PAGE_BYTES:,} are held; write it with "
                    "smaller pages"
                )
            widths = [file.schema.column(at).length for at in indices]
            width = sum(
                max((_width(opened, page, chunk, width) for chunk, page in column), default=0)
                for column, width in zip(found, widths, strict=True)
            )
        return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES // max(width, 1))))


def _width(opened: BinaryIO, page: Page, chunk: Any, width: int) -> float:
    """Return the bytes that a value of *page* may take. *width* is the size of fixed-size values."""
    if chunk.physical_type != "BYTE_ARRAY" or page.encoding in DICTIONARY_ENCODINGS:
        return max(_VALUE_BYTES, width)
    if page.encoding is None:
        return longest_value(opened, page, chunk.compression)
    # In this encoding a value may repeat all earlier values.
    return page.unpacked / (1 if page.encoding == DELTA_BYTE_ARRAY else max(page.values, 1))


def _is_text(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    )


def _cut(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of *batches* in batches of at most :data:`CHUNK_BYTES`. Small batches are joined."""
    waiting, held, first = list[Any](), 0.0, 0
    for batch in batches:
        sizes: NDArray[np.float64] = np.sum([_sizes(column) for column in batch.columns], axis=0)
        if sizes.max(initial=0) > LONGEST_ROW:
            raise pa.ArrowInvalid(f"row {first + int(sizes.argmax())} is longer than {LONGEST_ROW} bytes")
        first += batch.num_rows
        for part, size in _parts(batch, np.cumsum(sizes)):
            if waiting and (held + size > CHUNK_BYTES or sum(one.num_rows for one in waiting) >= CHUNK_ROWS):
                yield pa.concat_batches(waiting)
                waiting, held = [], 0.0
            waiting.append(part)
            held += size
    if waiting:
        yield pa.concat_batches(waiting)


def _parts(batch: Any, ends: NDArray[np.float64]) -> Iterator[tuple[Any, float]]:
    """Yield *batch* in parts, each with its bytes. *ends* has the cumulative bytes up to and including each row."""
    begin = 0
    while begin < batch.num_rows:
        before = ends[begin - 1] if begin else 0.0
        end = max(begin + 1, int(np.searchsorted(ends, before + CHUNK_BYTES, side="right")))
        yield batch.slice(begin, end - begin), ends[end - 1] - before
        begin = end


def _sizes(column: Any) -> NDArray[np.float64]:
    """Return the decoded size in bytes of each value."""
    types, kind = pa.types, column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _sizes(column.storage)
    if types.is_dictionary(kind):
        lengths = _sizes(column.dictionary)
        indices = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return np.take(lengths, indices) if len(lengths) else np.zeros(len(column))
    if types.is_string_view(kind) or types.is_binary_view(kind):
        column = column.cast(pa.large_binary())
    if _is_text(column.type):
        return np.asarray(pc.binary_length(column).fill_null(0), np.float64)
    return np.full(len(column), kind.byte_width if types.is_fixed_size_binary(kind) else _VALUE_BYTES, np.float64)
