"""
A complete run on one machine: put events, read predictions, and count everything.

The rule: nothing is taken on trust. The run reads all results back from the output stream and the bucket, and compares
them with the events that it put.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_consumer.consumer import commonest_fault
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import Reason
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.consuming import INPUT_STREAM, Consuming, Watch, dead_letters, mapping_to
from stream_consumer.local.demo.function_metrics import MetricsTally
from stream_consumer.local.demo.reading import OpenReader, Reading, stream_reader
from stream_consumer.local.demo.ride_producer import Producer
from stream_consumer.local.runtime.functions import EMPTY_BATCH, started
from stream_consumer.monitor.drift import DAY, Limits
from stream_consumer.reader import Received
from stream_consumer.sinks import Entry, Sink

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.local.runtime.functions import Function
    from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The input of a run, and the results to expect."""

    entries: Sequence[Entry]
    """Entries to put, in order."""
    expected: Mapping[Reason, int]
    """Number of entries that must become dead letters, by reason."""
    actual: Mapping[str, float] = field(default_factory=dict)
    """Known true values, by the text of the event's id."""
    envelope: Envelope = field(default_factory=Envelope)
    rate: float | None = None
    """Records to put per second. None means as fast as possible."""
    batch_size: int = 500
    limits: Limits = DAY
    """Limits for the drift of the entries."""


@dataclass(slots=True)
class RunProgress:
    """The progress of a run. The run's threads write it, and the terminal shows it."""

    to_put: int
    to_read: int
    put: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of a run. Every count was read back from a stream or the bucket."""

    put: int
    put_again: int
    predicted: int
    duplicates: int
    dead_letters: Mapping[Reason, int]
    expected_dead_letters: Mapping[Reason, int]
    discarded: int
    """Records that the mapping gave up and sent to its on-failure destination."""
    seconds: float
    """Seconds from the first put to the last prediction."""
    invocations: int
    failed_invocations: int
    last_error: str
    """The function's last error. Empty if it never failed."""
    metrics: Mapping[str, float]
    """Sums of the function's own metrics."""
    fault: str
    """Commonest fault of the dead letters, and its remedy. JSON data goes first."""
    predictions: Sequence[Prediction] = field(repr=False)
    """Predictions in the order of reading."""
    actual: NDArray[np.float64] = field(repr=False)
    """True values of the same events, shape (predicted,). Empty if unknown."""
    latencies: NDArray[np.float64] = field(repr=False)
    """Seconds from the put of an event to the read of its prediction, for events with a unique id."""
    read_at: NDArray[np.float64] = field(repr=False)
    """Time at which each of these predictions was read, in seconds after the first put."""
    letters: "Sequence[StoredDeadLetter]" = field(default=(), repr=False)
    """The dead letters, in the order of their objects."""
    out_of_order: int | None = None
    """Predictions that came after that of a later event with the same key. None without a promise of order."""

    @property
    def faults(self) -> list[str]:
        """Differences between the expected and the actual counts."""
        dead = sum(self.dead_letters.values())
        faults = []
        if self.put != self.predicted + dead + self.discarded:
            faults.append(
                f"{self.put} records were put, but {self.predicted} predictions, {dead} dead letters and "
                f"{self.discarded} discarded records came out"
            )
        faults += [
            f"{expected} dead letters were expected to be {reason.value}, {self.dead_letters.get(reason, 0)} are"
            for reason, expected in self.expected_dead_letters.items()
            if expected != self.dead_letters.get(reason, 0)
        ]
        if self.out_of_order:
            faults.append(f"{self.out_of_order} predictions came after the one of a later event with the same key")
        return faults

    @property
    def predicted_numbers(self) -> NDArray[np.float64]:
        return np.array([prediction.value for prediction in self.predictions], dtype=np.float64)

    @property
    def rmse(self) -> float:
        """In the unit of the prediction."""
        return float(np.sqrt(np.mean((self.predicted_numbers - self.actual) ** 2)))

    @property
    def records_per_second(self) -> float:
        return self.put / self.seconds


class Counted(NamedTuple):
    """The consumer's own counts."""

    discarded: int
    invocations: int
    failed_invocations: int
    last_error: str


