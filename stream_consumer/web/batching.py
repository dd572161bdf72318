"""
Micro-batching: requests that arrive together share a model call.

A call takes all requests that have arrived when the call can start, so batches grow with the load by themselves. A lone
request is decided at once. After a call of many requests, the next call waits a moment, since the clients just answered
are likely to ask again. If a call fails or is refused, it is repeated for each half of its requests, until the requests
at fault stand alone. Rows of a request are isolated in slices of time, and between two slices the waiting requests get
a call.

Example: three requests, of which B makes the model raise::

    arrives     queue   model call                answers
    A: a1, a2   A       decide([a1, a2])
    B: b1       B       (still running)
    C: c1       B, C    (done)                    A: its 2 outcomes
                        decide([b1, c1]) raises
                        decide([b1]) raises       B: CallFailed
                        decide([c1])              C: its outcome

Invariant: each request gets exactly one answer, either its own outcomes in order or an error with the cause. The fate
of a request never depends on the requests in the same call. At most one call runs at a time, and at most
``Limits.queue_items`` items wait.
"""

import asyncio
import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from stream_consumer.contract.record import Record
from stream_consumer.errors import ModelError, described
from stream_consumer.web.isolation import Isolation
from stream_consumer.web.model_call import INLINE_SECONDS, Called, Decide, Outcome, unobserved
from stream_consumer.web.waiting import CallFailed, QueueFull, TimedOut, Waiting, fail, unanswered

# Seconds of isolating refused rows before the waiting requests get a call.
_SLICE_SECONDS = 0.02
# The wait for further requests: a share of the last call's time, as another call would cost as much, but never long
# enough for a client to notice.
_LINGER_SHARE, _LINGER_SECONDS = 0.5, 0.001
# A client answered longer ago than this is not expected to ask again immediately.
_MOMENT_SECONDS = 0.05
# uvloop's timers count milliseconds. A deadline less than a millisecond away counts as passed.
_TIMER_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the work done at once, and on the number and time of waiting requests."""

    batch_items: int
    """Largest number of items in a model call, unless a single request has more."""
    queue_items: int
    seconds: float
    """Time from a request's arrival to its outcomes, in seconds."""
    inline_items: int = 0
    """Up to this number, items are decided in the thread of the event loop. See :func:`inline_items`."""


def in_daemon_thread(work: Callable[[], None]) -> None:
    """Run *work* beside the event loop. A hanging model must not keep the process alive."""
    threading.Thread(target=work, name="model", daemon=True).start()


