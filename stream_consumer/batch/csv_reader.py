"""
Read CSV files in chunks of rows.

The rule: a cell is a text, and its column alone decides its meaning, never its neighbours. In a column of numbers,
``contract.text_cell`` reads the numbers. Any other text stays a text for the contract to judge. An empty cell is
missing, with or without quotes. Ids are integers if every id of the file is an integer. To find out, the file is read
an extra time.

A line with more or fewer cells than the header cannot be an event. Its bytes go to the rejected rows unchanged.
"""

import contextlib
import csv as csv_module
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from stream_consumer.batch.chunks import CHUNK_BYTES, BadLines, Chunk, Input, Table, Texts
from stream_consumer.batch.readers import Layout, Wanted, check_text, guarded, readable
from stream_consumer.contract import text_cell
from stream_consumer.contract.event_schema import EventSchema

# A chunk has the rows of a block, some 60,000 rides. A longer line cannot be read.
_BLOCK_BYTES = 1 << 21

# Reading a column takes three kilobytes, whatever its content.
_MOST_COLUMNS = 1 << 15

# Bytes of consecutive lines that do not fit the header. A file with more has the wrong header.
_MOST_BAD_BYTES = 4 * CHUNK_BYTES

_INTEGER = r"^(0|-?[1-9][0-9]*)$"
# Cells that all readers take for the same number. The contract reads all other cells.
_SURE_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
_SURE_FLOAT = r"^-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,17})?$"


@contextlib.contextmanager
def csv(path: Path, wanted: Wanted, source: str, stem: str) -> Iterator[Input]:
    """Read a CSV file, compressed or not, in chunks of a block."""
    with readable(source, "CSV"):
        check_text(path, source, "CSV")
        with csv_pieces(path, [], _skip) as first:
            names = first.schema.names
    layout = Layout(wanted, names, source, stem)
    with readable(source, "CSV"):
        integers = layout.id_column is not None and _all_integers(path, layout.id_column)
        kept = _kinds(path, layout.keep) if layout.keep else {}
    file = _File(path, wanted.schema, layout, kept, integers=integers)
    yield Input(guarded(file.chunks(), source, "CSV"), None, kept)


def _all_integers(path: Path, name: str) -> bool:
    with csv_pieces(path, [name], _skip) as batches:
        return all(_are_integers(batch.column(0)) for batch in batches)


