"""
Comparing what two models make of the same records: by how much their numbers differ, and where they disagree.

The rule: what is kept does not grow with the records. ``replay --compare`` and the challenger both count here.
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
    """What a model makes of one record: a predicted JSON value, or the reason why there is none."""

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
    """Records that the models disagree on: what each says, ``scored``, a label or a dead letter's reason."""

    one: str
    other: str
    records: int
    example: str
    """Event id of the first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models differ: differences are the other's number less the one's."""

    records: int
    predicted_by_both: int
    disagreeing: int
    """Of these: labels that are not the same, or a number that differs by more than the threshold."""
    one_alone: int
    """Records that the one predicts and the other does not."""
    scored_by_both: int
    """Records for which both predicted a number."""
    differing: int
    """Of these: with any difference at all."""
    mean: float
    rms: float
    p50: float
    """Of the absolute difference, within 1 %, as the next."""
    p95: float
    largest: float
    """Of the absolute difference."""
    largest_differences: Sequence[Difference]
    verdicts: Sequence[Verdicts]
    """What they disagree on, the most frequent first."""


class RunningComparison:
    """Compares batch after batch."""

    def __init__(self, *, threshold: float = 0.0, keep: int = 0) -> None:
        """Numbers that differ by more than *threshold* disagree. *keep* is how many of the largest to name."""
        self._threshold = threshold
        self._records = self._both = self._disagreeing = self._alone = 0
        self._sums, self._verdicts = _Sums(keep), _Disagreements()

    def add(self, one: Sequence[Outcome], other: Sequence[Outcome], event_ids: Sequence[str]) -> None:
        """Compare what the two models make of the same records, in their order."""
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
    """Whether two predictions are the same, but for numbers that differ by no more than *threshold*."""
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
    """What is known of the differences so far."""

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
        """Return the fields of :class:`Comparison` that are of numbers."""
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
    Quantiles of positive numbers, in buckets 2 % wide: some hundreds of them, however many numbers.

    Source: Masson et al., "DDSketch", VLDB 2019.
    """

    _WIDTH = math.log(1.02)
    # Less than this is none.
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
        """Return the least number, within 1 %, that *share* of all do not exceed; 0 if there are none."""
        rank = math.ceil(share * (self._nothing + self._buckets.total()))
        if rank <= self._nothing:
            return 0.0
        buckets = sorted(self._buckets)
        ranks = self._nothing + np.cumsum([self._buckets[bucket] for bucket in buckets])
        # The bucket of the largest floats ends beyond them.
        return math.exp(min((buckets[int(np.searchsorted(ranks, rank))] - 0.5) * self._WIDTH, math.log(_LARGEST)))
