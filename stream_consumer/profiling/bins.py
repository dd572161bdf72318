"""
The bins that the values of one column are counted in.

The rule: bins are chosen once, from the rows of a reference. Each value of any later row then falls into exactly one.
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
How many bins at the end are for what a reference may have none of.

The last is for missing values. The one before is for numbers above all edges, or labels that are not listed.
"""

_LONGEST_LABEL = 64
_MOST_QUANTILES = 20
_MOST_LABEL_INTEGERS = 20
_LEAST_RECURRENCE = 2
_RARE_PER_LABEL = 4


class Bins(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The bins of one column.

    Numbers, and texts by their length, have the bins *up to each edge*, *above* and *missing*. Labels have the bins *of
    each label*, *rare*, *not listed* and *missing*. Anything else is *there* or *missing*.
    """

    name: str
    """Of the column, or of a member of the prediction. It is empty for a prediction that is one value."""
    kind: Kind
    edges: tuple[float, ...] = ()
    labels: tuple[Label, ...] = ()
    """Labels with a bin of their own, the most frequent first."""
    rare: tuple[Label, ...] = ()
    """Labels that share a bin."""
    predicted: bool = False
    """Whether the column is a part of the prediction, not of the model's input."""

    @property
    def title(self) -> str:
        """
        What the column is called, for a reader.

        >>> Bins("fare", "presence").title, Bins("", "presence", predicted=True).title
        ('fare', 'prediction')
        """
        return ".".join(filter(None, ("prediction" * self.predicted, self.name)))

    @property
    def names(self) -> list[str]:
        """What each bin holds, for a reader."""
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
        """Return bins for the column, with at most so many labels or quantiles."""
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
        """Return the kind of bins, and how often each label occurs."""
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
        # Labels recur. Free texts do not, and of these the length is all that can be counted.
        if counts.total() < _LEAST_RECURRENCE * len(counts):
            return "length", counts
        return "label", Counter({label: count for label, count in counts.items() if len(str(label)) <= _LONGEST_LABEL})


def _edges(known: NDArray[np.float64], quantiles: int) -> tuple[float, ...]:
    """Return the least, the *quantiles* and the largest of sorted numbers, as short as bins allow."""
    edges = np.unique(np.quantile(known, np.linspace(0, 1, quantiles + 1), method="inverted_cdf")).tolist()
    following = known[np.searchsorted(known, edges[:-1], side="right")].tolist()
    return (*map(_shortest, edges[:-1], following), edges[-1])


def _shortest(least: float, most: float) -> float:
    """
    Return the number of the fewest digits from *least* on and below *most*.

    >>> _shortest(4.647546928418984, 4.6477)
    4.64755
    """
    candidates = (float(f"{least:.{digits}g}") for digits in range(1, 17))
    return next((short for short in candidates if least <= short < most), least)


def counter(bins: Bins) -> Callable[[Sequence[Any]], Counts]:
    """Return the function that counts n values in *bins*; a value of another type counts as missing."""
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
        missing = np.count_nonzero(np.isnan(numbers))  # these are sorted behind all numbers
        counts[-APART] -= missing
        counts[-1] += missing
        return counts

    return count


def _numbers(values: Sequence[Any], kind: Kind) -> NDArray[np.float64]:
    """Return *values* as numbers, NaN where one is missing."""
    if kind == "length":
        values = [None if value is None else len(value) for value in values]
    elif kind == "presence":
        values = [None if value is None else 0.0 for value in values]
    return np.array(values, np.float64)


def _listed(values: Sequence[Any]) -> Sequence[Any]:
    """Return *values* as Python's own objects, which are looked up faster than NumPy's."""
    given: Any = values  # an array, although the type does not say so
    listed: Sequence[Any] = given.tolist() if isinstance(given, np.ndarray) else values
    return listed
