"""
The main job on one machine: events in, predictions out, everything counted.

The rule: nothing is taken on trust. What came out is read back from the output stream and the bucket, and compared with
what was put.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run."""

    entries: Sequence[Entry]
    """What to put, in this order."""
    expected: Mapping[Reason, int]
    """How many of them must become dead letters, by reason."""
    actual: Mapping[str, float] = field(default_factory=dict)
    """True values by the text of the id of the event, where they are known."""
    envelope: Envelope = field(default_factory=Envelope)
    rate: float | None = None
    """Records put a second; None for as fast as they go."""
    batch_size: int = 500
    limits: Limits = DAY
    """What the drift of the entries is judged by."""


@dataclass(slots=True)
class Progress:
    """How far a run is; read by whoever shows it, written by the run's threads."""

    to_put: int
    to_read: int
    put: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to; every count was read back from a stream or the bucket."""

    put: int
    put_again: int
    predicted: int
    duplicates: int
    dead_letters: Mapping[Reason, int]
    expected_dead_letters: Mapping[Reason, int]
    discarded: int
    """Records that the mapping gave up on and handed to its on-failure destination."""
    seconds: float
    """From the first put to the last prediction."""
    invocations: int
    failed_invocations: int
    last_error: str
    """What the function last failed with; empty if it never did."""
    metrics: Mapping[str, float]
    """Sums of the function's own metrics."""
    fault: str
    """Commonest fault of the dead letters and its remedy; of those that are JSON, if any is."""
    predictions: Sequence[Prediction] = field(repr=False)
    """In the order in which they were read."""
    actual: NDArray[np.float64] = field(repr=False)
    """True values of the same events, shape (predicted,); empty if they are not known."""
    latencies: NDArray[np.float64] = field(repr=False)
    """Seconds from the put of an event to the read of its prediction, for events whose id no other one has."""
    read_at: NDArray[np.float64] = field(repr=False)
    """Seconds after the first put at which each of these predictions was read."""
    out_of_order: int | None = None
    """Predictions that came behind that of a later event of their key; None where no order is promised."""

    @property
    def faults(self) -> list[str]:
        """What does not add up; empty if everything does."""
        dead = sum(self.dead_letters.values())
        faults = []
        if self.put != self.predicted + dead + self.discarded:
            faults.append(
                f"{self.put} records were put, but {self.predicted} predictions, {dead} dead letters and "
                f"{self.discarded} discarded records came out"
            )
        faults += [
            f"{expected} dead letters were to be {reason.value}, {self.dead_letters.get(reason, 0)} are"
            for reason, expected in self.expected_dead_letters.items()
            if expected != self.dead_letters.get(reason, 0)
        ]
        if self.out_of_order:
            faults.append(f"{self.out_of_order} predictions came behind that of a later event of their key")
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
    """What the consumer has done."""

    discarded: int
    invocations: int
    failed_invocations: int
    last_error: str


class Platform(Protocol):
    """Where a run takes place: what takes events, what consumes them, and what has the predictions."""

    @property
    def sink(self) -> Sink:
        """Takes the events."""

    @property
    def open_reader(self) -> OpenReader:
        """Opens readers of the predictions."""

    def start(self) -> None:
        """Begin to consume. What that takes is over when it returns."""

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Wait until everything that was put has been consumed."""

    def stop(self) -> None:
        """End consuming."""

    def counted(self) -> Counted: ...

    def out_of_order(self, predictions: Sequence[Prediction]) -> int | None:
        """Return how many came behind that of a later event of their key; None where no order is promised."""


class StreamPlatform:
    """The two streams, and the mapping from one of them to a function."""

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
        """Tell nothing: a request that Kinesis rejects in part keeps no order."""


def run(
    plan: Plan,
    clients: "Clients",
    function: "Function",
    metrics: MetricsTally,
    show: Callable[[Progress], None],
) -> Outcome:
    """
    Put the plan's entries on the input stream, have *function* consume them, and count what comes out.

    Args:
        plan: What to run.
        clients: Of an endpoint that has the two streams and the bucket, empty.
        function: The consumer, publishing to the output stream of the same endpoint.
        metrics: Gets the function's log lines.
        show: Called now and then with how far the run is.

    Raises:
        LocalPlatformError: The function does not start.
    """
    return run_on(StreamPlatform(plan, clients, function), plan, clients, metrics, show)


def run_on(
    platform: Platform, plan: Plan, clients: "Clients", metrics: MetricsTally, show: Callable[[Progress], None]
) -> Outcome:
    """Do as :func:`run` on *platform*; *clients* have the bucket of the dead letters."""
    entries = plan.entries
    progress = Progress(len(entries), len(entries) - sum(plan.expected.values()))
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
    # A prediction without an id of its own has a partition key that nothing was put under.
    puts = Counter(entry.partition_key for entry in plan.entries)
    timed = [(one.prediction.partition_key, when) for one, when in received if puts[one.prediction.partition_key] == 1]
    return {
        "predictions": predictions,
        "actual": np.array([plan.actual[str(made.id)] for made in predictions] if plan.actual else []),
        "latencies": np.array([when - put_at[key] for key, when in timed]),
        "read_at": np.array([when - begun for _, when in timed]),
    }
