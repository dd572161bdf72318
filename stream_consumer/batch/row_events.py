"""
Rows → ride events as a producer would have sent them, so that the contract can say what is wrong with them.

The rule: nothing is mended on the way. A number stays a number and a text a text; what JSON cannot say is said in the
nearest JSON that the contract judges alike: NaN as null, since files of columns use it for what is missing, and an
infinity as a number that is too large.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream_consumer.batch.chunks import Table

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_TOO_LARGE, _TOO_SMALL = msgspec.Raw(b"1e999"), msgspec.Raw(b"-1e999")

# Source: RFC 8259, "Numbers"; spreadsheets and Python spell booleans otherwise than JSON.
_LITERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|(?i:true|false)")


def as_event(ride: Mapping[str, Any], ride_id: Any) -> bytes:
    """Return the JSON of a ride event."""
    return _encode({"ride": {name: _sayable(value) for name, value in ride.items()}, "ride_id": _sayable(ride_id)})


def as_events(table: Table, rows: NDArray[np.int64]) -> list[bytes]:
    """Return the ride events of some *rows* of *table*, in order."""
    if not len(rows):
        return []
    texts = table.texts
    if texts:
        ids = _cells(texts.ids, rows, literal=texts.literal_ids)
        columns = [_cells(values, rows, literal=name in texts.literals) for name, values in texts.columns.items()]
        names = list(texts.columns)
    else:
        ids = _taken(table.ids, rows)
        columns = [_taken(values, rows) for values in table.columns.values()]
        names = list(table.columns)
    rides = zip(*columns, strict=True) if columns else iter([()] * len(rows))
    return [as_event(dict(zip(names, ride, strict=True)), ride_id) for ride, ride_id in zip(rides, ids, strict=True)]


def _taken(values: Any, rows: NDArray[np.int64]) -> list[Any]:
    taken = values.take(pa.array(rows))
    if pa.types.is_timestamp(taken.type) and taken.type.unit == "ns":  # Python's datetime has microseconds
        taken = taken.cast(pa.timestamp("us", taken.type.tz), safe=False)
    python: list[Any] = taken.to_pylist()
    return python


def _cells(values: Any, rows: NDArray[np.int64], *, literal: bool) -> Sequence[Any]:
    texts: list[str | None] = values.take(pa.array(rows)).to_pylist()
    if not literal:
        return texts
    return [msgspec.Raw(text.lower().encode()) if text and _LITERAL.fullmatch(text) else text for text in texts]


def _sayable(value: Any) -> Any:
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        return None if math.isnan(value) else _TOO_LARGE if value > 0 else _TOO_SMALL
    return value
