"""
Comparing two models on the same records: how their predictions differ, and which records only one of them scores.

The rule: nothing is published, and what is kept does not grow with the records.
"""

import heapq
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_consumer.consumer import Consumer
from stream_consumer.contract.record import Record

SCORED = "scored"
_LARGEST = sys.float_info.max


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
    scored_by_both: int
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


def compare(
    stretch: Iterable[Sequence[Record]],
    one: Consumer,
    other: Consumer,
    *,
    keep: int = 10,
    progress: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """
    Score the batches of a stretch with both consumers, which must be composed without sinks.

    Args:
        stretch: As ``replay.batches`` yields them.
        one: The model that the other is held against.
        other: The other.
        keep: How many of the largest differences to name.
        progress: Told of each batch's size.
    """
    sums, verdicts = _Sums(keep), _Disagreements()
    for records in stretch:
        outcomes = [_outcomes(consumer, records) for consumer in (one, other)]
        ids = [str(record.event_id) for record in records]
        differences = []
        for event_id in ids:
            first, second = (found[event_id] for found in outcomes)
            if isinstance(first, Scored) and isinstance(second, Scored):
                differences.append(Difference(first.id, event_id, first.value, second.value))
            else:
                verdicts.add(first, second, event_id)
        sums.add(len(records), differences)
        progress(len(records))
    return sums.comparison(verdicts.most_common())


class Scored(NamedTuple):
    """A predicted number."""

    id: int | str | None
    value: float


_Outcome = Scored | str


def _outcomes(consumer: Consumer, records: Sequence[Record]) -> dict[str, _Outcome]:
    """Return for each event id its predicted number, else its verdict: a predicted label or a dead letter's reason."""
    result = consumer.process(records)
    scored: dict[str, _Outcome] = {
        str(made.event_id): Scored(made.id, made.value)
        if type(made.value) in {int, float}
        else json.dumps(made.value, ensure_ascii=False)
        for made in result.predictions
    }
    return scored | {str(letter.event_id): letter.reason.value for letter in result.dead_letters}


@dataclass(slots=True)
class _Disagreements:
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, one: _Outcome, other: _Outcome, event_id: str) -> None:
        pair = _verdict(one), _verdict(other)
        if pair[0] != pair[1]:
            self.counts[pair] += 1
            self.examples.setdefault(pair, event_id)

    def most_common(self) -> list[Verdicts]:
        return [Verdicts(*pair, count, self.examples[pair]) for pair, count in self.counts.most_common()]


def _verdict(outcome: _Outcome) -> str:
    return outcome if isinstance(outcome, str) else SCORED


class _Sums:
    """What is known of the differences so far."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._records = self._scored = self._differing = 0
        self._sum = self._squares = 0.0
        self._magnitudes = _Magnitudes()
        self._largest: list[Difference] = []

    def add(self, records: int, differences: Sequence[Difference]) -> None:
        numbers = np.array([difference.difference for difference in differences], np.float64)
        self._records += records
        self._scored += len(numbers)
        self._differing += int(np.count_nonzero(numbers))
        with np.errstate(over="ignore", invalid="ignore"):  # extreme predictions may differ by more than a float holds
            self._sum += float(numbers.sum())
            self._squares += float((numbers * numbers).sum())
        self._magnitudes.add(np.abs(numbers))
        self._largest = heapq.nlargest(
            self._keep, [*self._largest, *differences], key=lambda difference: abs(difference.difference)
        )

    def comparison(self, verdicts: Sequence[Verdicts]) -> Comparison:
        scored = self._scored
        return Comparison(
            records=self._records,
            scored_by_both=scored,
            differing=self._differing,
            mean=self._sum / scored if scored else 0.0,
            rms=math.sqrt(self._squares / scored) if scored else 0.0,
            p50=self._magnitudes.quantile(0.50),
            p95=self._magnitudes.quantile(0.95),
            largest=abs(self._largest[0].difference) if self._largest else 0.0,
            largest_differences=[difference for difference in self._largest if difference.difference],
            verdicts=verdicts,
        )


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
