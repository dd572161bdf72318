"""
Micro-batching: requests that arrive together share one model call.

The rule: a call takes whatever has arrived by the time it can start, so that batches grow with the load by themselves.
A lone request is decided at once; where many asked a moment ago, those just answered are likely to ask again and get a
moment. Every request gets exactly one answer: its own outcomes in order, or why there are none; what becomes of one
request changes nothing for another.
"""

import asyncio
import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.errors import StreamConsumerError
from stream_consumer.inference import Decision

Outcome = Prediction | InvalidRecord

# What the event loop may be kept from its sockets for: a moment beside any network's latency.
_INLINE_SECONDS = 0.005
# What is waited for company: a share of the latest call's time, since that is what another call would cost, and no more
# than a client would notice.
_LINGER_SHARE, _LINGER_SECONDS = 0.5, 0.001
# Who was answered longer ago than this is not just on the way to ask again.
_MOMENT_SECONDS = 0.05
# A failure tells of the model now: where nobody asks because of it, nothing else would ever end it.
_BROKEN_SECONDS = 10.0
# uvloop's timers count milliseconds; a deadline that is less away has come.
_TIMER_SECONDS = 0.001
_INLINE_SIZES = (256, 64, 16, 4, 1)


class NotDecided(StreamConsumerError):
    """A request was not decided, and no item of it is at fault: the same request may be sent again."""


class QueueFull(NotDecided):
    """As many items wait as may wait."""


class TimedOut(NotDecided):
    """The time for a request was over before it was decided."""


class CallFailed(StreamConsumerError):
    """The model call that a request was in failed altogether; its cause is what the call raised."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once, and how much and how long may wait."""

    batch_items: int
    """Of one model call, unless a single request has more."""
    queue_items: int
    seconds: float
    """From a request's arrival until it is decided."""
    inline_items: int = 0
    """Up to so many are decided in the event loop's own thread; see :func:`inline_items`."""


class Decide(Protocol):
    """As :meth:`stream_consumer.inference.Decider.decide`."""

    def __call__(self, records: Sequence[Record], deadline: float) -> Decision: ...


def in_daemon_thread(work: Callable[[], None]) -> None:
    """Run *work* beside the event loop; a model that hangs must not keep the process from ending."""
    threading.Thread(target=work, name="model", daemon=True).start()


def unobserved(_called: "Called") -> None:
    """Drop what a model call came to."""


@dataclass(frozen=True, slots=True)
class Called:
    """One model call: what it came to, or what it raised, and how long it took."""

    items: int
    result: Decision | Exception
    seconds: float


@dataclass(slots=True, eq=False)
class _Waiting:
    records: Sequence[Record]
    deadline: float
    answer: asyncio.Future[list[Outcome]]


