"""
A mapping, its execution environments and the services they call, in simulated time: a schedule in, a run out.

The rule: no threads, no real time, no chance. The handler, its sinks and the mapping's rules are the real ones; what is
imitated is what they ask: Kinesis, S3, time, and the process that may die under them.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from stream_consumer.consumer import BatchResult, Consumer, Identity
from stream_consumer.contract import Record, records_from_lambda
from stream_consumer.errors import BatchFailed
from stream_consumer.lambda_function import Handler
from stream_consumer.local.config import Pace
from stream_consumer.local.delivery import Batch, Discarded
from stream_consumer.local.functions import FunctionError, Invocation
from stream_consumer.local.on_failure import DestinationUnavailable, Origin, S3Destination
from stream_consumer.local.records import ShardSource, StreamRecord, render_event
from stream_consumer.local.shard_queue import ShardQueue
from stream_consumer.scoring import Columns, Scorer
from stream_consumer.settings import Settings
from stream_consumer.sinks import DeadLetters, Patience, PredictionStream
from stream_consumer.telemetry import Telemetry
from tests.fakes import FakeKinesis, FakeS3, FakeTime, Fault, PutObject, PutRecords
from tests.faults.ingredients import INGREDIENTS, minutes_or_refusal
from tests.faults.schedules import TIMEOUT_SECONDS, Again, Die, OutOfMemory, Restart, Schedule, SlowModel, Throttled
from tests.rides import ARRIVAL, SHARD, STREAM_ARN, FakeContext, FakeModel, sequence_number

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from tests.faults.schedules import Trouble

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:stream-consumer"
MOST_DELIVERIES = 1_000
"""A schedule needs fewer: at most one a record, one a fault, and as many as the batch has halves after each."""
_SETTINGS = {"MODEL_LOCATION": "nowhere"}


class Died(BaseException):
    """The environment ended; nothing in the handler can catch this."""


@dataclass(slots=True)
class Delivery:
    """One invocation: what it was given, what it sent, and how it ended."""

    records: list[Record]
    trouble: "Trouble | None"
    invocation: Invocation = field(default_factory=lambda: Invocation(""))
    requests: list[PutRecords] = field(default_factory=list)
    letters: list[PutObject] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    died: bool = False
    ignored: bool = False
    """Nobody waited for its outcome any more."""

    @property
    def faults(self) -> list[Fault]:
        """What its calls met."""
        return [call.fault for call in self.calls if call.fault]

    @property
    def calls(self) -> list[PutRecords | PutObject]:
        return [*self.letters, *self.requests]


@dataclass(slots=True)
class Run:
    """What came of a schedule."""

    schedule: Schedule
    records: list[Record]
    """Everything that was put, KPL aggregates unfolded."""
    kinesis: FakeKinesis
    s3: FakeS3
    destination: FakeS3
    deliveries: list[Delivery] = field(default_factory=list)
    forgotten: int = 0
    """Events settled beyond the checkpoint when the mapping restarted, which come again."""
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What the on-failure destination holds."""
        return [json.loads(body) for body in self.destination.objects.values()]

    @property
    def faults(self) -> Counter[str]:
        """What struck, by kind."""
        met = (*self.kinesis.faults_met, *self.s3.faults_met, *self.destination.faults_met)
        return self.troubles + Counter(fault.name for fault in met)


