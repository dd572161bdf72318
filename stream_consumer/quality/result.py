"""
The result of a day: the errors of its predictions, in all, by model version and by group.

The rule: a version rings only if its error is too large on two days in a row. One bad day may be a snowstorm.
"""

import math
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from stream_consumer.errors import StreamConsumerError

EXCESS = 1.15
"""An error rings from this multiple of the registered error on."""

LEAST_JUDGED = 500
"""Least number of predictions. The error of fewer predictions is mostly chance."""


class ResultUnreadable(StreamConsumerError):
    """A file is not a result of a day."""


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions against their outcomes. An error is the prediction minus the outcome. None without any error."""

    predictions: int
    judged: int
    """Predictions with a comparable outcome in time."""
    missing: int
    """Predictions without an outcome."""
    late: int
    """Predictions with a late outcome, which are not judged."""
    rmse: float | None
    mae: float | None
    bias: float | None
    """The mean error. Above zero, predictions are too large."""
    accuracy: float | None
    """The share of correct labels, from 0 to 1."""

    @property
    def coverage(self) -> float:
        """The share of judged predictions, from 0 to 1."""
        return self.judged / self.predictions if self.predictions else 0.0

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Errors":
        """Return the errors from the sums of :func:`stream_consumer.quality.join.joined`."""
        rows = list(rows)

        def total(name: str) -> float:
            # Not fsum, which raises if a sum is too large for a float.
            return sum(row[name] or 0.0 for row in rows)

        def mean(name: str, of: str) -> float | None:
            return total(name) / total(of) if total(of) else None

        square = mean("square", "numbers")
        return cls(
            **{name: int(total(name)) for name in ("predictions", "judged", "missing", "late")},
            rmse=None if square is None else math.sqrt(square),
            mae=mean("absolute", "numbers"),
            bias=mean("error", "numbers"),
            accuracy=mean("right", "labels"),
        )


class GroupErrors(msgspec.Struct, frozen=True):
    """The errors of the predictions in one group."""

    group: str
    errors: Errors


class Registered(msgspec.Struct, frozen=True):
    """The registered errors of a model version, from its test. None if unknown."""

    rmse: float | None = None
    accuracy: float | None = None

    def excess(self, errors: Errors) -> float | None:
        """
        Return the error of *errors* as a multiple of the registered error, or None if they cannot be compared.

        The error of labels is the share of wrong labels.
        """
        if self.rmse and errors.rmse is not None:
            # JSON has no infinity, and the next day's run reads this value.
            return min(errors.rmse / self.rmse, sys.float_info.max)
        if self.accuracy is not None and self.accuracy < 1 and errors.accuracy is not None:
            return (1 - errors.accuracy) / (1 - self.accuracy)
        return None


class VersionErrors(msgspec.Struct, frozen=True):
    """The errors of one model version."""

    model: str
    version: str
    errors: Errors
    registered: Registered | None = None
    excess: float | None = None
    """The error as a multiple of the registered error."""

    @property
    def is_too_large(self) -> bool:
        return self.errors.judged >= LEAST_JUDGED and self.excess is not None and self.excess > EXCESS

    @property
    def name(self) -> str:
        return f"{self.model} {self.version}"


class DayQuality(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a day."""

    day: date
    """In UTC, by the arrival of the predictions."""
    errors: Errors
    versions: tuple[VersionErrors, ...]
    groups: tuple[GroupErrors, ...]
    """Groups with the most predictions first. Empty if events were not grouped."""
    duplicate_predictions: int
    """Repeated predictions of an event."""
    duplicate_outcomes: int
    malformed_predictions: int
    malformed_outcomes: int
    rings: tuple[str, ...] = ()
    """Versions with too large an error on this day and on the day before."""

    def ringing(self, before: "DayQuality | None") -> "DayQuality":
        """Return this result with the ringing versions, given the day *before*."""
        known = {one.name for one in before.versions if one.is_too_large} if before else set()
        rings = tuple(one.name for one in self.versions if one.is_too_large and one.name in known)
        return msgspec.structs.replace(self, rings=rings)

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


def decode_day(content: bytes, location: object) -> DayQuality:
    """
    Return the result in the file at *location*.

    Raises:
        ResultUnreadable: *content* is not a result of a day.
    """
    try:
        return msgspec.json.decode(content, type=DayQuality)
    except (ValueError, RecursionError) as error:
        raise ResultUnreadable(f"{location} is not a result of `monitor quality`: {error}; remove it") from None
