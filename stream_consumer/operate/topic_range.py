"""
A range of a topic, by offsets or by times, as records for a replay.

The rule: the range is fixed before the first read, so reading stops even on a busy topic. Producers set the timestamps,
so the records of a range of time can be anywhere in a partition. The search for them stops at the first record that is
an hour later than the range.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stream_consumer.contract.record import Record
from stream_consumer.errors import StreamUnreadable
from stream_consumer.kafka.topic_reader import BEGINNING, TopicReader
from stream_consumer.operate.topic_pages import pages_between

_DISORDER_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class TopicRange:
    """A part of a topic: all of it or, by times and offsets, less."""

    since: float | None = None
    """Timestamp, Unix seconds, inclusive."""
    until: float | None = None
    """Timestamp, exclusive. By default the range goes to the end that the topic has when reading begins."""
    partition: int | None = None
    """Only this partition. By default all."""
    first: int | None = None
    """Offset, inclusive."""
    last: int | None = None
    """Offset, inclusive."""

    def holds(self, record: Record) -> bool:
        """Whether the timestamp of *record* is in the range. A record without a timestamp is in no range of time."""
        if self.since is None and self.until is None:
            return True
        at = record.arrival
        return at is not None and (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def is_past(self, record: Record) -> bool:
        """Whether *record* is so much later than the range that the search stops."""
        if self.until is None or record.arrival is None:
            return False
        return record.arrival >= self.until + _DISORDER_SECONDS


def topic_batches(
    reader: TopicReader, wanted: TopicRange, clock: Callable[[], float] = time.monotonic
) -> Iterator[list[Record]]:
    """
    Yield the records of the range, one list per read, in order within each partition.

    Raises:
        ReadFailed: A read failed for a minute.
        StreamUnreadable: The partition or offset does not exist, or access to the topic is refused.
    """
    partitions = reader.partitions()
    if wanted.partition is not None:
        if wanted.partition not in partitions:
            raise StreamUnreadable(f"{reader.location} has no partition {wanted.partition}; it has {len(partitions)}")
        partitions = [wanted.partition]
    tips = reader.tips(partitions)
    begin = _begin(reader, wanted, tips)
    end = tips if wanted.last is None else {at: min(tip, wanted.last + 1) for at, tip in tips.items()}
    for page in pages_between(reader, begin, end, is_past=wanted.is_past, clock=clock):
        inside = [record for record in page if wanted.holds(record)]
        if inside:
            yield inside


def _begin(reader: TopicReader, wanted: TopicRange, tips: Mapping[int, int]) -> dict[int, int]:
    if wanted.first is not None:
        for partition, tip in tips.items():
            if wanted.first >= tip:
                where = f"{reader.topic}-{partition} of {reader.location}"
                raise StreamUnreadable(f"{where} has no record {wanted.first} yet; it ends at {tip}")
        return dict.fromkeys(tips, wanted.first)
    if wanted.since is None:
        return dict.fromkeys(tips, BEGINNING)
    offsets = reader.at_time(tips, wanted.since)
    return {partition: tip if (at := offsets[partition]) is None else at for partition, tip in tips.items()}
