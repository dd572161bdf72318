"""
Chunks of rows: the form in which readers deliver rows and writers receive outcomes.

The rule: a row keeps its number, counted from 0 in its input, through all stages.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.dead_letter import DeadLetter

# With this number of rows, the model's columns stay in the processor's cache, and the overhead of a call is small.
CHUNK_ROWS = 65_536
# Limits for rows that become Python objects one by one, since these cost memory.
CHUNK_LINES = 16_384
CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows in the form of ride events."""

    numbers: NDArray[np.int64]
    data: list[bytes]


@dataclass(frozen=True, slots=True)
class Texts:
    """The original texts of a :class:`Table`'s cells, before any reading as numbers. Columns are arrays of strings."""

    columns: dict[str, Any]
    ids: Any
    kinds: Mapping[str, str]
    """The MLflow type for reading each column."""
    id_kind: str
    doubtful: NDArray[np.bool_]
    """Rows with a cell whose original text the table does not preserve."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column. A column is a ``pyarrow.Array``, never of a dictionary type."""

    numbers: NDArray[np.int64]
    columns: dict[str, Any]
    """The signature's columns present in the input, by name."""
    ids: Any
    texts: Texts | None = None
    kept: list[Any] = field(default_factory=list)
    """The columns passed through, in the order of :attr:`Input.kept`."""


@dataclass(frozen=True, slots=True)
class BadLines:
    """Lines of a file of columns that are not rows of the file, with the fault of each."""

    numbers: NDArray[np.int64]
    data: list[bytes]
    details: list[str]


Chunk = Lines | Table | BadLines


def in_chunks(events: Iterable[bytes]) -> Iterator[Lines]:
    """Gather *events* up to :data:`CHUNK_LINES` or :data:`CHUNK_BYTES`, whichever comes first."""
    first, lines, size = 0, list[bytes](), 0
    for event in events:
        lines.append(event)
        size += len(event)
        if len(lines) == CHUNK_LINES or size >= CHUNK_BYTES:
            yield Lines(np.arange(first, first + len(lines)), lines)
            first, lines, size = first + len(lines), [], 0
    if lines:
        yield Lines(np.arange(first, first + len(lines)), lines)


@dataclass(frozen=True, slots=True)
class Input:
    """An open input."""

    chunks: Iterator[Chunk]
    rows: int | None
    """Number of rows, if known before reading."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Arrow types of the columns passed through to the output, by name."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of a chunk: numbers, ids and predictions of n rows, and the dead letters of all remaining rows."""

    numbers: NDArray[np.int64]
    ids: Any
    """``pyarrow.Array`` of integers or strings, or a list of either or both."""
    values: list[Any]
    """JSON values."""
    dead_letters: list[DeadLetter]
    columns: list[Any] = field(default_factory=list)
    """The predictions as arrays, an array for each column of a table. Empty if no table is wanted."""
    kept: list[Any] = field(default_factory=list)
    """The columns passed through, as arrays of n values."""


RowProgress = Callable[[int, int | None], object]
"""Called with the number of decided rows and the total number of rows. The total is None if unknown."""


def silent(rows: int, total: int | None) -> None:
    """Show no progress."""


def never() -> bool:
    return False


def event_id(name: str, number: int) -> str:
    """Return the event id of row *number* in the input *name*. The id is the same in every run."""
    return f"{name}:{number}"
