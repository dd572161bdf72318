"""
The consumer of a shard: read, hand batches to the function, discard expired or failed records, move the checkpoint.

``step`` does all work that is due and returns the seconds until more is due. An ``Executor`` invokes the batches, so
reading continues while the function works.
"""

import math
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_consumer.errors import ReadFailed
from stream_consumer.kinesis.shard_reader import ShardReader
from stream_consumer.local.mapping.delivery_rules import Batch, Discarded, Work
from stream_consumer.local.mapping.events import (
    Checkpointed,
    DeliveryFailed,
    GivenUp,
    Invoked,
    Observer,
    Read,
    ReadingFailed,
    WindowLost,
)
from stream_consumer.local.mapping.lambda_records import PAYLOAD_LIMIT, ShardSource, render_event, render_window_event
from stream_consumer.local.mapping.lanes import Executor, FailingSince, Job
from stream_consumer.local.mapping.on_failure import DestinationUnavailable, OnFailureDestination, Origin
from stream_consumer.local.mapping.shard_queue import Lane, ShardQueue
from stream_consumer.local.mapping.tumbling_windows import stateful
from stream_consumer.local.runtime.functions import Function, FunctionError, Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_consumer.local.mapping.clock import Clock
    from stream_consumer.local.mapping.config import MappingConfig, Pace


READ_SECONDS = 0.2
"""Five reads per second and shard. Source: Amazon Kinesis Data Streams developer guide, "Quotas and limits"."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts that the shards of a mapping share."""

    config: "MappingConfig"
    pace: "Pace"
    clock: "Clock"
    observer: "Observer"
    function: Function
    on_failure: OnFailureDestination | None
    mapping_uuid: str
    checkpointed: "Callable[[str, str], None]"
    """Called with (shard id, sequence number) whenever a shard's checkpoint moves."""


