"""Waiting for an answer: for how long, and what is told meanwhile. The results of a smoke test."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

_TELL_SECONDS = 15.0


class SmokeTestFailed(Exception):
    """A part of the system does not answer, or answers wrongly. The message says where to look."""


class Untestable(Exception):
    """No event can be made for a part of the system. The message says why, and the remedy."""


class TimeUp(Exception):
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the test of one part of the system."""

    part: str
    answer: str = ""
    """The prediction event, or the counts of a file; empty if the part was not tested."""
    untested: str = ""
    """Why the part was not tested; empty if it was."""


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Wait:
    """A wait of so many seconds, which begins now and tells every 15 seconds what it waits for."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = _tell
    _began: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._told = self.clock()

    def pause(self, seconds: float, look: Callable[[], str]) -> None:
        """
        Sleep for some *seconds*. Every 15 seconds of the wait, tell what *look* sees.

        Raises:
            TimeUp: The wait is over.
        """
        now = self.clock()
        left = self._began + self.seconds - now
        if left <= 0:
            raise TimeUp
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            self.tell(f"{now - self._began:.0f} s of {self.seconds:.0f} s: {seen(look)}")
        self.sleep(min(seconds, left))


def seen(look: Callable[[], str]) -> str:
    """Return what *look* sees, or why it may not: a test does not end by what is only told beside it."""
    try:
        return look()
    except ClientError as error:
        return str(error)


MakeWait = Callable[[float], Wait]
"""Begins a wait of so many seconds."""
