"""
The metrics of a member for Prometheus.

The rule: metrics that the web interface also has keep its names and meanings.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stream_consumer.consumer import BatchResult
from stream_consumer.contract.printable import printable
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.model import Model

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class GroupMetrics:
    """The metrics of one member."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._items = Counter(
            "stream_consumer_items",
            "Records settled as a prediction or as a dead letter",
            ["outcome"],
            registry=registry,
        )
        self._unsettled = Counter(
            "stream_consumer_unsettled_items", "Records to go back to, counted each time", registry=registry
        )
        self._batches = Counter("stream_consumer_batches", "Batches", ["outcome"], registry=registry)
        self._batch_seconds = Histogram(
            "stream_consumer_batch_seconds", "From a gathered batch to its end", buckets=_SECONDS, registry=registry
        )
        self._call_seconds = Histogram(
            "stream_consumer_call_seconds", "Decoding and scoring of a batch", buckets=_SECONDS, registry=registry
        )
        self._partitions = Gauge("stream_consumer_partitions", "Partitions that the member owns", registry=registry)
        self._moved = Counter(
            "stream_consumer_moved_partitions",
            "Partitions that were assigned, revoked or lost",
            ["change"],
            registry=registry,
        )
        self._lag = Gauge(
            "stream_consumer_lag_items",
            "Records of a partition behind the last settled one",
            ["topic", "partition"],
            registry=registry,
        )
        self._warnings = Counter("stream_consumer_warnings", "Warnings by their text", ["warning"], registry=registry)
        self._model = Gauge(
            "stream_consumer_model_info", "The model that scores", ["name", "version", "digest"], registry=registry
        )

    def loaded(self, model: Model) -> None:
        self._model.labels(printable(model.name), printable(model.version), model.digest).set(1)

    def decided(self, result: BatchResult, seconds: float) -> None:
        self._items.labels("prediction").inc(result.published)
        for reason, count in result.dead_letters_by_reason().items():
            self._items.labels(reason.value).inc(count)
        self._unsettled.inc(result.unsettled)
        self._batches.labels("unsettled" if result.unsettled else "settled").inc()
        self._batch_seconds.observe(seconds)
        self._call_seconds.observe(result.model_seconds)

    def failed(self, records: int) -> None:
        self._batches.labels("failed").inc()
        self._unsettled.inc(records)

    def moved(self, change: str, keys: Sequence[PartitionKey], owned: int) -> None:
        self._moved.labels(change).inc(len(keys))
        self._partitions.set(owned)

    def behind(self, lags: Mapping[PartitionKey, int]) -> None:
        """Learn the number of unsettled records of each partition."""
        self._lag.clear()
        for key, lag in lags.items():
            self._lag.labels(key.topic, str(key.number)).set(lag)

    def warned(self, message: str) -> None:
        self._warnings.labels(message).inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)
