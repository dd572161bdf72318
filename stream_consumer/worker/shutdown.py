"""
Decide when a worker stops: after a request it takes no more work, and after a grace period it stops the work at hand.

The rule: the request comes from a signal handler. The handler runs between two steps of the worker's own thread, or of
an earlier handler. A lock is impossible here, because its holder would wait for itself. Instead, each attribute changes
in a single direction.
"""

import math
import time
from collections.abc import Callable


class Shutdown:
    """A request to stop. Signal handlers make the request, and the worker looks for it."""

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
        """Stop taking work at the first call, and stop the work at hand at the second."""
        self._requests += 1
        if self._requests == 1:
            self._at_the_latest = self._clock() + self._grace_seconds

    @property
    def asked(self) -> bool:
        return self._requests > 0

    @property
    def overdue(self) -> bool:
        """Whether the grace period is over."""
        return self._requests > 1 or self._clock() >= self._at_the_latest

    def wait(self, seconds: int) -> None:
        """Sleep for *seconds*, but at most until a second after a request to stop."""
        for _ in range(seconds):
            if self.asked:
                return
            self._sleep(1)  # a signal does not end the sleep
