"""
Convert rows into ride events as a producer would send them, so that the contract can name their faults.

The rule: nothing is repaired on the way. A number stays a number and a text stays a text.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream_consumer.batch.chunks import Table
from stream_consumer.contract import text_cell
from stream_consumer.contract.envelope import Envelope


def as_events(table: Table, rows: NDArray[np.int64], envelope: Envelope) -> list[bytes]:
    """Return the events of some *rows* of *table*, in order."""
    if not len(rows):
        return []
    texts = table.texts
    if texts:
        ids = _cells(texts.ids, rows, texts.id_kind)
        columns = [_cells(values, rows, texts.kinds[name]) for name, values in texts.columns.items()]
        names = list(texts.columns)
    else:
        ids = _taken(table.ids, rows)
        columns = [_taken(values, rows) for values in table.columns.values()]
        names = list(table.columns)
    rides = zip(*columns, strict=True) if columns else iter([()] * len(rows))
    named = (dict(zip(names, ride, strict=True)) for ride in rides)
    return list(map(envelope.event, named, ids))


def _taken(values: Any, rows: NDArray[np.int64]) -> list[Any]:
    taken = values.take(pa.array(rows))
    if pa.types.is_timestamp(taken.type) and taken.type.unit == "ns":  # Python's datetime has microseconds
        taken = taken.cast(pa.timestamp("us", taken.type.tz), safe=False)
    python: list[Any] = taken.to_pylist()
    return python


def _cells(values: Any, rows: NDArray[np.int64], kind: str) -> Sequence[Any]:
    texts: list[str | None] = values.take(pa.array(rows)).to_pylist()
    return [text_cell.read(text, kind) for text in texts]
