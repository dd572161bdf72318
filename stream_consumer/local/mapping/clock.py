"""Time as the mapping sees it, so that its tests need none."""

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def wait(self, event: "threading.Event", seconds: float | None) -> None:
        """Wait until *event* is set, at most *seconds* (None: as long as it takes)."""


class SystemClock:
    def now(self) -> float:
        return time.time()

    def wait(self, event: "threading.Event", seconds: float | None) -> None:
        event.wait(seconds)
