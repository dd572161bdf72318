"""``consume --kafka``: topics through the consumer, in this process, as a member of a consumer group."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stream_consumer.aws.clients import default_session
from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.batch_lines import Batch
from stream_consumer.cli.outputs import check_outputs
from stream_consumer.cli.signals import asking
from stream_consumer.cli.terminal import complain, hint
from stream_consumer.composition import Composition, compose
from stream_consumer.consumer import BatchResult
from stream_consumer.contract.record import Record
from stream_consumer.errors import UsageError
from stream_consumer.group.client import StartOfGroup, check_topics
from stream_consumer.group.loop import Subscription, consume
from stream_consumer.group.member import OUT_OF_RANGE, Member, Pace
from stream_consumer.kafka_settings import KafkaSettings
from stream_consumer.settings import VARIABLES, Settings
from stream_consumer.telemetry import Telemetry, telemetry
from stream_consumer.worker.shutdown import Shutdown

if TYPE_CHECKING:
    import boto3
    from confluent_kafka import KafkaError

    from stream_consumer.cli.function_log import FunctionLog
    from stream_consumer.group.metrics import GroupMetrics
    from stream_consumer.group.partitions import PartitionKey
    from stream_consumer.model import Model

_QUIET_SECONDS = 10.0
"""How long the same warning is not said again."""
_FORGOTTEN = (
    "going on with the oldest record (Kafka has forgotten those before it, or the topic was deleted and made again)"
)
_SILENT_SECONDS = 90.0
"""How long beyond a batch's time the loop may be silent: closing and committing wait for the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the command line asks for."""

    brokers: str
    topics: Sequence[str]
    group: str
    starting_position: str
    batch_size: int
    batching_window: float
    timeout: float
    session_timeout: float
    drain: bool
    health_host: str
    health_port: int | None

    def pace(self) -> Pace:
        """
        Return how batches are made.

        Raises:
            UsageError: Names every value outside its limits.
        """
        limits = (
            ("--batch-size", self.batch_size, 1, 10_000),
            ("--batching-window", self.batching_window, 0, 300),
            ("--timeout", self.timeout, 0.1, 900),
            # What brokers take unless they are told otherwise. Source: Apache Kafka, group.min.session.timeout.ms.
            ("--session-timeout", self.session_timeout, 6, 1800),
        )
        faults = [
            f"{name} is {value}, wanted {least} to {most}"
            for name, value, least, most in limits
            if not least <= value <= most
        ]
        if not self.group.strip():
            faults.append("--group is empty")
        if faults:
            raise UsageError("; ".join(faults))
        return Pace(batch_size=self.batch_size, window_seconds=self.batching_window, timeout_seconds=self.timeout)


def session(endpoint_url: str | None, region: str | None, profile: str | None) -> "boto3.Session":
    """Return a session by the AWS CLI's rules, and without a region if none is known: Kafka alone needs none."""
    found = default_session()
    if not (endpoint_url or region or profile or found.region_name):
        return found
    clients = options.aws(endpoint_url, region, profile)
    os.environ.update(options.environment(clients))
    return clients.session


def consume_topics(asked: Group, aws: "boto3.Session", log: "FunctionLog") -> None:
    """
    Consume until SIGTERM or Ctrl-C, or with ``--drain`` until everything is settled.

    Raises:
        UsageError: Predictions would go on a topic that is consumed, or an output does not exist.
        InitError: The environment, the model or a topic is wrong.
    """
    pace = asked.pace()
    start = options.start_at("--starting-position", asked.starting_position)
    connection = kafka_options.connection(asked.brokers, aws)
    os.environ.update(kafka_options.environment(asked.brokers))
    settings, report = Settings.of(os.environ), telemetry(os.environ)
    options.warn_of_misspelt(VARIABLES)
    _check_output(asked, settings.kafka)
    check_outputs(settings)
    shutdown = Shutdown(pace.timeout_seconds)
    with contextlib.ExitStack() as stack:
        stack.enter_context(asking(shutdown))
        watch = _Watch(report, log)
        if asked.health_port is not None:
            watch.metrics = stack.enter_context(_serving(asked.health_host, asked.health_port, watch))
        check_topics(connection, asked.topics)
        composed = compose(settings, watch.loaded)
        watch.member = member = Member(
            _Scoring(composed, report),
            asked.brokers,
            pace,
            watch,
            is_asked=lambda: shutdown.asked,
            is_overdue=lambda: shutdown.overdue,
        )
        subscription = Subscription(
            connection=connection,
            group=asked.group,
            topics=asked.topics,
            start=StartOfGroup(start.position, start.timestamp),
            drain=asked.drain,
            session_seconds=asked.session_timeout,
            poll_seconds=pace.silence_seconds,
        )
        hint(f"waiting for partitions of {', '.join(asked.topics)} in the group {asked.group}")

        def tell(partitions: int, committed: int) -> None:
            complain(_start(asked, partitions, committed))

        consume(subscription, member, shutdown, watch.trouble, tell)


