"""
Values that can be compared: numbers by their difference, labels by being the same.

The rule: an integer is both, and a boolean is a label.
"""

from typing import Any

import msgspec

Comparable = tuple[float | None, str | None]
"""The number and the label that a value is; None where it is not."""

NEITHER: Comparable = (None, None)


def comparable(value: Any) -> Comparable:
    """
    Return the number and the label that a predicted *value* is.

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
    Return the same of an outcome, whose whole numbers may be written as floats.

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