class Batcher:
    """Gathers requests into model calls, a single call at a time. Used from a single event loop."""

    def __init__(
        self,
        decide: Decide,
        limits: Limits,
        *,
        observe: Callable[[Called], None] = unobserved,
        spawn: Callable[[Callable[[], None]], None] = in_daemon_thread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*observe* is called with each model call. *spawn* runs work that must not block the loop."""
        self._decide = decide
        self._limits = limits
        self._observe = observe
        self._spawn = spawn
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._isolation = Isolation(limits.queue_items)
        self._running: Sequence[Waiting] = ()
        self._busy = False
        self._scheduled = False
        self._retried = False
        """Whether the last call was such a repeated call."""
        self._expected_items, self._latest_seconds, self._latest_end = 0, 0.0, 0.0
        self._linger_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stuck_from = math.inf
        self.failed_at: float | None = None
        """Time of the last model call that failed on every event. None if a later call has predicted."""
        self.queued = 0
        """Number of waiting items."""

    @property
    def full(self) -> bool:
        """Whether no further item may wait."""
        return self.queued >= self._limits.queue_items

    @property
    def stuck(self) -> bool:
        """Whether the current call has lasted longer than any request waits for an answer."""
        return self._clock() > self._stuck_from

    def failed_within(self, seconds: float) -> bool:
        """Whether a model call failed on every event in the last *seconds*, and no later call has predicted."""
        return self.failed_at is not None and self._clock() < self.failed_at + seconds

    async def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        """
        Return n outcomes for n *records*, in order.

        Raises:
            NotDecided: The request was not decided. The subclass names the cause.
            CallFailed: The model call of the request failed on every event.
        """
        if self.queued + len(records) > self._limits.queue_items:
            raise QueueFull(
                f"{self.queued} events wait for the model and {self._limits.queue_items} may: no room for "
                f"{len(records)} more"
            )
        loop = asyncio.get_running_loop()
        waiting = Waiting(records, self._clock() + self._limits.seconds, loop.create_future())
        self._queue.append(waiting)
        self.queued += len(records)
        if self._busy:
            self._watch(loop)
        else:
            self._schedule(loop)
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            self._leave(waiting)
            raise

    def _leave(self, waiting: Waiting) -> None:
        with contextlib.suppress(ValueError):  # the request is already in a model call
            self._queue.remove(waiting)
            self.queued -= len(waiting.records)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        # After all requests that this turn of the loop reads, and before the loop polls its sockets again.
        if not self._scheduled:
            self._scheduled = True
            now = self._clock()
            linger = min(_LINGER_SHARE * self._latest_seconds, _LINGER_SECONDS)
            self._linger_until = now + linger if now <= self._latest_end + _MOMENT_SECONDS else now
            loop.call_soon(self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.queued < self._expected_items and self._clock() < self._linger_until and not self._isolation:
            loop.call_soon(self._start, loop)  # the loop polls its sockets in between
            return
        self._scheduled = False
        self._retried = bool(self._isolation) and not (self._queue and self._retried)
        batch = self._taken_again() if self._retried else self._take()
        if self._retried and not batch:
            self._schedule_next(loop)
            return
        records = [record for waiting in batch for record in waiting.due()]
        deadline = max((waiting.deadline for waiting in batch), default=0.0)
        if len(records) <= self._limits.inline_items and not self._retried:
            self._finish(loop, batch, self._call(records, min(deadline, self._clock() + INLINE_SECONDS)))
            return
        self._busy, self._running = True, batch
        self._stuck_from = self._clock() + self._limits.seconds
        self._watch(loop)

        def work() -> None:
            called = self._call(records, min(deadline, self._clock() + _SLICE_SECONDS))
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, so nobody waits
                loop.call_soon_threadsafe(self._finish, loop, batch, called)

        self._spawn(work)

    def _take(self) -> list[Waiting]:
        """Take whole requests, the oldest first, as many as fit into a call."""
        batch: list[Waiting] = []
        items = 0
        while self._queue and (not batch or items + len(self._queue[0].records) <= self._limits.batch_items):
            batch.append(self._queue.popleft())
            items += len(batch[-1].records)
        self.queued -= items
        return batch

    def _taken_again(self) -> list[Waiting]:
        """Take the requests of a repeated call, without those that are late or whose client has left."""
        batch = self._isolation.take()
        late = [waiting for waiting in batch if waiting.deadline <= self._clock()]
        self._time_out(late)
        return [waiting for waiting in batch if waiting not in late]

    def _call(self, records: Sequence[Record], deadline: float) -> Called:
        started = self._clock()
        try:
            decision = self._decide(records, deadline)
        except Exception as error:  # noqa: BLE001 (a value here: its requests are told, and the next call goes on)
            return Called(len(records), error, self._clock() - started)
        return Called(len(records), decision, self._clock() - started)

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: Sequence[Waiting], called: Called) -> None:
        self._busy, self._running, self._stuck_from = False, (), math.inf
        self._expected_items = min(called.items + self.queued, self._limits.batch_items)
        self._latest_seconds, self._latest_end = called.seconds, self._clock()
        self._observe(called)
        if isinstance(called.result, Exception):
            self.failed_at = self._clock()
            self._fail(batch, called.result)
        else:
            if called.result.predictions:  # faults alone do not prove that the model works
                self.failed_at = None
            self._settle(batch, called.result.outcomes())
        self._schedule_next(loop)

    def _schedule_next(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._queue or self._isolation:
            self._schedule(loop)

    def _settle(self, batch: Sequence[Waiting], outcomes: list[Outcome]) -> None:
        """
        Give each request of *batch* its share of the leading *outcomes*.

        A request without all its outcomes is tried again.
        """
        first = 0
        for waiting in batch:
            tried = len(waiting.due())
            waiting.take(outcomes[first : first + tried], tried)
            first += tried
        self._isolation.add(unanswered(batch))

    def _fail(self, batch: Sequence[Waiting], error: Exception) -> None:
        """Answer the requests that *error* concerns: all for a fault of the model, else the call's only request."""
        if len(batch) > 1 and not isinstance(error, ModelError):
            self._isolation.add(unanswered(batch))
            return
        failure = CallFailed(described(error))
        failure.__cause__ = error
        fail(batch, failure)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the deadlines while a call runs beside the loop."""
        if self._timer is None:
            first = min(waiting.deadline for waiting in (*self._called(), *itertools.islice(self._queue, 1)))
            self._timer = loop.call_later(max(0.0, first - self._clock()), self._expire, loop)

    def _called(self) -> Iterator[Waiting]:
        """Yield the requests in a call or to be repeated, in no particular order of deadlines."""
        return itertools.chain(self._running, self._isolation)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = self._clock() + _TIMER_SECONDS
        late = [waiting for waiting in (*self._called(), *self._queue) if waiting.deadline <= now]
        self._time_out(late)
        for waiting in late:
            self._leave(waiting)
        self._running = [waiting for waiting in self._running if waiting.deadline > now]
        self._isolation.expire(now)
        if self._queue or any(True for _ in self._called()):
            self._watch(loop)

    def _time_out(self, late: Iterable[Waiting]) -> None:
        fail(late, TimedOut(f"not decided within {self._limits.seconds:g} s"))
