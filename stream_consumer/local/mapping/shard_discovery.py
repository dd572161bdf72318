"""Find a stream's ARN, and its shards with their parents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_consumer.errors import ReadFailed
from stream_consumer.kinesis.shard_reader import list_shards, stream_arn
from stream_consumer.local.mapping.lanes import FailingSince

if TYPE_CHECKING:
    import threading

    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import ShardTypeDef

    from stream_consumer.local.mapping.clock import Clock
    from stream_consumer.local.mapping.config import Pace


@dataclass(frozen=True, slots=True)
class Shard:
    shard_id: str
    parents: frozenset[str]
    """One parent after a split, two after a merge. A parent may have left the stream already."""
    closed: bool


class Stream:
    def __init__(self, kinesis: "KinesisClient", name: str, pace: "Pace", clock: "Clock") -> None:
        self._kinesis = kinesis
        self._name = name
        self._pace = pace
        self._clock = clock

    def arn(self) -> str:
        """
        Return the stream's ARN.

        Raises:
            ReadFailed, StreamUnreadable: As ``shards``. A failure is not retried here, since no shard runs yet.
        """
        return stream_arn(self._kinesis, self._name)

    def shards(self, arn: str, stopping: "threading.Event") -> list[Shard]:
        """
        Return every shard. Throttling and faults of the service are retried, unless *stopping* is set.

        Raises:
            StreamUnreadable: The stream is gone or access is denied.
            LocalPlatformError: The faults lasted too long.
        """
        failing = FailingSince(self._pace.patience_seconds)
        while not stopping.is_set():
            try:
                return [_shard(listed) for listed in list_shards(self._kinesis, arn)]
            except ReadFailed as error:
                failing.failed("ListShards", error, self._clock.now())
                self._clock.wait(stopping, self._pace.backoff(failing.failures))
        return []


def _shard(listed: "ShardTypeDef") -> Shard:
    parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
    closed = "EndingSequenceNumber" in listed["SequenceNumberRange"]
    return Shard(listed["ShardId"], frozenset(parent for parent in parents if parent), closed)
