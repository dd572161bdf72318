"""When a worker stops: it is asked to, and after a grace it stops even what it is doing."""

import math
import threading
import time
from collections.abc import Callable


class Shutdown:
    """A request to stop; signal handlers make it, the worker looks at it."""

    def __init__(self, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._asked = threading.Event()
        self._at_the_latest = math.inf

    def ask(self) -> None:
        """The first time: take no more work. The second time: stop the work at hand at once."""
        self._at_the_latest = -math.inf if self.asked else self._clock() + self._grace_seconds
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    @property
    def overdue(self) -> bool:
        """Whether the grace is over."""
        return self._clock() >= self._at_the_latest

    def wait(self, seconds: float) -> None:
        """Sleep for so long, or until it is asked."""
        self._asked.wait(seconds)
