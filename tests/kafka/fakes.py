"""
A topic that keeps state and can be told to fail, behind the producer of librdkafka as far as the sink calls it.

The rule: the fake behaves as librdkafka does. What was produced is sent, a request for each partition, while somebody
waits in ``flush`` or ``poll``. What fails on the way is sent again, in order and without writing anything twice, until
the waiting ends; only then does the sink hear of it. What the broker refuses it refuses with the whole request.

How to use it::

    time = FakeTime()
    topic = FakeTopic(time, [LOST, None, refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED)])  # what each request meets
    sink = PredictionTopic(CONNECTION, "ride_predictions", connect=topic.connect, clock=time.clock)
    sink.write([Entry("256", b"{}")], deadline=time.clock() + 10)
    assert topic.records == [Entry("256", b"{}")]
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.producer import Delivered
from stream_consumer.kafka.topic_writer import EVENT_ID_HEADER
from stream_consumer.sinks import Entry, TopicEntry
from tests.fakes import Effect, FakeTime

CONNECTION = Connection("localhost:9092", Authentication.PLAINTEXT)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    name: str
    code: int | None = None
    """With what the broker refuses it, for good. Without one librdkafka sends it again."""
    effect: Effect = Effect.NOTHING
    """What it has nevertheless done."""
    took: float = 0.0
    """Seconds until the client hears of it, or gives up waiting."""
    fatal: bool = False
    """Whether the producer is of no more use."""


def refusing(code: int, *, fatal: bool = False) -> Fault:
    return Fault(f"refusing({code})", code, fatal=fatal)


NOT_LEADER = Fault("NOT_LEADER", took=0.1)
LOST = Fault("LOST", effect=Effect.DONE, took=10.0)
"""The broker wrote it, and its answer is lost."""
UNSENT = Fault("UNSENT", took=1.0)
SLOW = Fault("SLOW", took=0.5)
HANG = Fault("HANG", took=3_600.0)
HANG_AFTER = Fault("HANG_AFTER", effect=Effect.DONE, took=3_600.0)
HANG_THEN_LATER = Fault("HANG_THEN_LATER", effect=Effect.LATER, took=3_600.0)
DENIED = refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED)
FATAL = refusing(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True)
FAULTS = (NOT_LEADER, LOST, UNSENT, SLOW, HANG, HANG_AFTER, HANG_THEN_LATER, DENIED, FATAL)


@dataclass(slots=True)
class _Message:
    entry: Entry
    delivered: Delivered
    written: bool = False


@dataclass(slots=True)
class FakeTopic:
    """A topic, and the cluster that has it."""

    time: FakeTime
    faults: Iterable[Fault | None] = ()
    partitions: int = 2
    forbidden: Sequence[bytes] = ()
    """The broker refuses requests that hold such bytes."""
    largest: int = 1_000_000
    queue: int = 100_000
    """How many messages the producer takes before some of them are written."""
    name: str = "ride_predictions"
    before_request: Callable[[], None] = lambda: None
    """Called before each request; it may end the process."""
    log: list[tuple[int, Entry]] = field(default_factory=list)
    """Partition and entry, in the order in which they were written."""
    faults_met: list[Fault] = field(default_factory=list)
    producers: int = 0
    """How many were made."""
    _landing: list[_Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = iter(self.faults)

    @property
    def records(self) -> list[Entry]:
        return [entry for _, entry in self.log]

    def connect(self, _connection: Connection, _on_error: Callable[[KafkaError], None]) -> "FakeProducer":
        self.producers += 1
        return FakeProducer(self)

    def land(self) -> None:
        """Write what was still on its way when its producer had given up on it."""
        landing, self._landing = self._landing, []
        for message in landing:
            self.take(message)

    def next_fault(self) -> Fault | None:
        fault = next(iter(self.faults), None)
        if fault:
            self.faults_met.append(fault)
        return fault

    def partition(self, entry: Entry) -> int:
        return zlib.crc32(entry.partition_key.encode()) % self.partitions

    def take(self, message: _Message) -> None:
        """Write *message*, unless it is written: a broker knows what an idempotent producer sends again."""
        if not message.written:
            message.written = True
            self.log.append((self.partition(message.entry), message.entry))

    def take_later(self, message: _Message) -> None:
        self._landing.append(message)


class FakeProducer:
    """One producer, with what it has not written yet."""

    def __init__(self, topic: FakeTopic) -> None:
        self._topic = topic
        self._waiting: deque[_Message] = deque()
        self._reports: deque[Callable[[], None]] = deque()
        self._fatal = False

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
        on_delivery: Delivered,
    ) -> None:
        assert topic == self._topic.name
        if self._fatal:
            raise KafkaException(KafkaError(KafkaError._FATAL, fatal=True))  # noqa: SLF001 (its name)
        if len(key or b"") + len(value or b"") > self._topic.largest:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if len(self._waiting) >= self._topic.queue:
            raise BufferError
        self._waiting.append(_Message(_entry(key, value, headers), on_delivery))

    def flush(self, timeout: float) -> int:
        ends = self._topic.time.now + timeout
        while self._waiting and self._topic.time.now < ends:
            self._request(ends)
        self._serve()
        if self._fatal:
            # Reports that come with a fatal error are lost.
            raise KafkaException(KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True))
        return len(self._waiting)

    def poll(self, timeout: float) -> int:
        return self.flush(timeout)

    def purge(self) -> None:
        for message in self._waiting:
            self._report(message, KafkaError._PURGE_INFLIGHT)  # noqa: SLF001 (its name)
        self._waiting.clear()

    def list_topics(self, topic: str, timeout: float) -> Any:
        raise NotImplementedError

    def _request(self, ends: float) -> None:
        """Send the messages of the first one's partition, as one request."""
        topic = self._topic
        topic.before_request()
        partition = topic.partition(self._waiting[0].entry)
        sent = [message for message in self._waiting if topic.partition(message.entry) == partition]
        fault = topic.next_fault()
        if fault:
            self._fail(fault, sent, ends)
            return
        self._answer(sent, KafkaError.INVALID_RECORD if self._are_invalid(sent) else None)

    def _are_invalid(self, sent: Sequence[_Message]) -> bool:
        return any(data in message.entry.data for message in sent for data in self._topic.forbidden)

    def _fail(self, fault: Fault, sent: Sequence[_Message], ends: float) -> None:
        topic = self._topic
        topic.time.now = min(topic.time.now + fault.took, ends)
        if fault.code is not None:
            self._fatal = self._fatal or fault.fatal
            self._answer(sent, fault.code)
            return
        if fault.effect is not Effect.NOTHING and not self._are_invalid(sent):
            for message in sent:
                (topic.take_later if fault.effect is Effect.LATER else topic.take)(message)

    def _answer(self, sent: Sequence[_Message], code: int | None) -> None:
        for message in sent:
            if code is None:
                self._topic.take(message)
            self._waiting.remove(message)
            self._report(message, code)

    def _report(self, message: _Message, code: int | None) -> None:
        if self._fatal and code is not None:
            return
        error = None if code is None else KafkaError(code)
        self._reports.append(lambda: message.delivered(error, None))

    def _serve(self) -> None:
        while self._reports:
            self._reports.popleft()()


def _entry(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> Entry:
    """Return what was produced: a topic's entry where it has more than a prediction."""
    event_id = dict(headers).get(EVENT_ID_HEADER)
    others = tuple(header for header in headers if header[0] != EVENT_ID_HEADER)
    text = "" if key is None else key.decode(errors="replace")
    data, said = value or b"", event_id.decode() if event_id is not None else None
    if key is None or value is None or others or text.encode() != key:
        return TopicEntry(text, data, said, key=key, headers=others, is_tombstone=value is None)
    return Entry(text, data, said)
