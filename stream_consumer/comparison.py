"""
Comparing the predictions of two models for the same records: differences of numbers, and disagreements.

The rule: memory does not grow with the number of records. ``replay --compare`` and the challenger share this code.
"""

import heapq
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord

SCORED = "scored"
_LARGEST = sys.float_info.max
_NUMBERS = {int, float}


class Outcome(NamedTuple):
    """A model's outcome for one record: a predicted JSON value, or a dead letter's reason."""

    value: Any = None
    reason: str = ""
    id: int | str | None = None

    @property
    def verdict(self) -> str:
        """The reason, the predicted label, or ``scored`` for a number, a list or an object."""
        if self.reason:
            return self.reason
        plain = isinstance(self.value, (str, bool))
        return json.dumps(self.value, ensure_ascii=False) if plain else SCORED


def outcome_of(made: Prediction | InvalidRecord) -> Outcome:
    if isinstance(made, InvalidRecord):
        return Outcome(reason=made.reason.value)
    return Outcome(made.value, id=made.id)


@dataclass(frozen=True, slots=True)
class Difference:
    """One record for which both models predicted a number."""

    ride_id: int | str | None
    event_id: str
    one: float
    other: float

    @property
    def difference(self) -> float:
        return self.other - self.one


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Records on which the models disagree, with the verdict of each: ``scored``, a label or a dead letter's reason."""

    one: str
    other: str
    records: int
    example: str
    """Event id of the first such record."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two models. A difference is the second model's number minus the first model's."""

    records: int
    predicted_by_both: int
    disagreeing: int
    """Of these: records with different labels, or with numbers that differ by more than the threshold."""
    one_alone: int
    """Records that only the first model predicts."""
    scored_by_both: int
    """Records for which both models predicted a number."""
    differing: int
    """Of these: records with any difference."""
    mean: float
    rms: float
    p50: float
    """Median of the absolute difference, within 1 %. ``p95`` is the 95th percentile."""
    p95: float
    largest: float
    """Largest absolute difference."""
    largest_differences: Sequence[Difference]
    verdicts: Sequence[Verdicts]
    """Disagreements, the most frequent first."""


class RunningComparison:
    """Adds up the comparison of batches."""

    def __init__(self, *, threshold: float = 0.0, keep: int = 0) -> None:
        """Numbers disagree if they differ by more than *threshold*. *keep* largest differences are named."""
        self._threshold = threshold
        self._records = self._both = self._disagreeing = self._alone = 0
        self._sums, self._verdicts = _Sums(keep), _Disagreements()

    def add(self, one: Sequence[Outcome], other: Sequence[Outcome], event_ids: Sequence[str]) -> None:
        """Compare the outcomes of the two models for the same records, in order."""
        differences = []
        for first, second, event_id in zip(one, other, event_ids, strict=True):
            self._verdicts.add(first, second, event_id)
            if first.reason or second.reason:
                self._alone += not first.reason
                continue
            self._both += 1
            self._disagreeing += not _agree(first.value, second.value, self._threshold)
            if type(first.value) in _NUMBERS and type(second.value) in _NUMBERS:
                differences.append(Difference(first.id, event_id, first.value, second.value))
        self._records += len(one)
        self._sums.add(differences)

    def comparison(self) -> Comparison:
        return Comparison(
            records=self._records,
            predicted_by_both=self._both,
            disagreeing=self._disagreeing,
            one_alone=self._alone,
            verdicts=self._verdicts.most_common(),
            **self._sums.figures(),
        )


def _agree(one: Any, other: Any, threshold: float) -> bool:
    """Whether two predictions are equal, except for numbers that differ by at most *threshold*."""
    if type(one) in _NUMBERS and type(other) in _NUMBERS:
        return bool(abs(other - one) <= threshold)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_agree(one[name], other[name], threshold) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_agree(*pair, threshold) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


@dataclass(slots=True)
class _Disagreements:
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, one: Outcome, other: Outcome, event_id: str) -> None:
        pair = one.verdict, other.verdict
        if pair[0] != pair[1]:
            self.counts[pair] += 1
            self.examples.setdefault(pair, event_id)

    def most_common(self) -> list[Verdicts]:
        return [Verdicts(*pair, count, self.examples[pair]) for pair, count in self.counts.most_common()]


class _Sums:
    """Sums of the differences so far."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._scored = self._differing = 0
        self._sum = self._squares = 0.0
        self._magnitudes = _Magnitudes()
        self._largest: list[Difference] = []

    def add(self, differences: Sequence[Difference]) -> None:
        numbers = np.array([difference.difference for difference in differences], np.float64)
        self._scored += len(numbers)
        self._differing += int(np.count_nonzero(numbers))
        with np.errstate(over="ignore", invalid="ignore"):  # extreme predictions may differ by more than a float holds
            self._sum += float(numbers.sum())
            self._squares += float((numbers * numbers).sum())
        self._magnitudes.add(np.abs(numbers))
        self._largest = heapq.nlargest(
            self._keep, [*self._largest, *differences], key=lambda difference: abs(difference.difference)
        )

    def figures(self) -> dict[str, Any]:
        """Return the fields of :class:`Comparison` about numbers."""
        scored = self._scored
        return {
            "scored_by_both": scored,
            "differing": self._differing,
            "mean": self._sum / scored if scored else 0.0,
            "rms": math.sqrt(self._squares / scored) if scored else 0.0,
            "p50": self._magnitudes.quantile(0.50),
            "p95": self._magnitudes.quantile(0.95),
            "largest": abs(self._largest[0].difference) if self._largest else 0.0,
            "largest_differences": [difference for difference in self._largest if difference.difference],
        }


class _Magnitudes:
    """
    Quantiles of positive numbers in buckets 2 % wide. Any quantity of numbers needs only some hundreds of buckets.

    Source: Masson et al., "DDSketch", VLDB 2019.
    """

    _WIDTH = math.log(1.02)
    # A smaller difference counts as no difference.
    _NOTHING = 1e-9

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._nothing = 0

    def add(self, numbers: NDArray[np.float64]) -> None:
        some = np.minimum(numbers[numbers > self._NOTHING], _LARGEST)
        self._nothing += len(numbers) - len(some)
        buckets, counts = np.unique(np.ceil(np.log(some) / self._WIDTH).astype(int), return_counts=True)
        self._buckets.update(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))

    def quantile(self, share: float) -> float:
        """Return the least number, within 1 %, that is not exceeded by *share* of all numbers. Without numbers, 0."""
        rank = math.ceil(share * (self._nothing + self._buckets.total()))
        if rank <= self._nothing:
            return 0.0
        buckets = sorted(self._buckets)
        ranks = self._nothing + np.cumsum([self._buckets[bucket] for bucket in buckets])
        # The bucket of the largest floats reaches beyond them.
        return math.exp(min((buckets[int(np.searchsorted(ranks, rank))] - 0.5) * self._WIDTH, math.log(_LARGEST)))
