"""
A Kafka mapping, its execution environments and the services they call, in simulated time: a schedule in, a run out.

The rule: no threads, no real time, no chance. The handler and its sinks are the real ones; what is imitated is what
they ask: the topic, S3, time, and the process that may die under them. The mapping delivers again what a response
names, and nothing else of the batch; after an error, and from an environment that died, the whole batch.

Source: AWS Lambda developer guide, "Configuring error handling controls for Kafka event sources".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from stream_consumer.consumer import Consumer
from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.kafka_event import records_from_kafka
from stream_consumer.contract.record import Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.errors import BatchFailed
from stream_consumer.inference import Decider
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.lambda_function import Handler
from stream_consumer.settings import Settings
from tests.fakes import HANGS, HOPELESS_FAULTS, TRANSIENT_FAULTS, FakeS3, FakeTime
from tests.fakes import Fault as S3Fault
from tests.faults.environment import Silence
from tests.faults.ingredients import AGGREGATES, BAD, GOOD, INGREDIENTS, REFUSED_ID, minutes_or_refusal
from tests.kafka.fakes import CONNECTION, FAULTS, FakeTopic, Fault
from tests.rides import FakeContext, FakeModel, kafka_event

TIMEOUT_SECONDS = 10.0
"""Of the function."""
MOST_DELIVERIES = 500

TOMBSTONE = "tombstone"


class Died(BaseException):
    """The environment ended; nothing in the handler can catch this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The defaults are a run without any fault, in one batch."""

    records: tuple[tuple[int, str], ...]
    """Partition of the input and name of the ingredient of each."""
    batch_size: int = 1_000
    partial: bool = True
    """Whether the mapping has partial responses."""
    partitions: int = 2
    """Of the output."""
    queue: int = 100_000
    """How many messages the producer takes before some of them are written."""
    topic: tuple[Fault | None, ...] = ()
    """What the requests of the producers meet, in turn."""
    s3: tuple[S3Fault | None, ...] = ()
    deaths: frozenset[int] = frozenset()
    """Before which of all requests of the producers the environment is killed."""
    forgotten: frozenset[int] = frozenset()
    """Which deliveries come again though they were settled: the group was rebalanced before the offsets were kept."""


@dataclass(slots=True)
class Delivery:
    """One invocation: what it was given, and how it ended."""

    records: Sequence[Record]
    response: dict[str, Any] | None = None
    """None if it raised or its environment died."""
    died: bool = False
    began: float = 0.0
    ended: float = 0.0

    @property
    def unsettled(self) -> set[str | None]:
        """The event ids that the mapping delivers again."""
        if self.response is None:
            return {record.event_id for record in self.records}
        named = [failure["itemIdentifier"] for failure in self.response["batchItemFailures"]]
        return {f"{one['partition']}:{one['offset']}" for one in named}


@dataclass(slots=True)
class Run:
    """What came of a schedule."""

    schedule: Schedule
    records: list[Record]
    """Everything that was produced."""
    topic: FakeTopic
    s3: FakeS3
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def letters(self) -> dict[str | None, DeadLetter]:
        return {letter.event_id: letter for letter in self.s3.letters}


class World:
    """Plays one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.time = FakeTime()
        self._requests = 0
        topic = FakeTopic(self.time, schedule.topic, schedule.partitions, [REFUSED_ID.encode()])
        topic.queue, topic.before_request = schedule.queue, self._before_request
        values: dict[int, list[bytes | None]] = {}
        for partition, name in schedule.records:
            values.setdefault(partition, []).append(None if name == TOMBSTONE else INGREDIENTS[name].data)
        self._items: dict[str, list[dict[str, Any]]] = kafka_event(values)["records"]
        self._by_id = {f"{name}:{item['offset']}": item for name, items in self._items.items() for item in items}
        self.run = Run(schedule, self._records(self._items), topic, FakeS3(self.time, schedule.s3))
        self._handler = self._environment()

    def play(self) -> Run:
        """Deliver everything until the topic is settled."""
        waiting = [record.event_id for record in self.run.records]
        while waiting:
            assert len(self.run.deliveries) < MOST_DELIVERIES, "the partitions do not advance"
            batch, waiting = waiting[: self.schedule.batch_size], waiting[self.schedule.batch_size :]
            again = self._deliver(batch)
            waiting = [event_id for event_id in batch if event_id in again] + waiting
        self.run.topic.land()
        return self.run

    def _deliver(self, batch: Sequence[str | None]) -> set[str | None]:
        """Invoke the function with the records called so; those that must come again."""
        items: dict[str, list[dict[str, Any]]] = {}
        for event_id in batch:
            items.setdefault((event_id or "").partition(":")[0], []).append(self._by_id[event_id or ""])
        number = len(self.run.deliveries)
        delivery = Delivery(self._records(items), began=self.time.now)
        self.run.deliveries.append(delivery)
        try:
            context = FakeContext(remaining_ms=int(TIMEOUT_SECONDS * 1000))
            delivery.response = self._handler({"records": items}, context)
        except BatchFailed:
            pass
        except Died:
            delivery.died = True
            self._handler = self._environment()
        delivery.ended = self.time.now
        return set(batch) if number in self.schedule.forgotten else delivery.unsettled

    def _environment(self) -> Handler:
        time, partial = self.time, str(self.schedule.partial)
        consumer = Consumer(
            Decider(FakeModel(minutes_or_refusal), time.clock),
            predictions=PredictionTopic(
                CONNECTION, "ride_predictions", connect=self.run.topic.connect, clock=time.clock
            ),
            dead_letters=DeadLetters(self.run.s3.client, "dead-letters-bucket", "dead-letters", retry=time.retry()),
            clock=time.clock,
        )
        settings = Settings.of({"MODEL_LOCATION": "nowhere", "KAFKA_PARTIAL_RESPONSE": partial})
        return Handler(consumer, settings, Silence(), monotonic=time.clock, now=time.clock)

    def _before_request(self) -> None:
        number, self._requests = self._requests, self._requests + 1
        if number in self.schedule.deaths:
            raise Died

    @staticmethod
    def _records(items: dict[str, list[dict[str, Any]]]) -> list[Record]:
        return records_from_kafka({"records": items})


_records = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from((*GOOD, *GOOD, *GOOD, *BAD, TOMBSTONE, next(iter(AGGREGATES))))),
    min_size=1,
    max_size=30,
).map(tuple)


def _script(*faults: Any, most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from((None, None, *faults)), max_size=most).map(tuple)


def schedules() -> st.SearchStrategy[Schedule]:
    """Any schedule of finite faults."""
    return st.builds(
        Schedule,
        records=_records,
        batch_size=st.sampled_from((1, 2, 5, 13, 40)),
        partial=st.booleans(),
        partitions=st.integers(1, 3),
        queue=st.sampled_from((2, 5, 100_000)),
        topic=_script(*FAULTS, most=16),
        s3=_script(*TRANSIENT_FAULTS, *HANGS, *HOPELESS_FAULTS, most=6),
        deaths=st.frozensets(st.integers(0, 30), max_size=3),
        forgotten=st.frozensets(st.integers(0, 10), max_size=2),
    )
