"""
Replay: consume a range of a stream again, for a backfill or to compare another model.

The rule: the records have the event ids under which Lambda delivered them, so a reader that keeps the first of each
event id recognises repetitions. Memory holds one page of one shard at a time. The records of a shard come in order, and
child shards come after their parents.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.consumer import Consumer
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import Reason, Record
from stream_consumer.errors import ReadFailed, StreamConsumerError, StreamUnreadable
from stream_consumer.kinesis.shard_reader import ShardReader, Start, list_shards, stream_arn
from stream_consumer.sinks import Written

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import RecordTypeDef


# Time for which a read or a write may fail before the replay fails.
_READING_SECONDS = 60.0


class ReplayStopped(StreamConsumerError):
    """A record could not be settled. Earlier records stay published."""


@dataclass(frozen=True, slots=True)
class StreamRange:
    """A part of a stream: from *start* on, up to a time or a record."""

    start: Start
    until: float
    """Arrival, Unix seconds, exclusive. With a time in the past, reading stops even on a busy stream."""
    shard_id: str | None = None
    """Only this shard. By default all shards, including closed shards."""
    last: str | None = None
    """Sequence number, inclusive."""

    def holds(self, record: "RecordTypeDef") -> bool:
        """Whether *record* is before the end. It must not be before the start."""
        return record["ApproximateArrivalTimestamp"].timestamp() < self.until and (
            self.last is None or int(record["SequenceNumber"]) <= int(self.last)
        )


def batches(
    kinesis: "KinesisClient", stream: str, wanted: StreamRange, retry: RetryPolicy | None = None
) -> Iterator[list[Record]]:
    """
    Yield the records of *wanted*, a page of one shard at a time, KPL aggregates unfolded.

    Raises:
        ReadFailed: A read failed for a minute.
        StreamUnreadable: The stream or shard does not exist, access is denied, or the shard does not have the start.
    """
    retry = retry or RetryPolicy()
    arn = retry.persist(lambda: stream_arn(kinesis, stream), _is_read_failed, _READING_SECONDS)
    waiting = _shards(kinesis, arn, wanted.shard_id, retry)
    active: dict[str, ShardReader] = {}
    while waiting or active:
        ready = [shard_id for shard_id, parents in waiting.items() if not parents & (waiting.keys() | active.keys())]
        for shard_id in ready:
            del waiting[shard_id]
            active[shard_id] = ShardReader(kinesis, arn, shard_id, wanted.start)
        # Shards take turns, since Kinesis limits the reads of each.
        for shard_id, reader in list(active.items()):
            page = retry.persist(reader.read, _is_read_failed, _READING_SECONDS)
            inside = [record for record in page.records if wanted.holds(record)]
            if inside:
                yield _records(arn, shard_id, inside)
            # Arrival times are approximate: the last record of a page decides, not the first that is too late.
            if page.at_tip or (page.records and not wanted.holds(page.records[-1])):
                del active[shard_id]


def _is_read_failed(error: Exception) -> bool:
    return isinstance(error, ReadFailed)


def _shards(kinesis: "KinesisClient", arn: str, only: str | None, retry: RetryPolicy) -> dict[str, set[str]]:
    """Return the shards to read, each with its parents, which must be read first."""
    shards = retry.persist(lambda: list_shards(kinesis, arn), _is_read_failed, _READING_SECONDS)
    parents = {
        shard["ShardId"]: {shard.get("ParentShardId", ""), shard.get("AdjacentParentShardId", "")} for shard in shards
    }
    if only is None:
        return parents
    if only not in parents:
        raise StreamUnreadable(f"{arn} has no shard {only!r}; it has {', '.join(sorted(parents))}")
    return {only: set()}


def _records(arn: str, shard_id: str, read: "Iterable[RecordTypeDef]") -> list[Record]:
    """Return records of GetRecords as the consumer gets them from Lambda."""
    return records_from_lambda(
        {
            "Records": [
                {
                    "eventID": f"{shard_id}:{record['SequenceNumber']}",
                    "eventSourceARN": arn,
                    "kinesis": {
                        "data": record["Data"],
                        "sequenceNumber": record["SequenceNumber"],
                        "partitionKey": record["PartitionKey"],
                        "approximateArrivalTimestamp": round(record["ApproximateArrivalTimestamp"].timestamp(), 3),
                    },
                }
                for record in read
            ]
        }
    )


class LinesSink:
    """A sink that writes one line per item to a file."""

    def __init__(self, file: IO[bytes], encode: Callable[[Sequence[Any]], bytes]) -> None:
        self._file = file
        self._encode = encode

    def write(self, items: Sequence[Any], deadline: float) -> Written:
        """Write all *items*, and ignore *deadline*."""
        del deadline
        self._file.write(self._encode(items))
        return Written()


class NoSink:
    """A sink that writes nothing. The dead letters of a replay are in the bucket since the first delivery."""

    def write(self, items: Sequence[Any], deadline: float) -> Written:
        del items, deadline
        return Written()


@dataclass(slots=True)
class Tally:
    """The counts of a replay so far."""

    records: int = 0
    published: int = 0
    dead_letters: Counter[Reason] = field(default_factory=Counter)


def replay(
    delivered: Iterable[Sequence[Record]],
    consumer: Consumer,
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int], object] = lambda _: None,
) -> Tally:
    """
    Settle the batches of a range with *consumer*, in order. *progress* gets each batch's size.

    Raises:
        ReplayStopped: A record could not be settled within a minute.
    """
    tally = Tally()
    for records in delivered:
        result = consumer.process(records, clock() + _READING_SECONDS)
        tally.published += result.published
        if result.unsettled:
            raise ReplayStopped(
                f"the replay stopped at {result.first_unsettled[0].event_id} after {tally.published:,} predictions: "
                f"{result.cause}; run it again: predictions that are published twice have the same event_id"
            )
        tally.records += len(records)
        tally.dead_letters += result.dead_letters_by_reason()
        progress(len(records))
    return tally