class Platform(Protocol):
    """The platform of a run: a sink of events, a consumer, and readers of predictions."""

    @property
    def sink(self) -> Sink:
        """Takes the events."""

    @property
    def open_reader(self) -> OpenReader:
        """Opens readers of the predictions."""

    def start(self) -> None:
        """Begin to consume. Returns when the consumer is ready."""

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Wait until all put events are consumed."""

    def stop(self) -> None:
        """End consuming."""

    def counted(self) -> Counted: ...

    def out_of_order(self, predictions: Sequence[Prediction]) -> int | None:
        """Count predictions that came after that of a later event with their key. None without a promise of order."""


class StreamPlatform:
    """The two streams, and the mapping from the input stream to a function."""

    def __init__(self, plan: Plan, clients: "Clients", function: "Function") -> None:
        """
        Load the model, before the clock runs.

        Raises:
            LocalPlatformError: The function does not start.
        """
        started(function.invoke(EMPTY_BATCH).error)
        self.sink: Sink = PredictionStream(clients.kinesis, INPUT_STREAM)
        self.open_reader = stream_reader(clients, plan.envelope)
        self._watch = Watch()
        self._mapping = mapping_to(function, clients, self._watch, batch_size=plan.batch_size)
        self._consuming: Consuming | None = None

    def start(self) -> None:
        self._consuming = Consuming(self._mapping)

    def drain(self, meanwhile: Callable[[], None]) -> None:
        if self._consuming:
            self._consuming.drain(meanwhile)

    def stop(self) -> None:
        if self._consuming:
            self._consuming.stop()

    def counted(self) -> Counted:
        counts = self._watch.counts
        return Counted(counts.records_discarded, counts.invocations, counts.errors, self._watch.last_error)

    def out_of_order(self, predictions: Sequence[Prediction]) -> None:
        """Return None: a request that Kinesis rejects in part keeps no order."""


def run(
    plan: Plan,
    clients: "Clients",
    function: "Function",
    metrics: MetricsTally,
    show: Callable[[RunProgress], None],
) -> Outcome:
    """
    Put the plan's entries on the input stream, have *function* consume them, and count the results.

    Args:
        plan: The input.
        clients: Clients of an endpoint with the two streams and the bucket, all empty.
        function: The consumer, which publishes to the output stream of the same endpoint.
        metrics: Gets the function's log lines.
        show: Called now and then with the progress.

    Raises:
        LocalPlatformError: The function does not start.
    """
    return run_on(StreamPlatform(plan, clients, function), plan, clients, metrics, show)


def run_on(
    platform: Platform, plan: Plan, clients: "Clients", metrics: MetricsTally, show: Callable[[RunProgress], None]
) -> Outcome:
    """Do as :func:`run` on *platform*. *clients* have the bucket of the dead letters."""
    entries = plan.entries
    progress = RunProgress(len(entries), len(entries) - sum(plan.expected.values()))
    put_at: dict[str, float] = {}

    def put(chunk: Sequence[Entry], at: float) -> None:
        put_at.update((entry.partition_key, at) for entry in chunk)
        progress.put += len(chunk)
        show(progress)

    def read(_: Received) -> None:
        progress.read += 1

    reading = Reading(platform.open_reader, read)
    platform.start()
    begun = time.monotonic()
    try:
        put_again = Producer(platform.sink, plan.rate).put(entries, put)
        platform.drain(lambda: show(progress))
    finally:
        platform.stop()
    reading.finish()
    show(progress)
    counted, dead = platform.counted(), dead_letters(clients)
    at = np.array([when for _, when in reading.received])
    return Outcome(
        put=len(entries),
        put_again=put_again,
        predicted=len(reading.received),
        duplicates=reading.duplicates,
        dead_letters=Counter(Reason(letter.reason) for letter in dead),
        letters=dead,
        expected_dead_letters=plan.expected,
        seconds=float(at.max() - begun) if len(at) else time.monotonic() - begun,
        metrics=metrics.sums(),
        fault=commonest_fault([one for one in dead if one.reason != Reason.UNDECODABLE] or dead),
        **counted._asdict(),
        out_of_order=platform.out_of_order([received.prediction for received, _ in reading.received]),
        **_measures(plan, reading.received, put_at, begun),
    )


def _measures(
    plan: Plan, received: Sequence[tuple[Received, float]], put_at: Mapping[str, float], begun: float
) -> dict[str, Any]:
    predictions = [one.prediction for one, _ in received]
    # A prediction without an id of its own has a partition key that no event has.
    puts = Counter(entry.partition_key for entry in plan.entries)
    timed = [(one.prediction.partition_key, when) for one, when in received if puts[one.prediction.partition_key] == 1]
    return {
        "predictions": predictions,
        "actual": np.array([plan.actual[str(made.id)] for made in predictions] if plan.actual else []),
        "latencies": np.array([when - put_at[key] for key, when in timed]),
        "read_at": np.array([when - begun for _, when in timed]),
    }
