"""
The join of one part of a day: predictions, their outcomes and the groups of their events, by identifier.

The rule: the first of several copies counts: the first prediction of an event id, and the first outcome of an
identifier. Only sums leave this module, so they add up over parts.
"""

import pyarrow as pa
import pyarrow.compute as pc

PREDICTIONS = pa.schema(
    {
        "id": pa.string(),
        "event_id": pa.string(),
        "model": pa.string(),
        "version": pa.string(),
        "number": pa.float64(),
        "label": pa.string(),
        "earlier": pa.bool_(),
    }
)
"""Predictions. ``earlier`` marks predictions of the day before, which only give the event ids already seen."""

OUTCOMES = pa.schema({"id": pa.string(), "number": pa.float64(), "label": pa.string(), "late": pa.bool_()})
"""Outcomes. Outcomes in time come first."""

EVENTS = pa.schema({"id": pa.string(), "group": pa.string()})
"""Events with their groups."""

KEYS = ["model", "version", "group"]
SUMS = ["predictions", "missing", "late", "numbers", "error", "absolute", "square", "labels", "right", "judged"]
"""Counts and sums of the predictions with equal :data:`KEYS`."""


def first_of_each(rows: pa.Table, column: str) -> pa.Table:
    """Return the first row of each value of *column*, in the order of the rows."""
    numbered = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    firsts = numbered.group_by(column).aggregate([("row", "min")])["row_min"]
    return rows.take(firsts.combine_chunks().sort())


def joined(predictions: pa.Table, outcomes: pa.Table, events: pa.Table) -> tuple[pa.Table, int, int]:
    """
    Return the sums of a part, and its numbers of repeated predictions and outcomes.

    Args:
        predictions: Rows of the schema :data:`PREDICTIONS`.
        outcomes: Rows of :data:`OUTCOMES`.
        events: Rows of :data:`EVENTS`. A prediction without an event is in the group with the empty name.
    """
    first = first_of_each(predictions, "event_id")
    own = first.filter(pc.invert(first["earlier"])).drop_columns(["earlier"])
    known = first_of_each(outcomes, "id")
    known = known.append_column("known", pa.repeat(True, len(known)))  # noqa: FBT003 (a value)
    groups = first_of_each(events, "id")
    table = own.join(known, "id", right_suffix="_outcome").join(groups, "id")
    of_the_day = pc.sum(pc.invert(predictions["earlier"])).as_py() or 0
    return _sums(table), of_the_day - len(own), len(outcomes) - len(known)


def _sums(table: pa.Table) -> pa.Table:
    """Return the sums of the joined rows, by :data:`KEYS`."""
    known = pc.fill_null(table["known"], fill_value=False)
    late = pc.fill_null(table["late"], fill_value=False)
    in_time = pc.and_(known, pc.invert(late))
    error = _where(in_time, pc.subtract(table["number"], table["number_outcome"]))
    right = _where(in_time, pc.equal(table["label"], table["label_outcome"]))
    absolute = pc.abs(error)
    values = {
        "predictions": pa.repeat(1.0, len(table)),
        "missing": pc.invert(known),
        "late": late,
        "numbers": pc.is_valid(error),
        "error": error,
        "absolute": absolute,
        "square": pc.multiply(error, error),
        "labels": pc.is_valid(right),
        "right": right,
        "judged": pc.or_(pc.is_valid(error), pc.is_valid(right)),
    }
    keys = {name: pc.fill_null(table[name], "") for name in KEYS}
    numbers = {name: pc.cast(value, pa.float64()) for name, value in values.items()}
    return added(pa.table(keys | numbers))


def _where(mask: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def added(sums: pa.Table) -> pa.Table:
    """Return *sums* with one row for each of the :data:`KEYS`."""
    grouped = sums.group_by(KEYS).aggregate([(name, "sum") for name in SUMS])
    return grouped.rename_columns([name.removesuffix("_sum") for name in grouped.column_names])
