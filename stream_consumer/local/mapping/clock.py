"""The mapping's clock, replaceable in tests."""

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    def now(self) -> float:
        """Return the seconds since the epoch."""

    def wait(self, event: "threading.Event", seconds: float | None) -> None:
        """Wait until *event* is set, for at most *seconds*. None means without limit."""


class SystemClock:
    def now(self) -> float:
        return time.time()

    def wait(self, event: "threading.Event", seconds: float | None) -> None:
        event.wait(seconds)
