"""
The bins for the values of a column.

The rule: bins are chosen once, from the rows of a reference. Each value of any later row then falls into exactly one
bin.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Label = bool | int | float | str
Kind = Literal["number", "length", "label", "presence"]

APART = 2
"""
Number of bins at the end for values that a reference may lack.

The last bin is for missing values. The bin before is for numbers above all edges, or for unlisted labels.
"""

_LONGEST_LABEL = 64
_MOST_QUANTILES = 20
_MOST_LABEL_INTEGERS = 20
_LEAST_RECURRENCE = 2
_RARE_PER_LABEL = 4


class Bins(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The bins of a column.

    Numbers, and texts by their length, have the bins *up to each edge*, *above* and *missing*. Labels have the bins *of
    each label*, *rare*, *not listed* and *missing*. Values of any other type are *there* or *missing*.
    """

    name: str
    """Name of the column, or of a member of the prediction. Empty for a prediction with a single value."""
    kind: Kind
    edges: tuple[float, ...] = ()
    labels: tuple[Label, ...] = ()
    """Labels with their own bin, the most frequent first."""
    rare: tuple[Label, ...] = ()
    """Labels that share a bin."""
    predicted: bool = False
    """Whether the column is a part of the prediction instead of the model's input."""

    @property
    def title(self) -> str:
        """
        Name of the column in texts for people.

        >>> Bins("fare", "presence").title, Bins("", "presence", predicted=True).title
        ('fare', 'prediction')
        """
        return ".".join(filter(None, ("prediction" * self.predicted, self.name)))

    @property
    def names(self) -> list[str]:
        """Name of each bin in texts for people."""
        if self.kind == "label":
            return [*map(str, self.labels), "rare", "not listed", "missing"]
        above = [f"above {edge:.6g}" for edge in self.edges[-1:]] or ["there"]
        return [*(f"up to {edge:.6g}" for edge in self.edges), *above, "missing"]


class Sample(NamedTuple):
    """The values of a column in the rows of a reference."""

    name: str
    type: str
    """MLflow's column type, or the kind of an output."""
    values: Sequence[Any]
    declared: Iterable[Label] = ()
    """Labels that the model's metadata declares."""
    predicted: bool = False

    def bins(self, most: int) -> Bins:
        """Return bins for the column, with at most *most* labels or quantiles."""
        kind, counts = self._kind()
        if kind == "label":
            frequent = sorted(counts, key=lambda label: (-counts[label], str(label)))
            rare = frequent[most:] if len(frequent) <= (1 + _RARE_PER_LABEL) * most else ()
            return Bins(self.name, kind, (), tuple(frequent[:most]), tuple(rare), self.predicted)
        numbers = _numbers(self.values, kind) if kind in {"number", "length"} else np.empty(0)
        known = np.sort(numbers[np.isfinite(numbers)])
        if not len(known):
            return Bins(self.name, "presence", predicted=self.predicted)
        return Bins(self.name, kind, _edges(known, min(most, _MOST_QUANTILES)), predicted=self.predicted)

    def _kind(self) -> tuple[Kind, Counter[Label]]:
        """Return the kind of bins and the frequency of each label."""
        declared = (False, True) if self.type == "boolean" else tuple(self.declared)
        if self.type in {"float", "double"} and not declared:
            return "number", Counter()
        if self.type not in {"boolean", "integer", "long", "float", "double", "string"}:
            return "presence", Counter()
        counts = Counter[Label](dict.fromkeys(declared, 0))
        counts.update(value for value in _listed(self.values) if value is not None)
        if declared:
            return "label", counts
        if self.type != "string":
            return ("label" if len(counts) <= _MOST_LABEL_INTEGERS else "number"), counts
        # Labels recur. Free texts do not, and only their length can be counted.
        if counts.total() < _LEAST_RECURRENCE * len(counts):
            return "length", counts
        return "label", Counter({label: count for label, count in counts.items() if len(str(label)) <= _LONGEST_LABEL})


def _edges(known: NDArray[np.float64], quantiles: int) -> tuple[float, ...]:
    """Return the least, the *quantiles* and the largest of sorted numbers, with as few digits as the bins allow."""
    edges = np.unique(np.quantile(known, np.linspace(0, 1, quantiles + 1), method="inverted_cdf")).tolist()
    following = known[np.searchsorted(known, edges[:-1], side="right")].tolist()
    return (*map(_shortest, edges[:-1], following), edges[-1])


def _shortest(least: float, most: float) -> float:
    """
    Return the number with the fewest digits that is at least *least* and below *most*.

    >>> _shortest(4.647546928418984, 4.6477)
    4.64755
    """
    candidates = (float(f"{least:.{digits}g}") for digits in range(1, 17))
    return next((short for short in candidates if least <= short < most), least)


def counter(bins: Bins) -> Callable[[Sequence[Any]], Counts]:
    """Return a function that counts n values in *bins*. A value of another type counts as missing."""
    count = _label_counter(bins) if bins.kind == "label" else _number_counter(bins)

    def counted(values: Sequence[Any]) -> Counts:
        try:
            return count(values)
        except (TypeError, ValueError, OverflowError):
            if len(values) == 1:
                return count([None])
        return sum((counted([value]) for value in values), np.zeros(len(bins.names), np.int64))

    return counted


def _label_counter(bins: Bins) -> Callable[[Sequence[Any]], Counts]:
    own, size = len(bins.labels), len(bins.names)
    lookup: dict[Any, int] = {label: at for at, label in enumerate(bins.labels)} | dict.fromkeys(bins.rare, own)
    find, unlisted = (lookup | {None: size - 1}).get, itertools.repeat(size - APART)

    def count(values: Sequence[Any]) -> Counts:
        found = np.fromiter(map(find, _listed(values), unlisted), np.intp, len(values))
        return np.bincount(found, minlength=size)

    return count


def _number_counter(bins: Bins) -> Callable[[Sequence[Any]], Counts]:
    edges, size = np.array(bins.edges), len(bins.names)

    def count(values: Sequence[Any]) -> Counts:
        numbers = _numbers(values, bins.kind)
        counts = np.bincount(np.searchsorted(edges, numbers), minlength=size)
        missing = np.count_nonzero(np.isnan(numbers))  # NaN is sorted behind all numbers
        counts[-APART] -= missing
        counts[-1] += missing
        return counts

    return count


def _numbers(values: Sequence[Any], kind: Kind) -> NDArray[np.float64]:
    """Return *values* as numbers, with NaN for missing values."""
    if kind == "length":
        values = [None if value is None else len(value) for value in values]
    elif kind == "presence":
        values = [None if value is None else 0.0 for value in values]
    return np.array(values, np.float64)


def _listed(values: Sequence[Any]) -> Sequence[Any]:
    """Return *values* as Python objects, for faster lookup than with NumPy's."""
    given: Any = values  # may be an array, although the annotation says otherwise
    listed: Sequence[Any] = given.tolist() if isinstance(given, np.ndarray) else values
    return listed
