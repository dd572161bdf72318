"""
Rows on disk in parts, so that a day of any size is joined in bounded memory.

The rule: all rows of a key are in one part, in the order of their addition.
"""

import contextlib
import zlib
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

PARTS = 64

# Number of a part's rows in memory before they go to disk.
_ROWS = 1_024


class Partitions:
    """Context manager for rows of a schema with the key in the first column. :meth:`table` reads after the context."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()
        self._schema = schema
        self._paths = [folder / f"{part}.arrow" for part in range(PARTS)]
        self._rows: list[list[tuple[Any, ...]]] = [[] for _ in range(PARTS)]
        self._open = contextlib.ExitStack()
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            for part in range(PARTS):
                self._write(part)

    def add(self, key: str, *values: Any) -> None:
        part = zlib.crc32(key.encode()) % PARTS
        rows = self._rows[part]
        rows.append((key, *values))
        if len(rows) >= _ROWS:
            self._write(part)

    def _write(self, part: int) -> None:
        rows, self._rows[part] = self._rows[part], []
        if rows:
            if part not in self._writers:
                made = pa.ipc.new_stream(str(self._paths[part]), self._schema)
                self._writers[part] = self._open.enter_context(made)
            arrays = map(pa.array, zip(*rows, strict=True), self._schema.types)
            self._writers[part].write_batch(pa.record_batch(list(arrays), schema=self._schema))

    def table(self, part: int) -> pa.Table:
        """Return the rows of a part."""
        if part not in self._writers:
            return self._schema.empty_table()
        with pa.ipc.open_stream(str(self._paths[part])) as reader:
            return reader.read_all()
