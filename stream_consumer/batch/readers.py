"""
Read files in chunks of rows.

The rule: memory grows neither with the file nor with a row group.
"""

import codecs
import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_consumer.batch.chunks import Chunk, Input, Table, in_chunks
from stream_consumer.batch.errors import StoreFailed, UnusableInput
from stream_consumer.batch.parquet_batches import LONGEST_ROW, ParquetBatches
from stream_consumer.contract.event_schema import EventSchema, counted
from stream_consumer.contract.printable import printable
from stream_consumer.errors import UsageError, in_one_line
from stream_consumer.magic_bytes import not_parquet, not_text, not_utf8

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted columns of an input."""

    schema: EventSchema
    id_column: str | None = None
    """Name of the column of ids. With None, the events' id field, or made ids if no such column exists."""
    keep: Sequence[str] = ()
    """Columns to pass through to the output."""

    def refuse_keeping(self, source: str, remedy: str) -> None:
        """
        Return if no column is to be kept.

        Raises:
            UsageError: The columns of *source* have no fixed types.
        """
        if self.keep:
            raise UsageError(f"{source}: --keep is for columns of Parquet and CSV files; {remedy}")


class Layout:
    """The columns of an input to read, and the origin of ids."""

    def __init__(self, wanted: Wanted, there: Sequence[str], source: str, stem: str) -> None:
        """
        Find the *wanted* columns among the columns that are *there*.

        Without a column of ids, ids are made from *stem*.

        Raises:
            UnusableInput: A required column, the column of ids or a column to keep is missing, or such a column exists
                twice.
        """
        schema, id_column = wanted.schema, wanted.id_column
        required = [column.name for column in schema.columns if column.required]
        asked = dict.fromkeys([*required, *([id_column] if id_column else []), *wanted.keep])
        missing = [name for name in asked if name not in there]
        if missing:
            raise UnusableInput(f"{source} lacks {counted(missing)}; it has {', '.join(map(repr, there))}")
        optional = tuple(column.name for column in schema.columns if column.name not in there)
        if optional:
            _warn_of_absent(source, optional, tuple(there))
        self.there = list(there)
        self.envelope = schema.envelope
        self.columns = [column.name for column in schema.columns if column.name in there]
        id_column = id_column or schema.envelope.id or None
        self.id_column = id_column if id_column in there else None
        self.keep = list(wanted.keep)
        self.read = list(dict.fromkeys([*self.columns, *([self.id_column] if self.id_column else []), *self.keep]))
        twice = [name for name in self.read if list(there).count(name) > 1]
        if twice:
            raise UnusableInput(f"{source} has more than one column {', '.join(map(repr, twice))}")
        self._stem = stem
        self.source = source

    def made_ids(self, numbers: NDArray[np.int64]) -> Any:
        """Return ids for rows without ids."""
        return pc.binary_join_element_wise(f"{self._stem}_", pa.array(numbers).cast(pa.string()), "")


@functools.lru_cache(maxsize=256)  # each batch from Spark is a table of its own, and a single warning is enough
def _warn_of_absent(source: str, absent: tuple[str, ...], there: tuple[str, ...]) -> None:
    _LOGGER.warning(
        "%s lacks the optional %s, which the model gets as missing; it has %s",
        printable(source),
        printable(counted(absent).removeprefix("the ")),
        printable(", ".join(map(repr, there))),
    )


@contextlib.contextmanager
def parquet(path: Path, wanted: Wanted, source: str, stem: str) -> Iterator[Input]:
    """Read a Parquet file in chunks of :data:`CHUNK_ROWS`."""
    with readable(source, "Parquet"):
        _refuse_foreign(not_parquet(path), source, "Parquet")
        file = ParquetBatches(path)
    layout = Layout(wanted, file.schema.names, source, stem)
    kept = {name: plain(pa.nulls(0, file.schema.field(name).type)).type for name in layout.keep}
    yield Input(guarded(_tables(file, layout), source, "Parquet"), file.rows, kept)


def guarded(chunks: Iterator[Chunk], source: str, kind: str) -> Iterator[Chunk]:
    """Blame the input for errors while reading, but not for errors of the consumer of *chunks*."""
    while True:
        with readable(source, kind):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _tables(file: ParquetBatches, layout: Layout) -> Iterator[Table]:
    first = 0
    # With no column to read, pyarrow would yield no rows.
    for batch in file.read(layout.read or layout.there[:1]):
        yield table_of(batch, first, layout)
        first += batch.num_rows


def table_of(batch: Any, first: int, layout: Layout) -> Table:
    """
    Return the rows of a ``pyarrow.RecordBatch``. *first* is the number of its first row.

    Raises:
        UnusableInput: The ids have a binary type.
        pyarrow.ArrowInvalid: A text is not UTF-8.
    """
    numbers = np.arange(first, first + batch.num_rows)
    columns = {name: plain(batch.column(name)) for name in layout.read}
    ids = columns[layout.id_column] if layout.id_column else layout.made_ids(numbers)
    if _is_binary(ids.type):
        raise UnusableInput(
            f"{layout.source} has ids of type {ids.type}, and an id is an integer or a text: write them as texts, "
            "or name another column (--id-column)"
        )
    kept = [columns[name] for name in layout.keep]
    return Table(numbers, {name: columns[name] for name in layout.columns}, ids, kept=kept)


def _is_binary(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def plain(array: Any) -> Any:
    """
    Return *array* without dictionary, view or extension types.

    Texts are checked, and UUIDs become texts in the usual form.

    Raises:
        pyarrow.ArrowInvalid: A text is not UTF-8.
    """
    if isinstance(array.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    array.validate(full=True)
    return array


@contextlib.contextmanager
def ndjson(path: Path, source: str) -> Iterator[Input]:
    """Read the lines of a file. An empty line is a row too."""
    with readable(source, "NDJSON"):
        check_text(path, source, "NDJSON")
        file = path.open("rb")
    with file:
        yield Input(guarded(in_chunks(_lines(file, source)), source, "NDJSON"), None)


def _lines(file: BinaryIO, source: str) -> Iterator[bytes]:
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_ROW), b"")):
        if len(line) == LONGEST_ROW:
            raise UnusableInput(f"row {number} of {source} is longer than {LONGEST_ROW} bytes")
        yield (line if number else line.removeprefix(codecs.BOM_UTF8)).removesuffix(b"\n")


def check_text(path: Path, source: str, kind: str) -> None:
    """
    Check the first bytes of a text file.

    Raises:
        UnusableInput: The file has another encoding or format.
    """
    _refuse_foreign(not_text(path), source, kind)


def _refuse_foreign(foreign: str | None, source: str, kind: str) -> None:
    if foreign:
        raise UnusableInput(f"{source} cannot be read as {kind}: it is {foreign}")


@contextlib.contextmanager
def readable(source: str, kind: str) -> Iterator[None]:
    """
    Turn pyarrow's errors into errors that blame the input.

    Raises:
        UnusableInput: The bytes do not have the expected format.
        StoreFailed: The bytes could not be read.
    """
    try:
        yield
    except MemoryError:  # pyarrow's out-of-memory error is also an ArrowException
        raise
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{source} cannot be read as {kind}: it is {not_utf8(error)}") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StoreFailed(f"{source} cannot be read: {error.strerror}") from error
        raise UnusableInput(f"{source} cannot be read as {kind}: {in_one_line(error)}") from error
