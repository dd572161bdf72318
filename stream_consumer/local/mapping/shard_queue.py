"""
A shard's records between reading and checkpoint: which batch may be delivered now, and how far the shard has come.

With parallelization factor *n* the records are dealt to *n* lanes by partition key, each lane with one batch at a time:
a key is never in two batches at once, and its records stay in order. The checkpoint is the last record before the
first unsettled one, in the order of the shard. An open tumbling window holds it back: a mapping that begins again gets
all records of that window again, with a fresh state. No I/O, threads or clock: time is an argument, in seconds.
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
"""Records that may lie between the checkpoint and the last read: a lane that is stuck stops the reading at last."""


@dataclass(slots=True)
class Lane:
    """One of a shard's concurrent batches and what waits behind it."""

    waiting: "deque[tuple[StreamRecord, float]]" = field(default_factory=deque)
    """Records not yet in a batch, each with the time at which it was read: its window began then."""
    work: "deque[Work]" = field(default_factory=deque)
    """What was begun and comes before anything that waits."""
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
        """Records settled in order since the checkpoint moved, and the last of them."""
        self._waiting = 0
        self._weight = 0

    @property
    def empty(self) -> bool:
        """Everything that was read is settled, and no window is open."""
        return not self._unsettled and self.window is None

    @property
    def window(self) -> Window | None:
        """The tumbling window of the next invocation's event."""
        return self._windows.current

    @property
    def full(self) -> bool:
        """Enough waits for every lane's next batch, so reading on would only take memory."""
        lanes = len(self.lanes)
        enough = self._waiting >= self._config.batch_size * lanes or self._weight >= PAYLOAD_LIMIT * lanes
        return enough or len(self._unsettled) >= SPAN

    def add(self, records: "Iterable[StreamRecord]", now: float) -> None:
        """Append what was read from the shard, in its order."""
        for record in records:
            lane = self.lanes[zlib.crc32(record.partition_key.encode()) % len(self.lanes)]
            lane.waiting.append((record, now))
            self._unsettled.append(record.sequence_number)
            self._waiting += 1
            self._weight += record.weight

    def read_up_to(self, moment: float) -> None:
        """Learn that everything that arrived before *moment* has been added: infinity at the end of the shard."""
        self._read_up_to = max(moment, self._read_up_to)

    def take(self, now: float) -> "list[tuple[Lane, Work]]":
        """The work that may begin now, one a lane at most; those lanes are busy until ``finish`` or ``postpone``."""
        taken = []
        for lane in self.lanes:
            if not lane.busy and lane.not_before <= now and self._refill(lane, now):
                lane.busy = True
                taken.append((lane, lane.work[0]))
        return taken

    def wait(self, now: float) -> float | None:
        """Seconds until ``take`` has something new to give by the passing of time alone; None if it never has."""
        waits = [
            max(lane.not_before - now, self._gathering(lane, now))
            for lane in self.lanes
            if not lane.busy and (lane.work or lane.waiting or self._window_over(lane))
        ]
        return min(waits, default=None)

    def invoked(self, lane: Lane, batch: Batch, invocation: "Invocation", now: float) -> Next:
        """Take in an invocation's outcome; returns what follows from it."""
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
        """The on-failure destination has taken *discarded*: the shard is past it."""
        lane.work.popleft()
        self._settle(discarded.batch.records)
        if discarded.batch.closing:
            self._windows.close(discarded.batch.closing)
        lane.failures, lane.busy = 0, False

    def postpone(self, lane: Lane, now: float) -> float:
        """The on-failure destination did not take what *lane* gave it: the same again later. Returns the wait."""
        lane.failures += 1
        wait = self._pace.backoff(lane.failures)
        lane.not_before, lane.busy = now + wait, False
        return wait

    def checkpoint(self) -> "tuple[int, str] | None":
        """How many records the checkpoint advances over since the last call and its sequence number, if it does."""
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
        """Put the lane's next batch, or what expired of it, at the head of its work; False if there is none yet."""
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
        """Seconds for which the lane's next batch may still gather records; none once it is full, or work is there."""
        if lane.work or self._window_over(lane):
            return 0.0
        left = lane.waiting[0][1] + self._config.maximum_batching_window_in_seconds - now
        if left <= 0 or len(lane.waiting) >= self._config.batch_size:
            return 0.0
        return 0.0 if self._fitting(lane) < len(lane.waiting) else left

    def _fitting(self, lane: Lane) -> int:
        """How many of the records that wait are the lane's next batch."""
        waiting = self._windows.together(record for record, _ in lane.waiting)
        reserved = WINDOW_OVERHEAD if self._config.tumbling_window_in_seconds else 0
        return fitting(waiting, self._config.batch_size, reserved=reserved)
