"""
The lease of a message: the time for which the message belongs to a worker.

The rule: a lease ends when its time is over, whatever the services may say later. Time counts from before the request
that extended the lease. Therefore no other worker sees the lease end before this worker does.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.worker.queue import Message, Queue, ReceiptLost

Heart = Callable[[float, Callable[[], None]], AbstractContextManager[None]]
"""Calls a function every few seconds while the context lasts."""


@contextmanager
def heart(seconds: float, beat: Callable[[], None]) -> Iterator[None]:
    """Call *beat* every *seconds* in a thread."""
    over = threading.Event()

    def beating() -> None:
        while not over.wait(seconds):
            beat()

    thread = threading.Thread(target=beating, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Lease:
    """A message in hand."""

    def __init__(
        self,
        queue: Queue,
        message: Message,
        received: float,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*received* is the time before the receive request."""
        self._queue = queue
        self._message = message
        self._seconds = seconds
        self._clock = clock
        self._until = received + seconds
        self._lost = ""
        self._one_at_a_time = threading.Lock()

    @property
    def lost(self) -> str:
        """Why the lease is lost. Empty while the lease is held."""
        if not self._lost and self._clock() >= self._until:
            self._lost = f"it could not be extended for {self._seconds:g} s"
        return self._lost

    def beat(self) -> None:
        """Extend the lease, unless it is lost. If a request fails, the next beat retries."""
        with self._one_at_a_time:
            if self.lost:
                return
            before = self._clock()
            try:
                self._queue.extend(self._message)
            except ReceiptLost as error:
                self._lost = str(error)
            except (ClientError, BotoCoreError):
                return
            else:
                self._until = before + self._seconds
