"""
A shard's records between reading and checkpoint: the batches to deliver now, and the progress of the shard.

With parallelization factor *n*, a hash of the partition key assigns each record to one of *n* lanes. A lane has a
single batch at a time. The module does no I/O, and has no threads or clock: time is an argument, in seconds.

Example: three records with the partition keys a, b, a, in two lanes::

    call                         lane 0    lane 1    settled       checkpoint()
    add([r1, r2, r3])            r1 r3     r2
    take()                       (r1 r3)   (r2)                    None
    invoked(lane 0, success)               (r2)      r1 r3         1 record, up to r1
    invoked(lane 1, success)                         r1 r2 r3      2 records, up to r3

Invariant: the records of a partition key stay in order and are never in two batches at once. The checkpoint is the last
record before the first unsettled record, in the order of the shard. An open tumbling window holds the checkpoint back.
A restarted mapping therefore gets all records of the window again, with a fresh state.
"""

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.delivery_rules import Batch, Discarded, Next, Work, after, expire
from stream_consumer.local.mapping.lambda_records import PAYLOAD_LIMIT, WINDOW_OVERHEAD, StreamRecord, fitting
from stream_consumer.local.mapping.tumbling_windows import Closing, TumblingWindows, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_consumer.local.runtime.functions import Invocation

SPAN = 100_000
"""
Largest number of records between the checkpoint and the last read.

A blocked lane thus stops the reading in the end.
"""


@dataclass(slots=True)
class Lane:
    """A lane of a shard: a batch and the records waiting behind the batch."""

    waiting: "deque[tuple[StreamRecord, float]]" = field(default_factory=deque)
    """Records not yet in a batch, each with its time of reading. The batching window begins at this time."""
    work: "deque[Work]" = field(default_factory=deque)
    """Work already begun. All of it comes before the waiting records."""
    busy: bool = False
    failures: int = 0
    not_before: float = 0.0


