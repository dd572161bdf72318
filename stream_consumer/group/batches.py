"""
Messages → a batch: records grouped by partition, with ascending offsets in each.

The rule: messages are dropped if the member does not own their partition, or if their partition goes back to an earlier
record. They are delivered again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_consumer.contract.kafka_event import topic_url
from stream_consumer.contract.record import Record
from stream_consumer.group.partitions import Partition, PartitionKey, Partitions
from stream_consumer.kafka.messages import Message, record_of


class Range(NamedTuple):
    """The first and last offset of a partition in a batch, both inclusive."""

    partition: Partition
    first: int
    last: int


@dataclass(slots=True)
class Batch:
    """Records that are scored together."""

    records: list[Record] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)


def key_of(message: Message) -> PartitionKey:
    return PartitionKey(message.topic() or "", message.partition() or 0)


class _Taken(NamedTuple):
    """The part of a batch from one partition."""

    partition: Partition
    location: str
    records: list[Record]
    offsets: list[int]


def make_batch(messages: Iterable[Message], partitions: Partitions, brokers: str) -> Batch:
    """Return the batch of *messages*, which must not be errors."""
    known: dict[tuple[str | None, int | None], _Taken | None] = {}
    for message in messages:
        where = message.topic(), message.partition()
        if where not in known:
            known[where] = _taken(partitions.get(key_of(message)), brokers)
        taken = known[where]
        if taken is None:
            continue
        offset = message.offset() or 0
        # A partition that was given away and came back starts anew. Its older messages are obsolete.
        if taken.offsets and offset <= taken.offsets[-1]:
            taken.offsets.clear()
            taken.records.clear()
        taken.offsets.append(offset)
        taken.records.append(record_of(message, taken.location))
    batch = Batch()
    for taken in filter(None, known.values()):
        batch.ranges.append(Range(taken.partition, taken.offsets[0], taken.offsets[-1]))
        batch.records += taken.records
    return batch


def _taken(partition: Partition | None, brokers: str) -> _Taken | None:
    if partition is None or partition.back_to is not None:
        return None
    return _Taken(partition, topic_url(brokers, partition.key.topic), [], [])
