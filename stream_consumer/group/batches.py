"""
Messages → a batch: records partition by partition, ascending within each.

The rule: a message of a partition that the member does not own, or that goes back to an earlier record, is dropped. It
comes again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from stream_consumer.contract.dead_letter import encodable
from stream_consumer.contract.kafka_event import kafka_record, topic_url
from stream_consumer.contract.record import Header, KafkaOrigin, Record
from stream_consumer.group.partitions import Partition, PartitionKey, Partitions

# Source: librdkafka, ``rd_kafka_timestamp_type_t``; the names are Lambda's.
_TIMESTAMP_TYPES = {1: "CREATE_TIME", 2: "LOG_APPEND_TIME"}


class Message(Protocol):
    """What is asked of librdkafka's message."""

    def error(self) -> Any: ...

    def topic(self) -> str | None: ...

    def partition(self) -> int | None: ...

    def offset(self) -> int | None: ...

    def key(self) -> Any: ...

    def value(self) -> Any: ...

    def headers(self) -> Any: ...

    def timestamp(self) -> tuple[int, int]: ...


class Range(NamedTuple):
    """The offsets that a batch has of a partition; both are among them."""

    partition: Partition
    first: int
    last: int


@dataclass(slots=True)
class Batch:
    """Records that are decided together."""

    records: list[Record] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)


def key_of(message: Message) -> PartitionKey:
    return PartitionKey(message.topic() or "", message.partition() or 0)


def make_batch(messages: Iterable[Message], partitions: Partitions, brokers: str) -> Batch:
    """Return the batch of *messages*, none of which is an error."""
    taken: dict[PartitionKey, list[Message]] = {}
    for message in messages:
        key = key_of(message)
        partition = partitions.get(key)
        if partition is None or partition.back_to is not None:
            continue
        own = taken.setdefault(key, [])
        # A partition that was given away and came back begins anew; what came before is from before that.
        if own and (message.offset() or 0) <= (own[-1].offset() or 0):
            own.clear()
        own.append(message)
    batch = Batch()
    for key, own in taken.items():
        partition = partitions.get(key)
        if partition is None:
            continue
        batch.ranges.append(Range(partition, own[0].offset() or 0, own[-1].offset() or 0))
        location = topic_url(brokers, key.topic)
        batch.records += [_record(message, key, location) for message in own]
    return batch


def _record(message: Message, key: PartitionKey, location: str) -> Record:
    timestamp_type, timestamp = message.timestamp()
    known = _TIMESTAMP_TYPES.get(timestamp_type)
    origin = KafkaOrigin(
        key.topic,
        key.number,
        message.offset() or 0,
        key=message.key(),
        timestamp=timestamp if known else None,
        timestamp_type=known,
        headers=[Header(encodable(name), value) for name, value in message.headers() or ()],
    )
    return kafka_record(message.value(), origin, location)
