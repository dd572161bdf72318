"""
The output of ``consume``: one line a batch and a total, for a person or as JSON.

Example: two batches of a shard in a terminal, and the second batch as JSON::

    shardId-000000000000: 500 records: 495 predicted, 5 dead letters, 12 ms
    shardId-000000000000: 100 records: 100 predicted, 0 dead letters, 3 ms
    600 records: 595 predicted, 5 dead letters (2 batches)

    {"type": "batch", "sources": ["shardId-000000000000"], "records": 100, "predicted": 100, ...}

The rule: a count that the function does not report is unknown, never 0. docs/event-source-mapping.md lists the fields.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stream_consumer.local.mapping.events import Counts, Invoked
from stream_consumer.telemetry import Metric

_MOST_SOURCES = 3
"""A person reads the names of so many partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch after its invocation."""

    sources: Sequence[str]
    """The shard, or the partitions of Kafka."""
    records: int
    predicted: int | None = None
    dead_letters: int | None = None
    unsettled: int | None = None
    """Records that are delivered again."""
    milliseconds: float
    error: str | None = None

    @classmethod
    def of(cls, event: Invoked, metrics: Mapping[str, float]) -> "Batch":
        """Return the batch of *event*, of which the function reported *metrics*."""
        error = event.invocation.error
        return cls(
            sources=[event.shard_id],
            records=event.records,
            predicted=_count(metrics, Metric.PREDICTIONS_PUBLISHED),
            dead_letters=_count(metrics, Metric.DEAD_LETTERS),
            unsettled=event.records if error else _count(metrics, Metric.RECORDS_UNSETTLED),
            milliseconds=_milliseconds(event.seconds),
            error=f"{error.error_type}: {error.message}" if error else None,
        )

    def line(self) -> str:
        """Return the line for a person."""
        many = len(self.sources) > _MOST_SOURCES
        sources = f"{len(self.sources)} partitions" if many else ", ".join(self.sources)
        outcome = ["failed"] if self.error else _outcome(self.predicted, self.dead_letters)
        again = [f"{self.unsettled:,} to be delivered again"] if self.unsettled else []
        return f"{sources}: " + _sentence(self.records, [*outcome, *again, f"{self.milliseconds:,.0f} ms"])

    def json(self) -> str:
        return json.dumps({"type": "batch", **asdict(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """All batches of a run."""

    records: int
    """Settled records, discarded records included."""
    predicted: int | None
    dead_letters: int | None
    discarded: int
    batches: int
    failed_batches: int

    @classmethod
    def of(cls, counts: Counts, metrics: Mapping[str, float]) -> "Total":
        """Return the total of *counts*, where *metrics* are sums over all batches."""
        return cls(
            records=counts.records_settled,
            predicted=_count(metrics, Metric.PREDICTIONS_PUBLISHED),
            dead_letters=_count(metrics, Metric.DEAD_LETTERS),
            discarded=counts.records_discarded,
            batches=counts.invocations - counts.throttles,
            failed_batches=counts.errors,
        )

    def line(self) -> str:
        """Return the line for a person."""
        discarded = [f"{self.discarded:,} discarded"] if self.discarded else []
        failed = f", {self.failed_batches:,} failed" if self.failed_batches else ""
        again = (self.predicted or 0) + (self.dead_letters or 0) > self.records
        note = ", records delivered again count again" if again else ""
        outcome = [*_outcome(self.predicted, self.dead_letters), *discarded]
        return f"{_sentence(self.records, outcome)} ({plural(self.batches, 'batch', 'batches')}{failed}{note})"

    def json(self) -> str:
        return json.dumps({"type": "total", **asdict(self)})


def _sentence(records: int, parts: Sequence[str]) -> str:
    return plural(records, "record", "records") + (f": {', '.join(parts)}" if parts else "")


def _outcome(predicted: int | None, dead_letters: int | None) -> list[str]:
    if predicted is None or dead_letters is None:
        return []
    return [f"{predicted:,} predicted", plural(dead_letters, "dead letter", "dead letters")]


def plural(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _count(metrics: Mapping[str, Any], metric: Metric) -> int | None:
    value = metrics.get(metric.label)
    return None if value is None else int(value)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
