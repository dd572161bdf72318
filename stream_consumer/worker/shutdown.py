"""
When a worker stops: it is asked to, and after a grace it stops even what it is doing.

The rule: who asks is a signal handler, which runs between two steps of the very thread that looks and waits, and of an
earlier handler. So there is no lock here, whose holder would wait for itself, and each attribute only goes one way.
"""

import math
import time
from collections.abc import Callable


class Shutdown:
    """A request to stop; signal handlers make it, the worker looks at it."""

    def __init__(
        self,
        grace_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._sleep = sleep
        self._requests = 0
        self._at_the_latest = math.inf

    def ask(self) -> None:
        """The first time: take no more work. The second time: stop the work at hand at once."""
        self._requests += 1
        if self._requests == 1:
            self._at_the_latest = self._clock() + self._grace_seconds

    @property
    def asked(self) -> bool:
        return self._requests > 0

    @property
    def overdue(self) -> bool:
        """Whether the grace is over."""
        return self._requests > 1 or self._clock() >= self._at_the_latest

    def wait(self, seconds: int) -> None:
        """Sleep for so long, or until a second after it is asked."""
        for _ in range(seconds):
            if self.asked:
                return
            self._sleep(1)  # a signal does not end it