def _start(asked: Group, partitions: int, committed: int) -> str:
    """Say where the group begins, which has committed an offset in *committed* of *partitions*."""
    start = {
        "TRIM_HORIZON": "the oldest record",
        "EARLIEST": "the oldest record",
        "LATEST": "the records that come now",
    }
    first = start.get(asked.starting_position.upper(), f"the records of {asked.starting_position} on")
    if committed == partitions:
        return f"the group {asked.group} goes on from its committed offsets"
    if committed == 0:
        return f"the group {asked.group} is new here and begins with {first}"
    return (
        f"the group {asked.group} goes on from its committed offsets in {committed} of {partitions} partitions, and "
        f"begins with {first} in the others"
    )


def _check_output(asked: Group, output: KafkaSettings) -> None:
    """Refuse an output topic that is consumed. Clusters without a broker in common are different ones."""
    shared = set(asked.brokers.split(",")) & set((output.brokers or "").split(","))
    if shared and output.predictions_topic in asked.topics:
        raise UsageError(
            f"--topic {output.predictions_topic}: PREDICTIONS_TOPIC is the same topic, so predictions would be "
            "consumed as events. Set PREDICTIONS_TOPIC to a different topic"
        )


class _Scoring:
    """The consumer, and the challenger behind it, as in the function."""

    def __init__(self, composed: Composition, report: Telemetry) -> None:
        self._composed = composed
        self._report = report

    def process(self, records: Sequence[Any], deadline: float = math.inf) -> BatchResult:
        result = self._composed.consumer.process(records, deadline)
        if self._composed.challenger:
            with contextlib.suppress(Exception):  # the batch is settled, whatever the challenger does
                self._report.challenged(self._composed.challenger.challenge(result, deadline))
        return result


class _Watch:
    """Tells people, logs and Prometheus what the member does."""

    def __init__(self, report: Telemetry, log: "FunctionLog") -> None:
        self.member: Member | None = None
        self.metrics: GroupMetrics | None = None
        self._report = report
        self._log = log
        self._said: dict[str, float] = {}

    def is_alive(self) -> bool:
        """Whether the loop goes round, or has not begun: loading a model takes its time."""
        member = self.member
        return member is None or time.monotonic() - member.ticked < member.pace.timeout_seconds + _SILENT_SECONDS

    def is_ready(self) -> bool:
        """Whether the model is loaded, and the group has given this member its share."""
        return self.member is not None and self.member.assigned and self.is_alive()

    def loaded(self, model: "Model") -> None:
        self._report.started(model)
        self._log.begin()
        if self.metrics:
            self.metrics.loaded(model)

    def decided(self, result: BatchResult, seconds: float) -> None:
        self._report.invoked(result, None, time.time())
        if self.metrics:
            self.metrics.decided(result, seconds)
        self._log.settled(_batch(result.records, seconds, result))

    def failed(self, error: Exception, records: Sequence[Record], seconds: float) -> None:
        if self.metrics:
            self.metrics.failed(len(records))
        failure = f"{type(error).__name__}: {error}"
        self._log.settled(_batch(records, seconds, failure))
        self._tell(f"batch with {len(records)} records failed, trying again: {failure}")

    def moved(self, change: str, keys: "Sequence[PartitionKey]", owned: int) -> None:
        if self.metrics:
            self.metrics.moved(change, keys, owned)
        names = ", ".join(f"{key.topic}-{key.number}" for key in sorted(keys))
        hint(f"partitions {change}: {names or 'none'}; {owned} in all")

    def behind(self, lags: "Mapping[PartitionKey, int]") -> None:
        if self.metrics:
            self.metrics.behind(lags)

    def warned(self, message: str, **fields: object) -> None:
        if self.metrics:
            self.metrics.warned(message)
        now = _FORGOTTEN if message == OUT_OF_RANGE else "trying again"
        self._tell(f"{message}, {now}: " + ", ".join(f"{name} {value}" for name, value in fields.items()))

    def trouble(self, error: "KafkaError") -> None:
        """Learn what goes wrong with the connections; librdkafka tries again by itself."""
        self.warned("connection failed", error=f"{error.name()}: {error.str()}")

    def _tell(self, line: str) -> None:
        """Say *line*, unless it was just said."""
        now = time.monotonic()
        if now - self._said.get(line, -math.inf) >= _QUIET_SECONDS:
            self._said[line] = now
            hint(line)


def _batch(records: Sequence[Record], seconds: float, outcome: BatchResult | str) -> Batch:
    """Return a batch with its result or, if it failed as a whole, with its error."""
    sources, milliseconds = sorted({record.shard or "" for record in records}), round(seconds * 1000, 1)
    if isinstance(outcome, str):
        unsettled = len(records)
        return Batch(sources=sources, records=unsettled, unsettled=unsettled, milliseconds=milliseconds, error=outcome)
    return Batch(
        sources=sources,
        records=len(records),
        predicted=outcome.published,
        dead_letters=outcome.dead_letters_written,
        unsettled=outcome.unsettled,
        milliseconds=milliseconds,
    )


@contextlib.contextmanager
def _serving(host: str, port: int, watch: _Watch) -> "Iterator[GroupMetrics]":
    from stream_consumer.group.health import metrics, probe, serving
    from stream_consumer.group.metrics import GroupMetrics

    made = GroupMetrics()
    paths: dict[str, Callable[[], Any]] = {
        "/healthz": probe(watch.is_alive),
        "/readyz": probe(watch.is_ready),
        "/metrics": metrics(made.text),
    }
    with serving(host, port, paths) as bound:
        hint(f"health on http://{host}:{bound}/healthz, /readyz and /metrics")
        yield made
