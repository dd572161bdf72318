"""Waiting for an answer with a time limit and progress messages. The results of a smoke test."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

_TELL_SECONDS = 15.0


class SmokeTestFailed(Exception):
    """A part of the system does not answer, or answers wrongly. The message tells where to look."""


class Untestable(Exception):
    """No event can be made for a part of the system. The message has the reason and a remedy."""


class TimeUp(Exception):
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of testing a part of the system."""

    part: str
    answer: str = ""
    """The prediction event, or the counts of a file. Empty if the part was not tested."""
    untested: str = ""
    """Reason why the part was not tested. Empty if it was tested."""


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Wait:
    """A wait with a limit in seconds. It begins now, and tells its state every 15 seconds."""

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
        Sleep for some *seconds*. Every 15 seconds of the wait, tell the result of *look*.

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
    """Return the result of *look*, or its error. An error in a progress message must not end the test."""
    try:
        return look()
    except ClientError as error:
        return str(error)


MakeWait = Callable[[float], Wait]
"""Begins a wait with a limit in seconds."""