class ShardQueue:
    def __init__(self, config: MappingConfig, pace: Pace) -> None:
        self._config = config
        self._pace = pace
        self.lanes = tuple(Lane() for _ in range(config.parallelization_factor))
        self._unsettled: deque[str] = deque()
        self._settled: set[str] = set()
        self._windows = TumblingWindows(config.tumbling_window_in_seconds, pace.window_grace_seconds)
        self._read_up_to = 0.0
        self._passed, self._last_passed = 0, ""
        """Number of records settled in order since the checkpoint last moved, and the last of them."""
        self._waiting = 0
        self._weight = 0

    @property
    def empty(self) -> bool:
        """Whether every record read is settled, and no window is open."""
        return not self._unsettled and self.window is None

    @property
    def window(self) -> Window | None:
        """The tumbling window of the next invocation's event."""
        return self._windows.current

    @property
    def full(self) -> bool:
        """Whether enough records wait for every lane's next batch. Reading on would only take memory."""
        lanes = len(self.lanes)
        enough = self._waiting >= self._config.batch_size * lanes or self._weight >= PAYLOAD_LIMIT * lanes
        return enough or len(self._unsettled) >= SPAN

    def add(self, records: "Iterable[StreamRecord]", now: float) -> None:
        """Append records read from the shard, in the shard's order."""
        for record in records:
            lane = self.lanes[zlib.crc32(record.partition_key.encode()) % len(self.lanes)]
            lane.waiting.append((record, now))
            self._unsettled.append(record.sequence_number)
            self._waiting += 1
            self._weight += record.weight

    def read_up_to(self, moment: float) -> None:
        """
        Note that every record with an arrival before *moment* has been added.

        Infinity means the end of the shard.
        """
        self._read_up_to = max(moment, self._read_up_to)

    def take(self, now: float) -> "list[tuple[Lane, Work]]":
        """
        Return the work that may begin now, at most one piece for each lane.

        These lanes are busy until ``invoked``, ``delivered`` or ``postpone``.
        """
        taken = []
        for lane in self.lanes:
            if not lane.busy and lane.not_before <= now and self._refill(lane, now):
                lane.busy = True
                taken.append((lane, lane.work[0]))
        return taken

    def wait(self, now: float) -> float | None:
        """Return the seconds until time alone gives ``take`` new work. None if time alone never does."""
        waits = [
            max(lane.not_before - now, self._gathering(lane, now))
            for lane in self.lanes
            if not lane.busy and (lane.work or lane.waiting or self._window_over(lane))
        ]
        return min(waits, default=None)

    def invoked(self, lane: Lane, batch: Batch, invocation: "Invocation", now: float) -> Next:
        """Process an invocation's outcome. Return its consequence."""
        following = after(batch, invocation, self._config)
        lane.work.popleft()
        lane.work.extendleft(reversed(following.work))
        self._settle(batch.records[: following.settled])
        if following.settled and self._windows.keep(invocation.payload):
            lane.work.appendleft(Batch((), closing=Closing.EARLY))
        if batch.closing and not following.work:
            self._windows.close(batch.closing)
        lane.failures = lane.failures + 1 if following.wait else 0
        lane.not_before = now + self._pace.backoff(lane.failures) if following.wait else now
        lane.busy = False
        return following

    def delivered(self, lane: Lane, discarded: Discarded) -> None:
        """Move past *discarded*, now that the on-failure destination has accepted it."""
        lane.work.popleft()
        self._settle(discarded.batch.records)
        if discarded.batch.closing:
            self._windows.close(discarded.batch.closing)
        lane.failures, lane.busy = 0, False

    def postpone(self, lane: Lane, now: float) -> float:
        """Retry later, because the on-failure destination did not accept the work of *lane*. Return the wait."""
        lane.failures += 1
        wait = self._pace.backoff(lane.failures)
        lane.not_before, lane.busy = now + wait, False
        return wait

    def checkpoint(self) -> "tuple[int, str] | None":
        """
        Return the number of records the checkpoint advances over since the last call, with its new sequence number.

        None if the checkpoint does not advance.
        """
        while self._unsettled and self._unsettled[0] in self._settled:
            self._last_passed = self._unsettled.popleft()
            self._settled.remove(self._last_passed)
            self._passed += 1
        if not self._passed or self.window:
            return None
        count, self._passed = self._passed, 0
        return count, self._last_passed

    def _settle(self, records: "Iterable[StreamRecord]") -> None:
        self._settled.update(record.sequence_number for record in records)

    def _refill(self, lane: Lane, now: float) -> bool:
        """
        Put the lane's next batch, or its expired part, at the head of the lane's work.

        False if no batch is ready.
        """
        if not lane.work and self._window_over(lane):
            lane.work.append(Batch((), closing=Closing.FINAL))
        elif not lane.work and lane.waiting and not self._gathering(lane, now):
            lane.work.append(self._batch(lane))
        if lane.work and isinstance(batch := lane.work[0], Batch):
            lane.work.popleft()
            lane.work.extendleft(reversed(expire(batch, now, self._config)))
        return bool(lane.work)

    def _batch(self, lane: Lane) -> Batch:
        records = tuple(lane.waiting.popleft()[0] for _ in range(self._fitting(lane)))
        self._waiting -= len(records)
        self._weight -= sum(record.weight for record in records)
        self._windows.enter(records[0])
        return Batch(records)

    def _window_over(self, lane: Lane) -> bool:
        following = lane.waiting[0][0] if lane.waiting else None
        return self._windows.over(following, self._read_up_to)

    def _gathering(self, lane: Lane, now: float) -> float:
        """
        Return the seconds for which the lane's next batch may still gather records.

        0 if the batch is full or work is waiting.
        """
        if lane.work or self._window_over(lane):
            return 0.0
        left = lane.waiting[0][1] + self._config.maximum_batching_window_in_seconds - now
        if left <= 0 or len(lane.waiting) >= self._config.batch_size:
            return 0.0
        return 0.0 if self._fitting(lane) < len(lane.waiting) else left

    def _fitting(self, lane: Lane) -> int:
        """Return the number of waiting records in the lane's next batch."""
        waiting = self._windows.together(record for record, _ in lane.waiting)
        reserved = WINDOW_OVERHEAD if self._config.tumbling_window_in_seconds else 0
        return fitting(waiting, self._config.batch_size, reserved=reserved)