def _kinds(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the type of each column to keep: integers or floats if all cells fit, else texts."""
    are = {pa.int64(): _are_integers, pa.float64(): _are_floats}
    kinds, filled = {name: list(are) for name in names}, set[str]()
    with csv_pieces(path, names, _skip) as batches:
        for batch in batches:
            for name in names:
                texts = batch.column(name)
                kinds[name] = [kind for kind in kinds[name] if are[kind](texts)]
                filled |= {name} if texts.null_count < len(texts) else set()
    return {name: next(iter(kinds[name]), pa.string()) if name in filled else pa.string() for name in names}


def _are_floats(texts: Any) -> bool:
    return pc.all(pc.match_substring_regex(texts, _SURE_FLOAT)).as_py() is not False


def _skip(_: object) -> str:
    return "skip"


def _are_integers(texts: Any) -> bool:
    if pc.all(pc.match_substring_regex(texts, _INTEGER)).as_py() is False:
        return False
    try:
        texts.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits
        return False
    return True


def csv_pieces(path: Path, names: Sequence[str], on_bad_line: Any = None, **convert: Any) -> Any:
    """
    Open a CSV file, compressed or not, for reading block by block. Cells are texts, unless *convert* says otherwise.

    Raises:
        pyarrow.ArrowException: The file is not CSV, or has too many columns.
    """
    _check_header(path)
    options: dict[str, Any] = {
        "null_values": [""],
        "strings_can_be_null": True,
        "quoted_strings_can_be_null": True,
    } | convert
    types = dict.fromkeys(names, pa.string()) | options.pop("column_types", {})
    return pyarrow.csv.open_csv(
        path,
        # With threads, pyarrow reports lines without their numbers.
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_bad_line),
        convert_options=pyarrow.csv.ConvertOptions(include_columns=list(names), column_types=types, **options),
    )


def _check_header(path: Path) -> None:
    with pa.input_stream(str(path), compression="detect") as file:
        head = file.read(_BLOCK_BYTES).decode(errors="replace")
    # pyarrow judges a cell that is too long for Python's reader.
    with contextlib.suppress(csv_module.Error):
        columns = len(next(filter(None, csv_module.reader(io.StringIO(head, newline=""))), []))
        if columns > _MOST_COLUMNS:
            raise pa.ArrowInvalid(f"its first line has {columns:,} columns or more, and {_MOST_COLUMNS:,} are read")


def csv_numbers(texts: Any, name: str) -> Any:
    """
    Return the numbers of a column of texts.

    Raises:
        pyarrow.ArrowInvalid: A cell is not a number.
    """
    values, doubtful = _typed(texts, "double")
    if not doubtful.any():
        return values
    numbers = values.to_numpy(zero_copy_only=False).copy()
    for at in np.flatnonzero(doubtful):
        cell = text_cell.read(texts[int(at)].as_py(), "double")
        if not isinstance(cell, msgspec.Raw):
            raise pa.ArrowInvalid(f"{str(cell)[:50]!r} in the column {name!r} is no number")
        numbers[at] = float(bytes(cell))
    return pa.array(numbers)


class _File:
    def __init__(
        self, path: Path, schema: EventSchema, layout: Layout, kept: Mapping[str, Any], *, integers: bool
    ) -> None:
        self._path = path
        self._layout = layout
        self._kinds = {column.name: column.type for column in schema.columns}
        self._kept = kept
        self._integers = integers
        self._bad: dict[int, tuple[bytes, str]] = {}
        """Lines of another length by row, with the fault of each, until they are handed over."""
        self._bad_bytes = 0

    def chunks(self) -> Iterator[Chunk]:
        first = 0
        # With no column to read, pyarrow would yield no rows.
        with csv_pieces(self._path, self._layout.read or self._layout.there[:1], self._note) as batches:
            for batch in batches:
                rows = np.arange(first, first + batch.num_rows + len(self._bad))
                numbers = np.setdiff1d(rows, list(self._bad), assume_unique=True)[: batch.num_rows]
                if len(numbers):
                    yield self._table(batch, numbers)
                    first = int(numbers[-1]) + 1
                while first in self._bad:  # all lines of a block may be bad
                    first += 1
                yield from self._lines(first)
        yield from self._lines(None)

    def _note(self, line: Any) -> str:
        text = line.text if isinstance(line.text, bytes) else line.text.encode()
        # The header is line 1.
        self._bad[line.number - 2] = text, f"{line.actual_columns} cells for {line.expected_columns} columns"
        self._bad_bytes += len(text)
        # pyarrow reads on until a line is good, and this object holds all bad lines meanwhile.
        return "error" if self._bad_bytes > _MOST_BAD_BYTES else "skip"

    def _lines(self, before: int | None) -> Iterator[BadLines]:
        numbers = [number for number in self._bad if before is None or number < before]
        lines = [self._bad.pop(number) for number in numbers]
        self._bad_bytes -= sum(len(text) for text, _ in lines)
        if numbers:
            yield BadLines(np.array(numbers, np.int64), *map(list, zip(*lines, strict=True)))

    def _table(self, batch: Any, numbers: NDArray[np.int64]) -> Table:
        layout = self._layout
        columns, doubtful = {}, np.zeros(batch.num_rows, bool)
        for name in layout.columns:
            columns[name], doubt = _typed(batch.column(name), self._kinds[name])
            doubtful |= doubt
        texts = batch.column(layout.id_column) if layout.id_column else layout.made_ids(numbers)
        ids = texts.cast(pa.int64()) if self._integers else texts
        cells = {name: batch.column(name) for name in layout.columns}
        id_kind = "long" if self._integers else "string"
        kept = [batch.column(name).cast(kind) for name, kind in self._kept.items()]
        return Table(numbers, columns, ids, Texts(cells, texts, self._kinds, id_kind, doubtful), kept)


def _typed(texts: Any, kind: str) -> tuple[Any, NDArray[np.bool_]]:
    """Return the numbers that cells surely hold, and a flag for each cell with a doubtful text."""
    match kind:
        case "integer" | "long":
            looks, wanted = pc.match_substring_regex(texts, _SURE_INTEGER), pa.int64()
        case "float" | "double":
            looks, wanted = pc.match_substring_regex(texts, _SURE_FLOAT), pa.float64()
        case "boolean":
            lower = pc.utf8_lower(texts)
            looks, wanted = pc.is_in(lower, pa.array(["true", "false"])), pa.bool_()
        case _:
            return texts, np.zeros(len(texts), bool)
    doubtful: NDArray[np.bool_] = pc.and_(texts.is_valid(), pc.invert(looks.fill_null(fill_value=False))).to_numpy(
        zero_copy_only=False
    )
    return pc.if_else(looks, texts, None).cast(wanted), doubtful
