"""
Iterate the records of a stream, page by page. Shards take turns, and children are read after their parents.

The rule: a passing failure is retried. The caller keeps the positions, since only the caller knows which records are
done.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stream_consumer.aws.retry import Answer, RetryPolicy
from stream_consumer.contract import kpl
from stream_consumer.contract.printable import printable
from stream_consumer.errors import ReadFailed, UsageError
from stream_consumer.kinesis.shard_reader import Page, ShardReader, Start, list_shards, stream_arn

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Positions:
    """How far a stream has been read."""

    shards: dict[str, str] = field(default_factory=dict)
    """The last sequence number done, by shard."""
    stream_arn: str | None = None
    """None before the stream's ARN has been asked for."""
    begun: float | None = None
    """
    Time in Unix seconds from which shards without a position are read, 0 for their oldest record. None before the
    first run, which decides.
    """


class StreamPages:
    """
    Iterate the pages of a stream, with the shard of each page.

    An empty page means that a poll of the shard found no record. The caller thus gets a turn at each poll. Not
    thread-safe.
    """

    def __init__(  # noqa: PLR0913 (each is a choice of the caller)
        self,
        kinesis: "KinesisClient",
        stream_name: str,
        positions: Positions,
        *,
        start: Start,
        follow: bool,
        poll_seconds: float = 0.25,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Prepare to read behind *positions*. Iterating raises UsageError if the positions belong to another stream.

        Args:
            kinesis: The client.
            stream_name: The stream, by name or ARN.
            positions: Where to go on. The caller moves them.
            start: Where to begin in shards without a position, unless *positions* has the time of an earlier run.
            follow: Go on forever. If False, stop when every shard has been read to its tip.
            poll_seconds: The wait after a poll without new records. After a failed read the wait is random and grows to
                2 s.
            sleep: Waits for a number of seconds.
            now: The time in Unix seconds.
        """
        self.positions = positions
        self._kinesis = kinesis
        self._stream_name = stream_name
        self._start = start
        self._follow = follow
        self._poll_seconds = poll_seconds
        self._sleep = sleep
        self._now = now

    def __iter__(self) -> Iterator[tuple[str, Page]]:
        arn = self._persist(lambda: stream_arn(self._kinesis, self._stream_name))
        known = self.positions.stream_arn
        if known not in {None, arn}:
            raise UsageError(f"the checkpoint is of {known}, not of {arn}; name another file or remove it")
        self.positions.stream_arn = arn
        readers: dict[str, ShardReader] = {}
        ended: set[str] = set()
        self._discover(arn, readers, ended, self._begin())
        while readers:
            pages = {shard_id: self._persist(reader.read) for shard_id, reader in readers.items()}
            yield from pages.items()
            closed = {shard_id for shard_id, page in pages.items() if page.ended}
            if closed:
                ended |= closed
                for shard_id in closed:
                    del readers[shard_id]
                self._discover(arn, readers, ended, Start())
            elif all(page.at_tip for page in pages.values()):
                if not self._follow:
                    return
                self._sleep(self._poll_seconds)

    def _begin(self) -> Start:
        """
        Return where shards without a position begin: where the first run began.

        If each run began at its own LATEST, records that were put between two runs would be skipped.
        """
        begun, start = self.positions.begun, self._start
        if begun is not None:
            return Start("AT_TIMESTAMP", timestamp=begun) if begun else Start()
        if start.after is None and start.at is None:
            self.positions.begun = self._now() if start.position == "LATEST" else start.timestamp or 0.0
        return start

    def _discover(self, arn: str, readers: dict[str, ShardReader], ended: set[str], start: Start) -> None:
        """Add the shards whose parents have been read to their end."""
        shards = self._persist(lambda: list_shards(self._kinesis, arn))
        present = {shard["ShardId"] for shard in shards}
        for shard in shards:
            parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} & present
            shard_id = shard["ShardId"]
            if shard_id in ended or shard_id in readers or parents - ended:
                continue
            after = self.positions.shards.get(shard_id)
            readers[shard_id] = ShardReader(self._kinesis, arn, shard_id, Start(after=after) if after else start)

    def _persist(self, ask: Callable[[], Answer]) -> Answer:
        return RetryPolicy(sleep=self._sleep).persist(ask, self._passes, math.inf)

    def _passes(self, error: Exception) -> bool:
        passes = isinstance(error, ReadFailed)
        if passes:
            _LOGGER.warning("reading %s goes on after: %s", self._stream_name, printable(str(error)))
        return passes


def unfolded(data: bytes) -> list[bytes]:
    """Return the parts of a KPL aggregate. Any other record, and a corrupt aggregate, gives its own bytes."""
    try:
        return [part.data for part in kpl.unfold(data)] if data.startswith(kpl.MAGIC) else [data]
    except kpl.CorruptAggregate:
        return [data]
