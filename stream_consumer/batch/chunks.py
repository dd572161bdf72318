"""
Chunks of rows, as every reader gives them and every writer takes what became of them.

The rule: a row keeps its number, counted from 0 in its input, through everything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.dead_letter import DeadLetter

# So many rows keep the model's columns in the processor's cache, and cost little beside a call.
CHUNK_ROWS = 65_536
# Of rows that become Python objects, one by one: these cost memory.
CHUNK_LINES = 16_384
CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows that are ride events already."""

    numbers: NDArray[np.int64]
    data: list[bytes]


@dataclass(frozen=True, slots=True)
class Texts:
    """What the cells of a :class:`Table` were before anybody took them for numbers; columns are arrays of strings."""

    columns: dict[str, Any]
    ids: Any
    kinds: Mapping[str, str]
    """The MLflow type of each column: what its texts are read as."""
    id_kind: str
    doubtful: NDArray[np.bool_]
    """Rows with a cell of which the table does not say what it was."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column; a column is a ``pyarrow.Array``, never of a dictionary type."""

    numbers: NDArray[np.int64]
    columns: dict[str, Any]
    """Those of the signature that the input has, by name."""
    ids: Any
    texts: Texts | None = None
    kept: list[Any] = field(default_factory=list)
    """The columns that are passed through, in the order of :attr:`Input.kept`."""


@dataclass(frozen=True, slots=True)
class BadLines:
    """Lines of a file of columns that are no rows of it, and what is wrong with each."""

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
    """One input, opened."""

    chunks: Iterator[Chunk]
    rows: int | None
    """How many there are, if it can be told before reading them."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """The Arrow types of the columns that are passed through to the output, by name."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a chunk: numbers, ids and predictions of n rows, and the letters of all others."""

    numbers: NDArray[np.int64]
    ids: Any
    """``pyarrow.Array`` of integers or strings, or a list of either or both."""
    values: list[Any]
    """JSON values."""
    letters: list[DeadLetter]
    columns: list[Any] = field(default_factory=list)
    """The predictions as arrays, one for each column of a table; empty if no table is wanted."""
    kept: list[Any] = field(default_factory=list)
    """The columns that are passed through, as arrays of n values."""


Progress = Callable[[int, int | None], object]
"""Told how many rows of the input are decided, and how many there are, None if nobody knows."""


def silent(rows: int, total: int | None) -> None:
    """Show nothing."""


def never() -> bool:
    return False


def event_id(name: str, number: int) -> str:
    """Return the id of the event that is row *number* of the input called *name*; the same in every run."""
    return f"{name}:{number}"
