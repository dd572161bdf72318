"""
A topic's partitions behind librdkafka's consumer, as far as reading without a group calls it.

The rule: the fake behaves as librdkafka does. A partition whose records are all fetched says so once, and again when
more has come and was fetched, too.

How to use it::

    log = FakeLog()
    log.put(0, b"a", b"b", at=1_000.0)
    reader = TopicReader(CONNECTION, "rides", connect=log.connect)
    reader.assign({0: 1})
    assert [record.data for record in reader.read(0.1).records] == [b"b"]
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_CREATE_TIME,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_consumer.kafka.connection import Connection


@dataclass(frozen=True, slots=True)
class Stored:
    """One record of a partition."""

    value: bytes | None
    key: bytes | None
    milliseconds: int
    headers: list[tuple[str, str | bytes | None]]


@dataclass(slots=True)
class FakeLog:
    """A topic of two partitions."""

    name: str = "rides"
    partitions: dict[int, list[Stored]] = field(default_factory=lambda: {0: [], 1: []})
    forgotten: dict[int, int] = field(default_factory=dict)
    """The offset of the oldest record that is left, by partition."""
    silent: bool = False
    """No broker answers."""
    refusal: int | None = None
    """What the cluster says of the topic."""
    page: int = 500
    """Records of one read at most."""
    before_read: Callable[[], object] = lambda: None
    calls: list[str] = field(default_factory=list)

    def put(
        self,
        partition: int,
        *values: bytes | None,
        key: bytes | None = b"k",
        at: float = 1_700_000_000.0,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:
        """Write *values*, all with the timestamp *at*."""
        for value in values:
            self.partitions[partition].append(Stored(value, key, round(at * 1000), headers or []))

    def connect(self, _connection: Connection, _on_error: Callable[[KafkaError], None]) -> "FakeConsumer":
        return FakeConsumer(self)


class FakeConsumer:
    """A consumer of a :class:`FakeLog`."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log
        self._next: dict[int, int] = {}
        self._told: dict[int, int] = defaultdict(lambda: -1)
        """The offset at which a partition last said that it had no more."""

    def poll(self, timeout: float) -> None:
        del timeout

    def list_topics(self, topic: str, timeout: float) -> Any:
        del timeout
        self._answer("list_topics")
        error = None if self._log.refusal is None else KafkaError(self._log.refusal)
        about = SimpleNamespace(error=error, partitions=dict.fromkeys(self._log.partitions))
        return SimpleNamespace(brokers={}, topics={topic: about})

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._next.clear()
        self.incremental_assign(partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            ends = {OFFSET_BEGINNING: self._oldest(one.partition), OFFSET_END: len(self._log.partitions[one.partition])}
            self._next[one.partition] = ends.get(one.offset, one.offset)
            self._told.pop(one.partition, None)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            del self._next[one.partition]

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        del timeout
        self._log.before_read()
        if self._log.silent:
            return []
        found: list[Message] = []
        for partition in self._next:
            found += self._of(partition, min(num_messages, self._log.page))
        return found

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        del timeout
        self._answer("offsets_for_times")
        return [TopicPartition(one.topic, one.partition, self._at(one.partition, one.offset)) for one in partitions]

    def close(self) -> None:
        self._log.calls.append("close")

    def _answer(self, call: str) -> None:
        self._log.calls.append(call)
        if self._log.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001 (its name)

    def _oldest(self, partition: int) -> int:
        return self._log.forgotten.get(partition, 0)

    def _at(self, partition: int, milliseconds: int) -> int:
        stored = enumerate(self._log.partitions[partition])
        later = (offset for offset, one in stored if one.milliseconds >= milliseconds)
        return next((offset for offset in later if offset >= self._oldest(partition)), OFFSET_END)

    def _of(self, partition: int, most: int) -> list[Message]:
        stored, first = self._log.partitions[partition], self._next[partition]
        if self._log.refusal is not None:
            return [self._event(partition, first, self._log.refusal)]
        if first < self._oldest(partition) or first > len(stored):
            return [self._event(partition, first, KafkaError._AUTO_OFFSET_RESET)]  # noqa: SLF001 (its name)
        end = min(first + most, len(stored))
        found = [self._message(partition, offset) for offset in range(first, end)]
        self._next[partition] = end
        if end == len(stored) != self._told[partition]:
            self._told[partition] = end
            found.append(self._event(partition, end, KafkaError._PARTITION_EOF))  # noqa: SLF001 (its name)
        return found

    def _message(self, partition: int, offset: int) -> Message:
        stored = self._log.partitions[partition][offset]
        timestamp = (TIMESTAMP_CREATE_TIME, stored.milliseconds)
        return Message(
            self._log.name,
            partition,
            offset,
            stored.key,
            stored.value,
            headers=stored.headers or None,
            timestamp=timestamp,
        )

    def _event(self, partition: int, offset: int, code: int) -> Message:
        return Message(self._log.name, partition, offset, error=KafkaError(code, "of the fake"))
