"""
The records of a topic, page by page, forever or up to an end.

The rule: the end is fixed before the first read, so reading stops even if producers write faster than it reads.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from stream_consumer.contract.record import KafkaOrigin, Record
from stream_consumer.errors import ReadFailed, UsageError
from stream_consumer.kafka.topic_reader import BEGINNING, TopicReader
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.kinesis.stream_pages import Positions

_SILENCE_SECONDS = 60.0
_READ_SECONDS = 0.1
_DISCOVERY_SECONDS = 30.0
_NOTHING = -1
"""The position of a partition of which nothing was read, since offsets begin at 0."""
_LOGGER = logging.getLogger(__name__)


def origin(record: Record) -> KafkaOrigin:
    """Return topic, partition and offset of a *record* of a topic."""
    if record.kafka is None:
        raise ValueError(f"{record.event_id} did not come from Kafka")
    return record.kafka


def partition_name(topic: str, partition: int) -> str:
    """Return Lambda's name of *partition*, which is part of an event id."""
    return f"{topic}-{partition}"


def pages_between(
    reader: TopicReader,
    begin: Mapping[int, int],
    end: Mapping[int, int],
    *,
    is_past: Callable[[Record], bool] = lambda _: False,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Record]]:
    """
    Yield the records of each partition from its offset in *begin* to its offset in *end*, exclusive.

    Reading of a partition stops early at a record for which *is_past* is true.

    Raises:
        ReadFailed: No record came for a minute.
        StreamUnreadable: As :meth:`TopicReader.read`.
    """
    left = {partition for partition in begin if begin[partition] < end[partition]}
    reader.assign({partition: begin[partition] for partition in left})
    heard = clock()
    while left:
        page = reader.read(_READ_SECONDS)
        inside, ended = _inside(page.records, end, is_past)
        ended = (ended | page.tips) & left
        if ended:
            reader.drop(ended)
            left -= ended
        if inside:
            yield inside
        if page.records or page.tips:
            heard = clock()
        elif clock() - heard >= _SILENCE_SECONDS:
            raise ReadFailed(f"no record came from partitions {sorted(left)} of {reader.location} for a minute")


def _inside(
    records: list[Record], end: Mapping[int, int], is_past: Callable[[Record], bool]
) -> tuple[list[Record], set[int]]:
    """Return the *records* before the end of their partitions, and the partitions whose end was reached."""
    inside, ended = list[Record](), set[int]()
    for record in records:
        partition, offset = origin(record).partition, origin(record).offset
        if offset >= end[partition] or is_past(record):
            ended.add(partition)
        if partition not in ended:
            inside.append(record)
        if offset == end[partition] - 1:
            ended.add(partition)
    return inside, ended


@dataclass(slots=True)
class TopicPages:
    """
    Iterate over the pages of a topic. A page is empty if a read found nothing, so that the caller gets a turn.

    If *start* is a time, records with earlier timestamps are left out, also behind the first record of that time.
    """

    reader: TopicReader
    positions: Positions
    """
    The last offset that was read, by the name of a partition, -1 before the first record. The caller updates it.

    A partition gets a position before it is read, so that the next run begins at the same offset.
    """
    start: Start
    """The start in partitions without a position."""
    follow: bool
    """True reads on forever, also in new partitions. False stops at the end that the topic has at first."""
    clock: Callable[[], float] = time.monotonic
    poll_seconds: float = _READ_SECONDS
    _fresh: set[int] = field(default_factory=set, init=False)
    """The partitions without a position."""

    def __iter__(self) -> Iterator[list[Record]]:
        known = self.positions.stream_arn
        if known not in {None, self.reader.location}:
            raise UsageError(f"the checkpoint is of {known}, not of {self.reader.location}; name another file")
        self.positions.stream_arn = self.reader.location
        partitions = self.reader.partitions()
        tips = self.reader.tips(partitions)
        begin = self._begin(tips)
        pages = self._followed(begin) if self.follow else pages_between(self.reader, begin, tips, clock=self.clock)
        for page in pages:
            yield [record for record in page if not self._is_before_start(record)]

    def _begin(self, tips: Mapping[int, int]) -> dict[int, int]:
        kept = {partition: self._kept(partition, tip) for partition, tip in tips.items()}
        self._fresh = {partition for partition, offset in kept.items() if offset is None}
        first: Mapping[int, int | None] = dict.fromkeys(tips, BEGINNING)
        if self.start.timestamp is not None:
            first = self.reader.at_time(self._fresh, self.start.timestamp)
        elif self.start.position == "LATEST":
            first = tips
        begin = {}
        for partition, offset in kept.items():
            chosen = first.get(partition) if offset is None else offset
            begin[partition] = tips[partition] if chosen is None else chosen
        self._note({partition: begin[partition] for partition in self._fresh})
        return begin

    def _note(self, begin: Mapping[int, int]) -> None:
        """Give each partition of *begin* the position before its first offset."""
        for partition, offset in begin.items():
            self.positions.shards[partition_name(self.reader.topic, partition)] = str(max(offset - 1, _NOTHING))

    def _kept(self, partition: int, tip: int) -> int | None:
        name = partition_name(self.reader.topic, partition)
        offset = self.positions.shards.get(name)
        if offset is None:
            return None
        if offset == str(_NOTHING):
            return BEGINNING
        if not offset.isdecimal():
            raise UsageError(f"the checkpoint has the offset {offset!r}, which is not a number; name another file")
        if int(offset) >= tip:
            raise UsageError(
                f"the checkpoint has the offset {offset} of {name}, which ends at {tip}: the topic was deleted and "
                "made again; name another file"
            )
        return int(offset) + 1

    def _is_before_start(self, record: Record) -> bool:
        since = self.start.timestamp
        fresh = since is not None and origin(record).partition in self._fresh
        return fresh and record.arrival is not None and since is not None and record.arrival < since

    def _followed(self, begin: Mapping[int, int]) -> Iterator[list[Record]]:
        self.reader.assign(begin)
        known, look = set(begin), self.clock() + _DISCOVERY_SECONDS
        while True:
            yield self.reader.read(self.poll_seconds).records
            if self.clock() >= look:
                known |= self._discover(known)
                look = self.clock() + _DISCOVERY_SECONDS

    def _discover(self, known: set[int]) -> set[int]:
        """Return the partitions that were added to the topic since the last time."""
        try:
            new = set(self.reader.partitions()) - known
        except ReadFailed as error:
            _LOGGER.warning("still following the topic after an error: %s", error)
            return set()
        if new:
            begin = dict.fromkeys(new, BEGINNING)
            self._note(begin)
            self.reader.add(begin)
        return new
