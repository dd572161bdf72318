"""A stream's ARN and its shards with their descent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import LocalPlatformError
from stream_consumer.local.shard_reader import retryable
from stream_consumer.local.threads import Patience

if TYPE_CHECKING:
    import threading

    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import ListShardsInputTypeDef, ShardTypeDef

    from stream_consumer.local.clock import Clock
    from stream_consumer.local.config import Pace


@dataclass(frozen=True, slots=True)
class Shard:
    shard_id: str
    parents: frozenset[str]
    """One after a split, two after a merge; they may have left the stream already."""
    closed: bool


class Stream:
    def __init__(self, kinesis: "KinesisClient", name: str, pace: "Pace", clock: "Clock") -> None:
        self._kinesis = kinesis
        self._name = name
        self._pace = pace
        self._clock = clock

    def arn(self) -> str:
        try:
            return self._kinesis.describe_stream_summary(StreamName=self._name)["StreamDescriptionSummary"]["StreamARN"]
        except (BotoCoreError, ClientError) as error:
            raise LocalPlatformError(f"stream {self._name!r} cannot be read: {error}") from error

    def shards(self, stopping: "threading.Event") -> list[Shard]:
        """
        Every shard, all pages of them; throttling and faults of the service are waited out, unless *stopping* is set.

        Raises:
            LocalPlatformError: The stream is gone or access is denied, or faults went on beyond patience.
        """
        patience = Patience(self._pace.patience_seconds)
        shards: list[Shard] = []
        request: ListShardsInputTypeDef | None = {"StreamName": self._name}
        while request and not stopping.is_set():
            try:
                page = self._kinesis.list_shards(**request)
            except (BotoCoreError, ClientError) as error:
                if isinstance(error, ClientError) and not retryable(error):
                    raise LocalPlatformError(f"the shards of {self._name!r} cannot be listed: {error}") from error
                patience.failed("ListShards", error, self._clock.now())
                self._clock.wait(stopping, self._pace.backoff(patience.failures))
                continue
            shards += [_shard(listed) for listed in page["Shards"]]
            # A token stands for the stream; Kinesis refuses both together.
            request = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
        return shards


def _shard(listed: "ShardTypeDef") -> Shard:
    parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
    closed = "EndingSequenceNumber" in listed["SequenceNumberRange"]
    return Shard(listed["ShardId"], frozenset(parent for parent in parents if parent), closed)