class Batcher:
    """Gathers requests into model calls, one call at a time; used from one event loop only."""

    def __init__(
        self,
        decide: Decide,
        limits: Limits,
        *,
        observe: Callable[[Called], None] = unobserved,
        spawn: Callable[[Callable[[], None]], None] = in_daemon_thread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*observe* is told of each call; *spawn* runs what must not block the loop."""
        self._decide = decide
        self._limits = limits
        self._observe = observe
        self._spawn = spawn
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._running: Sequence[_Waiting] = ()
        self._busy = False
        self._scheduled = False
        self._expected_items, self._latest_seconds, self._latest_end = 0, 0.0, 0.0
        self._linger_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._broken_until, self._stuck_from = -math.inf, math.inf
        self.queued = 0
        """Items that wait."""

    @property
    def full(self) -> bool:
        """Whether not one item more may wait."""
        return self.queued >= self._limits.queue_items

    @property
    def broken(self) -> bool:
        """Whether a model call failed altogether a few seconds ago and none has predicted anything since."""
        return self._clock() < self._broken_until

    @property
    def stuck(self) -> bool:
        """Whether the call that runs has taken longer than any request waits for it."""
        return self._clock() > self._stuck_from

    async def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        """
        Return n outcomes for n *records*, in order.

        Raises:
            NotDecided: See its subclasses.
            CallFailed: See there.
        """
        if self.queued + len(records) > self._limits.queue_items:
            raise QueueFull(
                f"{self.queued} ride events wait for the model and {self._limits.queue_items} may: no room for "
                f"{len(records)} more"
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(records, self._clock() + self._limits.seconds, loop.create_future())
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

    def _leave(self, waiting: _Waiting) -> None:
        with contextlib.suppress(ValueError):  # it is in a model call already
            self._queue.remove(waiting)
            self.queued -= len(waiting.records)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        # After the requests that the same turn of the loop has read, and before it looks at its sockets again.
        if not self._scheduled:
            self._scheduled = True
            now = self._clock()
            linger = min(_LINGER_SHARE * self._latest_seconds, _LINGER_SECONDS)
            self._linger_until = now + linger if now <= self._latest_end + _MOMENT_SECONDS else now
            loop.call_soon(self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.queued < self._expected_items and self._clock() < self._linger_until:
            loop.call_soon(self._start, loop)  # the loop looks at its sockets in between
            return
        self._scheduled = False
        batch = self._take()
        records = [record for waiting in batch for record in waiting.records]
        deadline = max((waiting.deadline for waiting in batch), default=0.0)
        if len(records) <= self._limits.inline_items:
            called = self._call(records, min(deadline, self._clock() + _INLINE_SECONDS))
            # Isolating rows that the model refuses may take many calls; then all of it is done again beside the loop.
            if isinstance(called.result, Exception) or called.result.decided == len(records):
                self._finish(loop, batch, called)
                return
        self._busy, self._running = True, batch
        self._stuck_from = self._clock() + self._limits.seconds
        self._watch(loop)

        def work() -> None:
            called = self._call(records, deadline)
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                loop.call_soon_threadsafe(self._finish, loop, batch, called)

        self._spawn(work)

    def _take(self) -> list[_Waiting]:
        """Take whole requests, the oldest first, as many as fit a call."""
        batch: list[_Waiting] = []
        items = 0
        while self._queue and (not batch or items + len(self._queue[0].records) <= self._limits.batch_items):
            batch.append(self._queue.popleft())
            items += len(batch[-1].records)
        self.queued -= items
        return batch

    def _call(self, records: Sequence[Record], deadline: float) -> Called:
        started = self._clock()
        result: Decision | Exception
        try:
            result = self._decide(records, deadline)
        except Exception as error:  # noqa: BLE001 (a value here: its requests are told, and the next call goes on)
            result = error
        return Called(len(records), result, self._clock() - started)

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: Sequence[_Waiting], called: Called) -> None:
        self._busy, self._running, self._stuck_from = False, (), math.inf
        self._expected_items = min(called.items + self.queued, self._limits.batch_items)
        self._latest_seconds, self._latest_end = called.seconds, self._clock()
        self._observe(called)
        if isinstance(called.result, Exception):
            self._broken_until = self._clock() + _BROKEN_SECONDS
            failure = CallFailed(str(called.result))
            failure.__cause__ = called.result
            _fail(batch, failure)
        else:
            if called.result.predictions:  # faults alone do not say that the model works
                self._broken_until = -math.inf
            self._settle(batch, called.result.outcomes())
        if self._queue:
            self._schedule(loop)

    def _settle(self, batch: Sequence[_Waiting], outcomes: list[Outcome]) -> None:
        first = 0
        for waiting in batch:
            mine = outcomes[first : first + len(waiting.records)]
            first += len(waiting.records)
            if len(mine) < len(waiting.records):
                self._time_out([waiting])
            elif not waiting.answer.done():
                waiting.answer.set_result(mine)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that deadlines are kept while a call runs beside the loop."""
        if self._timer is None:
            first = next(iter((*self._running, *self._queue)))
            self._timer = loop.call_later(max(0.0, first.deadline - self._clock()), self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = self._clock() + _TIMER_SECONDS
        late = [waiting for waiting in (*self._running, *self._queue) if waiting.deadline <= now]
        self._time_out(late)
        for waiting in late:
            self._leave(waiting)
        self._running = [waiting for waiting in self._running if waiting.deadline > now]
        if self._running or self._queue:
            self._watch(loop)

    def _time_out(self, late: Iterable[_Waiting]) -> None:
        _fail(late, TimedOut(f"not decided within {self._limits.seconds:g} s"))


def _fail(batch: Iterable[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


def inline_items(decide: Decide, example: Sequence[Record], clock: Callable[[], float] = time.monotonic) -> int:
    """
    Return how many items may be decided in the event loop's own thread, by trying it with copies of *example*.

    A thread would have to fight the loop for the interpreter's lock, which costs more than a small batch; a batch that
    takes longer than a few milliseconds must not keep the loop from its other connections. 0 without an example.
    """

    def seconds(records: Sequence[Record]) -> float:
        started = clock()
        decide(records, started + _INLINE_SECONDS)
        return clock() - started

    for items in _INLINE_SIZES if example else ():
        records = list(itertools.islice(itertools.cycle(example), items))
        if min(seconds(records) for _ in range(3)) <= _INLINE_SECONDS:
            return items
    return 0