class _Held(Future[Any]):
    """A call that begins when somebody waits for it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.took = 0.0


class _Workers(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> _Held:
        return _Held(lambda: fn(*args, **kwargs))


class _Time(FakeTime):
    took = 0.0
    """What the call that is being answered takes."""

    def spend(self, seconds: float) -> None:
        self.took += seconds


class _Silence(Telemetry):
    def __init__(self) -> None:
        """Print nothing."""

    def invoked(self, result: BatchResult, request_id: str | None, now: float) -> None:
        """Print nothing."""


class _Model(FakeModel):
    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__(minutes_or_refusal)
        self._before = before

    def predict(self, columns: Columns) -> "NDArray[float64]":
        self._before()
        return super().predict(columns)


class _Environment:
    """An execution environment: the real handler, and a process that can be killed under it."""

    def __init__(self, world: "World") -> None:
        schedule, time = world.schedule, world.time
        self._world = world
        self._delivery = Delivery([], None)
        self._rounds = 0
        self._first_model_call = True
        self._ends = 0.0
        patience = Patience(time.clock, time.sleep, max, lambda _: _Workers(), self._round)
        model = _Model(self._before_model)
        consumer = Consumer(
            schema=model.schema,
            scorer=Scorer(model, time.clock),
            identity=Identity("ride_duration_prediction_model", "Test123"),
            predictions=PredictionStream(
                world.run.kinesis.client, "ride_predictions", in_flight=schedule.in_flight, patience=patience
            ),
            dead_letters=DeadLetters(world.run.s3.client, "dead-letters-bucket", "dead-letters", patience=patience)
            if schedule.bucket
            else None,
            clock=time.clock,
        )
        settings = Settings.of(_SETTINGS | {"DEADLINE_MARGIN_MS": str(schedule.margin_ms)})
        self._handler = Handler(consumer, settings, _Silence(), monotonic=time.clock, now=time.clock)

    def invoke(self, event: dict[str, Any], delivery: Delivery) -> Invocation:
        """
        Invoke the handler.

        Raises:
            Died: As *delivery* asks for, or at the timeout.
        """
        self._delivery, self._rounds, self._first_model_call = delivery, 0, True
        self._ends = self._world.time.now + TIMEOUT_SECONDS
        try:
            response = self._handler(event, FakeContext(remaining_ms=int(TIMEOUT_SECONDS * 1000)))
        except (BatchFailed, MemoryError) as error:
            return Invocation("", error=FunctionError(type(error).__name__, str(error)))
        self._killed_if(dies=isinstance(delivery.trouble, Die))
        return Invocation("", json.dumps(response).encode())

    def _killed_if(self, *, dies: bool = False) -> None:
        if dies or self._world.time.now > self._ends:
            raise Died

    def _before_model(self) -> None:
        trouble = self._delivery.trouble if self._first_model_call else None
        self._first_model_call = False
        self._world.time.now += self._world.schedule.model_seconds
        match trouble:
            case OutOfMemory():
                raise MemoryError
            case SlowModel(seconds):
                self._world.time.now += seconds
        self._killed_if()

    def _round(self, futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
        """Make the calls of a round, as many as come about, and wait for them."""
        number, trouble = self._rounds, self._delivery.trouble
        self._rounds += 1
        dies = isinstance(trouble, Die) and trouble.round == number
        calls = [future for future in futures if isinstance(future, _Held)]
        if self._world.schedule.backwards:
            calls.reverse()
        for place, held in enumerate(calls):
            if isinstance(trouble, Again) and (trouble.round, trouble.place) == (number, place):
                self._world.deliver_again(trouble)
            if not (isinstance(trouble, Die) and dies and place not in trouble.landed):
                self._make(held)
        self._killed_if(dies=dies)
        late: set[Future[Any]] = {held for held in calls if held.took > seconds}
        self._world.time.now += seconds if late else max(held.took for held in calls)
        self._killed_if()
        return late

    def _make(self, held: _Held) -> None:
        world, kinesis, s3 = self._world, self._world.run.kinesis, self._world.run.s3
        requests, letters = len(kinesis.requests), len(s3.requests)
        world.before_call()
        world.time.took = 0.0
        held.set_result(held.call())
        held.took = world.time.took
        self._delivery.requests += kinesis.requests[requests:]
        self._delivery.letters += s3.requests[letters:]


class World:
    """Plays one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.time = _Time(ARRIVAL)
        source = ShardSource(STREAM_ARN, SHARD)
        self._records = [
            source.record(
                {
                    "SequenceNumber": sequence_number(position),
                    "PartitionKey": key,
                    "Data": INGREDIENTS[name].data,
                    "ApproximateArrivalTimestamp": datetime.fromtimestamp(ARRIVAL, UTC),
                }
            )
            for position, (key, name) in enumerate(schedule.records)
        ]
        self._troubles = iter(schedule.troubles)
        self._pages = list(schedule.pages)
        self._read = self._checkpoint = self._calls = 0
        self._queue = ShardQueue(schedule.mapping, Pace())
        self.run = Run(
            schedule,
            _decoded(self._records),
            FakeKinesis(self.time, schedule.kinesis),
            FakeS3(self.time, schedule.s3),
            FakeS3(self.time, schedule.destination, buckets=("failures",)),
        )
        self._on_failure = S3Destination(self.run.destination.client, "failures")
        self._environment = _Environment(self)

    def play(self) -> Run:
        """Deliver everything until the shard is settled."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stream_consumer.sinks.MAX_ENTRIES", self.schedule.request_entries)
            while self._checkpoint < len(self._records):
                assert len(self.run.deliveries) < MOST_DELIVERIES, "the shard does not advance"
                self._step()
            self._land()
        return self.run

    def before_call(self) -> None:
        if self._calls in self.schedule.landings:
            self._land()
        self._calls += 1

    def deliver_again(self, again: Again) -> None:
        """Deliver from the checkpoint, in another environment and beside the delivery at hand, which does not wait."""
        now, took = self.time.now, self.time.took
        self._invoke(_Environment(self), self._records[self._checkpoint : self._checkpoint + again.size], ignored=True)
        self.time.now, self.time.took = now, took

    def _step(self) -> None:
        if self._read < len(self._records) and not self._queue.full:
            end = self._read + (self._pages.pop(0) if self._pages else len(self._records))
            self._queue.add(self._records[self._read : end], self.time.now)
            self._read = min(end, len(self._records))
        for lane, work in self._queue.take(self.time.now):
            if isinstance(work, Discarded):
                if self._discard(work):
                    self._queue.delivered(lane, work)
                else:
                    self._queue.postpone(lane, self.time.now)
                continue
            invocation = self._deliver(work)
            if invocation is None:
                self._restart()
                return
            self._queue.invoked(lane, work, invocation, self.time.now)
        moved = self._queue.checkpoint()
        self._checkpoint += moved[0] if moved else 0
        self.time.now += self._queue.wait(self.time.now) or 0.0

    def _deliver(self, batch: Batch) -> Invocation | None:
        """Invoke the function with *batch*; None if the mapping does not hear of the outcome."""
        trouble = next(self._troubles, None)
        if trouble is not None:
            self.run.troubles[type(trouble).__name__] += 1
        if isinstance(trouble, Throttled):
            return Invocation("", throttled=True)
        delivery = self._invoke(self._environment, batch.records, trouble)
        if delivery.died:
            self._environment = _Environment(self)
        return None if isinstance(trouble, Restart) else delivery.invocation

    def _invoke(
        self,
        environment: _Environment,
        records: Sequence[StreamRecord],
        trouble: "Trouble | None" = None,
        *,
        ignored: bool = False,
    ) -> Delivery:
        event = json.loads(render_event(records))
        delivery = Delivery(records_from_lambda(event), trouble, ignored=ignored, began=self.time.now)
        self.run.deliveries.append(delivery)
        try:
            delivery.invocation = environment.invoke(event, delivery)
        except Died:
            delivery.died = True
            delivery.invocation = Invocation("", error=FunctionError("Runtime.ExitError", "signal: killed"))
        delivery.ended = self.time.now
        return delivery

    def _discard(self, discarded: Discarded) -> bool:
        origin = Origin("mapping", FUNCTION_ARN, STREAM_ARN, SHARD, self.time.now)
        try:
            self._on_failure.deliver(discarded, origin)
        except DestinationUnavailable:
            return False
        return True

    def _restart(self) -> None:
        pending = {record.sequence_number for lane in self._queue.lanes for record in _pending(lane)}
        self.run.forgotten += sum(
            record.sequence_number not in pending for record in _decoded(self._records[self._checkpoint : self._read])
        )
        self._queue, self._read = ShardQueue(self.schedule.mapping, Pace()), self._checkpoint

    def _land(self) -> None:
        for service in (self.run.kinesis, self.run.s3, self.run.destination):
            service.land()


def _pending(lane: Any) -> Iterator[StreamRecord]:
    for work in lane.work:
        yield from work.batch.records if isinstance(work, Discarded) else work.records
    yield from (record for record, _ in lane.waiting)


def _decoded(records: Sequence[StreamRecord]) -> list[Record]:
    return records_from_lambda(json.loads(render_event(records)))