class ShardConsumer:
    def __init__(
        self, source: ShardSource, reader: ShardReader, around: Surroundings, executor: Executor, wake: threading.Event
    ) -> None:
        self._source = source
        self._reader = reader
        self._around = around
        self._executor = executor
        self._wake = wake
        self._queue = ShardQueue(around.config, around.pace)
        self._ended = False
        self._next_read = 0.0
        self._reads = 0
        self._tip_read = 0
        self._in_flight = 0
        self._finished: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._reading = FailingSince(around.pace.patience_seconds)
        self._delivering = FailingSince(around.pace.patience_seconds)

    @property
    def done(self) -> bool:
        """Whether the shard is closed and all its records are settled."""
        return self._ended and self._queue.empty

    @property
    def reads(self) -> int:
        """Number of reads begun so far."""
        return self._reads

    def drained_since(self, read: int) -> bool:
        """
        Whether no work is pending and a read begun after the first *read* reads found the shard's tip.

        An open window ends at this tip, so its final invocation becomes pending.
        """
        if not self._ended and self._tip_read <= read:
            return False
        self._queue.read_up_to(math.inf)
        return self._queue.empty

    def step(self) -> float | None:
        """
        Do all work that is due. Return the seconds until more is due, unless current work finishes earlier.

        None means that only finished work can make more work due.
        """
        if not self._finished.empty():
            self._collect()
        now = self._around.clock.now()
        if not self._ended and not self._queue.full and self._next_read <= now:
            self._read(now)
        for lane, work in self._queue.take(now):
            self._begin(lane, work)
        return self._pause(self._around.clock.now())

    def stop(self) -> None:
        """Wait for the current invocations, process their outcomes, and begin no more."""
        try:
            while self._in_flight:
                self._collect()
        finally:
            self._executor.close()

    def _collect(self) -> None:
        """Process the outcomes of finished work. Wait for at least one."""
        while True:
            take_in = self._finished.get()
            self._in_flight -= 1  # first, or stop() would wait again for a piece of work that raises
            take_in()
            if self._finished.empty():
                break
        moved = self._queue.checkpoint()
        if moved:
            count, sequence_number = moved
            self._around.checkpointed(self._source.shard_id, sequence_number)
            self._around.observer(Checkpointed(self._source.shard_id, count, sequence_number))

    def _read(self, now: float) -> None:
        self._reads += 1
        try:
            page = self._reader.read()
        except ReadFailed as error:
            self._reading.failed(f"reading {self._source.shard_id}", error, now)
            wait = self._around.pace.backoff(self._reading.failures)
            self._next_read = now + wait
            self._around.observer(ReadingFailed(self._source.shard_id, str(error), wait))
            return
        self._reading.succeeded()
        self._ended = page.ended
        self._tip_read = self._reads if page.at_tip else self._tip_read
        pause = self._around.pace.poll_seconds
        self._next_read = now + (min(pause, READ_SECONDS) if page.millis_behind_latest else pause)
        self._queue.add(list(map(self._source.record, page.records)), self._around.clock.now())
        if page.ended or page.at_tip:
            self._queue.read_up_to(math.inf if page.ended else now)
        self._around.observer(Read(self._source.shard_id, len(page.records), page.millis_behind_latest))

    def _begin(self, lane: Lane, work: Work) -> None:
        self._in_flight += 1
        self._executor.submit(lambda: self._finish(self._carry_out(lane, work)))

    def _finish(self, taking_in: Job) -> None:
        self._finished.put(taking_in)
        self._wake.set()

    def _carry_out(self, lane: Lane, work: Work) -> Job:
        """Do the work on a lane's thread. Return a job for the shard's thread that processes the outcome."""
        try:
            return self._invoke(lane, work) if isinstance(work, Batch) else self._discard(lane, work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must end the mapping, not this thread alone
            return _raising(error)

    def _invoke(self, lane: Lane, batch: Batch) -> Job:
        window = self._queue.window  # no thread changes it: a shard with windows has a single busy lane
        event = (
            render_window_event(batch.records, self._source, window, batch.closing)
            if window
            else render_event(batch.records)
        )
        began = time.perf_counter()
        invocation = self._around.function.invoke(event) if len(event) <= PAYLOAD_LIMIT else _too_large(len(event))
        seconds = time.perf_counter() - began
        invocation = stateful(invocation) if window else invocation

        def take_in() -> None:
            now = self._around.clock.now()
            self._queue.invoked(lane, batch, invocation, now)
            age = max(0.0, now - batch.records[0].arrived) if batch.records else 0.0
            self._around.observer(Invoked(self._source.shard_id, len(batch.records), invocation, seconds, age))

        return take_in

    def _discard(self, lane: Lane, discarded: Discarded) -> Job:
        failure: DestinationUnavailable | None = None
        try:
            if self._around.on_failure and discarded.batch.records:
                self._around.on_failure.deliver(discarded, self._origin())
        except DestinationUnavailable as error:
            failure = error

        def take_in() -> None:
            if failure is not None:
                self._keep(lane, failure)
                return
            self._delivering.succeeded()
            given_up = self._given_up(discarded)
            self._queue.delivered(lane, discarded)
            self._around.observer(given_up)

        return take_in

    def _given_up(self, discarded: Discarded) -> GivenUp | WindowLost:
        shard_id, condition, window = self._source.shard_id, discarded.condition.value, self._queue.window
        if discarded.batch.closing and window:
            return WindowLost(shard_id, window.start, window.end, condition)
        return GivenUp(shard_id, len(discarded.batch.records), condition)

    def _keep(self, lane: Lane, failure: DestinationUnavailable) -> None:
        now = self._around.clock.now()
        wait = self._queue.postpone(lane, now)
        self._around.observer(DeliveryFailed(self._source.shard_id, str(failure), wait))
        self._delivering.failed("the on-failure destination", failure, now)

    def _origin(self) -> Origin:
        return Origin(
            mapping_uuid=self._around.mapping_uuid,
            function_arn=self._around.function.arn,
            stream_arn=self._source.stream_arn,
            shard_id=self._source.shard_id,
            time=self._around.clock.now(),
        )

    def _pause(self, now: float) -> float | None:
        if not self._finished.empty():
            return 0.0
        waits = [self._queue.wait(now)]
        if not self._ended and not self._queue.full:
            waits.append(max(0.0, self._next_read - now))
        return min((wait for wait in waits if wait is not None), default=None)


def _raising(error: BaseException) -> Job:
    def take_in() -> None:
        raise error

    return take_in


def _too_large(size: int) -> Invocation:
    message = f"{size} byte payload is too large for the RequestResponse invocation type (limit {PAYLOAD_LIMIT} bytes)"
    return Invocation("", error=FunctionError("RequestTooLargeException", message))
