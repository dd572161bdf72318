"""
The metrics for Prometheus, each with its meaning. The batcher and the scoring endpoints fill them in.

The rule: any worker process can report the metrics of all workers. Each keeps its own metrics in files that all workers
read.
"""

import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from stream_consumer.contract.printable import printable
from stream_consumer.contract.record import Reason
from stream_consumer.web.model_call import Called

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def share_metrics(directory: Path, slot: int) -> None:
    """
    Keep all further metrics of this process in files of *directory*.

    A process in the *slot* of a former process continues its files. Counters therefore never fall, and the number of
    files stays the number of concurrent processes.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of a process, or of all processes that share a directory."""

    def __init__(
        self, *, queued: Callable[[], int], model: str, version: str, digest: str, shared: Path | None = None
    ) -> None:
        """*shared* is the directory of :func:`share_metrics`."""
        self._queued = queued
        registry = CollectorRegistry()
        self._requests = Counter(
            "stream_consumer_requests", "Scoring requests answered", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "stream_consumer_request_seconds",
            "From a scoring request's head to its answer",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        items = Counter("stream_consumer_items", "Ride events decided", ["outcome"], registry=registry)
        self._predictions = items.labels("prediction")
        self._faults = {reason: items.labels(reason.value) for reason in Reason}
        self._unseen = Counter(
            "stream_consumer_unseen_categories",
            "Values of categorical columns that training never saw",
            registry=registry,
        )
        self._call_items = Histogram(
            "stream_consumer_call_items", "Ride events of a model call", buckets=_ITEMS, registry=registry
        )
        self._call_seconds = Histogram(
            "stream_consumer_call_seconds",
            "Decoding and scoring of a model call",
            buckets=_SECONDS,
            registry=registry,
        )
        self._failed_calls = Counter(
            "stream_consumer_failed_calls", "Model calls that failed on every ride event", registry=registry
        )
        self._waiting = Gauge(
            "stream_consumer_queue_items",
            "Ride events that wait for the model",
            multiprocess_mode="livesum",
            registry=registry,
        )
        Gauge(
            "stream_consumer_workers",
            "Worker processes that serve",
            multiprocess_mode="livesum",
            registry=registry,
        ).set(1)
        # Not an Info: the library does not merge them. While workers are replaced, two versions may be served.
        Gauge(
            "stream_consumer_model_info",
            "The model that is served",
            ["name", "version", "digest"],
            multiprocess_mode="livemax",
            registry=registry,
        ).labels(printable(model), printable(version), digest).set(1)
        self._shown = registry
        if shared is not None:
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown, str(shared))  # type: ignore[no-untyped-call]
        self._statuses: dict[tuple[str, HTTPStatus], Counter] = {}
        self._paths: dict[str, Histogram] = {}

    def called(self, call: Called) -> None:
        self._call_items.observe(call.items)
        self._call_seconds.observe(call.seconds)
        if isinstance(call.result, Exception):
            self._failed_calls.inc()
            return
        self._predictions.inc(len(call.result.predictions))
        if call.result.decided == call.items:  # otherwise some of the events are tried again
            self._unseen.inc(call.result.unseen_categories)
        for fault in call.result.faults.values():
            self._faults[fault.reason].inc()

    def answered(self, path: str, status: HTTPStatus, seconds: float) -> None:
        # Looking up a metric by its labels costs as much as counting, so the result is kept.
        if (path, status) not in self._statuses:
            self._statuses[path, status] = self._requests.labels(path, str(int(status)))
            self._paths[path] = self._seconds.labels(path)
        self._statuses[path, status].inc()
        self._paths[path].observe(seconds)

    def refresh(self) -> None:
        """Write the values that are otherwise computed on demand, since another process may answer the request."""
        self._waiting.set(self._queued())

    def text(self) -> bytes:
        self.refresh()
        return generate_latest(self._shown)
