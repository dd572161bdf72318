"""
A stream of rides, and a function that predicts them. The function's version changes while both run.

The rule: a release works as on Lambda. A new version of the function has its own environment and is initialised before
the alias points to it. The previous version finishes its invocations.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.record import Reason
from stream_consumer.errors import LocalPlatformError
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.background import Background
from stream_consumer.local.demo.consuming import (
    INPUT_STREAM,
    POLL_SECONDS,
    Consuming,
    Watch,
    function_environment,
    mapping_to,
)
from stream_consumer.local.demo.function_metrics import MetricsTally
from stream_consumer.local.demo.loop.rides import verdict_of
from stream_consumer.local.demo.reading import Reading, stream_reader
from stream_consumer.local.demo.ride_producer import Producer
from stream_consumer.local.runtime.alias import Alias
from stream_consumer.local.runtime.functions import FunctionConfig, started
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.reader import Received
from stream_consumer.settings import FIELDS
from stream_consumer.sinks import Entry

if TYPE_CHECKING:
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws

WAIT_SECONDS = 180.0
"""Time limit for steps that normally take seconds."""


@dataclass(slots=True)
class Put:
    """Counts of put events: rides, and malformed events by their expected reason."""

    rides: int = 0
    malformed: Counter[Reason] = field(default_factory=Counter)

    def __call__(self, chunk: Sequence[Entry], _: float) -> None:
        reasons = [reason for reason in map(verdict_of, chunk) if reason]
        self.malformed.update(reasons)
        self.rides += len(chunk) - len(reasons)


@dataclass(frozen=True, slots=True)
class _Running:
    alias: Alias
    consuming: Consuming
    reading: Reading


class Service:
    """Context manager in which records are put, predicted and read, from the first release on."""

    def __init__(self, aws: "EmbeddedAws", handler: str, events: Iterable[Entry], *, rate: float, shards: int) -> None:
        self.clients = aws.clients()
        self.put = Put()
        self._predicted: Counter[tuple[str, str]] = Counter()
        """Predictions read so far, by model version and shard of the input stream."""
        self.watch = Watch()
        self._handler = handler
        self._shards = shards
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in _SETTINGS},
            **aws.environment,
        }
        self._functions: list[RuntimeFunction] = []
        producer = Producer(PredictionStream(self.clients.kinesis, INPUT_STREAM), rate, sleep=self._pause)
        self._producing = Background("producer", lambda: producer.put(events, self.put))
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._producing.stop()
            self._running.consuming.stop()
            self._running.reading.stop()
        for function in self._functions:
            function.close()

    @property
    def versions(self) -> int:
        """Number of released versions, which is also the number of the last version."""
        return len(self._functions)

    def release(self, model: str, challenger: Mapping[str, str] | None = None) -> MetricsTally:
        """
        Let a new version of the function, with *model*, take over. Return the metrics of its log lines.

        Raises:
            LocalPlatformError: The new version does not start. The previous version continues.
        """
        metrics = MetricsTally()
        config = FunctionConfig(self._handler, name="demo-loop", version=str(self.versions + 1))
        environment = {**self._environment, **function_environment(model), **(challenger or {})}
        function = RuntimeFunction(config, environments=self._shards, environment=environment, log=metrics.take)
        self._functions.append(function)
        started(function.warm_up())
        if self._running:
            self._running.alias.point_to(function)
            self._functions[-2].close()
        else:
            self._begin(function)
        return metrics

    def _begin(self, function: RuntimeFunction) -> None:
        alias = Alias(function)
        mapping = mapping_to(alias, self.clients, self.watch)
        self._running = _Running(
            alias, Consuming(mapping), Reading(stream_reader(self.clients, Envelope()), self._count)
        )
        self._producing.start()

    def predicted(self, version: str | None = None) -> int:
        """Return the number of predictions read so far, of a model version or in all."""
        return sum(self._of(version))

    def on_each_shard(self, version: str) -> int:
        """Return the least number of predictions of a model version read so far on any shard."""
        counts = self._of(version)
        return min(counts) if len(counts) == self._shards else 0

    def _of(self, version: str | None) -> list[int]:
        return [count for (of, _), count in list(self._predicted.items()) if version in {None, of}]

    def wait_for(self, what: str, done: Callable[[], bool]) -> None:
        """
        Wait until *done* returns true, while the stream runs.

        Raises:
            LocalPlatformError: *what* did not happen in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            self._check()
            if time.monotonic() > deadline:
                last = self.watch.last_error and f"; the function failed with {self.watch.last_error}"
                raise LocalPlatformError(f"{what} did not come within {WAIT_SECONDS:g} s{last}")
            time.sleep(POLL_SECONDS)

    def finish(self) -> Reading:
        """Stop putting, consume and read the rest, and return the reader."""
        if self._running is None:
            raise LocalPlatformError("nothing was released")
        self._producing.stop()
        self._check()
        self._running.consuming.drain(lambda: None)
        self._running.reading.finish()
        return self._running.reading

    def _check(self) -> None:
        if self._running:
            self._producing.check()
            self._running.consuming.check()
            self._running.reading.check()

    def _count(self, received: Received) -> None:
        shard, _, _ = (received.prediction.event_id or "").rpartition(":")
        self._predicted[received.prediction.version, shard] += 1

    def _pause(self, seconds: float) -> None:
        self._producing.pause(seconds)


_SETTINGS = frozenset(field.variable for field in FIELDS.values())
"""Variables for the user's own consumer, which do not apply here."""
