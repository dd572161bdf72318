"""
Comparable values: numbers by difference, labels by equality.

The rule: an integer is both a number and a label. A boolean is a label.
"""

from typing import Any

import msgspec

Comparable = tuple[float | None, str | None]
"""A value as a number and as a label, each None if impossible."""

NEITHER: Comparable = (None, None)


def comparable(value: Any) -> Comparable:
    """
    Return a predicted *value* as a number and as a label.

    >>> comparable(2.0), comparable(2), comparable("late"), comparable(True), comparable({"a": 1})
    ((2.0, None), (2.0, '2'), (None, '"late"'), (None, 'true'), (None, None))
    """
    if isinstance(value, (bool, str)):
        return None, msgspec.json.encode(value).decode()
    if isinstance(value, int):
        return _number(value), str(value)
    return (value, None) if isinstance(value, float) else NEITHER


def comparable_outcome(value: Any) -> Comparable:
    """
    Return an outcome as a number and as a label. Whole numbers may be written as floats.

    >>> comparable_outcome(2.0), comparable_outcome(2.5)
    ((2.0, '2'), (2.5, None))
    """
    whole = isinstance(value, float) and value.is_integer()
    return comparable(int(value) if whole else value)


def _number(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
