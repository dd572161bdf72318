"""
A profile: the counts of n rows in each bin of each column.

The rule: ``profile(a + b) == profile(a) + profile(b)`` for any rows a and b. Windows therefore add up to days, and
shards to a stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

from stream_consumer.profiling.bins import Bins, Counts, counter

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Content(msgspec.Struct):
    """A profile as JSON."""

    bins: tuple[Bins, ...]
    counts: list[list[_Count]]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts for some columns, in the order of their bins."""

    bins: tuple[Bins, ...]
    counts: tuple[Counts, ...]

    def __add__(self, other: "Profile") -> "Profile":
        """
        Return the profile of the rows of both.

        Raises:
            ValueError: The bins differ, so the profiles belong to two models.
        """
        if self.bins != other.bins:
            raise ValueError("profiles of different bins do not add up; wanted two of the same model")
        return Profile(self.bins, tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]

    def encode(self) -> bytes:
        """Return the profile as JSON."""
        return msgspec.json.encode(_Content(self.bins, [column.tolist() for column in self.counts]))

    @classmethod
    def decode(cls, content: bytes | str) -> "Profile":
        """
        Return the profile in *content*, the inverse of :meth:`encode`.

        Raises:
            ValueError: *content* is not a profile.
        """
        decoded = msgspec.json.decode(content, type=_Content)
        sizes = [len(bins.names) for bins in decoded.bins]
        if [len(column) for column in decoded.counts] != sizes:
            raise ValueError(f"a profile has {[len(one) for one in decoded.counts]} counts; wanted {sizes}")
        return cls(decoded.bins, tuple(np.array(column, np.int64) for column in decoded.counts))

    @classmethod
    def empty(cls, bins: Sequence[Bins]) -> "Profile":
        """Return the profile of zero rows."""
        return cls(tuple(bins), tuple(np.zeros(len(one.names), np.int64) for one in bins))


class Profiler:
    """Counts rows in the bins of a reference."""

    def __init__(self, bins: Sequence[Bins], columns: Sequence[str]) -> None:
        """
        Take *bins* for a model with the input *columns*, in the order of its signature.

        Bins of the prediction stand behind those of the input.

        Raises:
            ValueError: *bins* has a column that the model lacks.
        """
        self._bins = tuple(bins)
        self._members = tuple(one.name for one in bins if one.predicted)
        self._counters = tuple(map(counter, bins))
        unknown = [one.name for one in bins if not one.predicted and one.name not in columns]
        if unknown:
            raise ValueError(f"there are bins for the columns {unknown}; the model has {list(columns)}")
        self._positions = [columns.index(one.name) for one in bins if not one.predicted]

    def profile(self, columns: Sequence[Sequence[Any]], predictions: Sequence[Any]) -> Profile:
        """
        Return the profile of some rows.

        Args:
            columns: Values by column, in the order of the signature, as :meth:`Scorer.columns` returns them.
            predictions: A JSON value for each row, as :meth:`Model.values` returns them. None for a row without a
                prediction.
        """
        inputs = [columns[position] for position in self._positions]
        values = [*inputs, *_members(predictions, self._members)]
        return Profile(self._bins, tuple(count(one) for count, one in zip(self._counters, values, strict=True)))


def _members(predictions: Sequence[Any], names: Sequence[str]) -> list[Sequence[Any]]:
    """Return the members of *predictions* by name. The empty name stands for the prediction itself."""
    if names == ("",):
        return [predictions]
    return [[value.get(name) if isinstance(value, dict) else None for value in predictions] for name in names]
