"""
A request that waits for its outcomes, and why it may get none.

The rule: each gets exactly one answer.
"""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stream_consumer.contract.record import Record
from stream_consumer.errors import StreamConsumerError
from stream_consumer.web.model_call import Outcome

_ALL = sys.maxsize


class NotDecided(StreamConsumerError):
    """A request was not decided, and no item of it is at fault: the same request may be sent again."""


class QueueFull(NotDecided):
    """As many items wait as may wait."""


class TooManyRefused(NotDecided):
    """The rows of as many items are being isolated as may be."""


class TimedOut(NotDecided):
    """The time for a request was over before it was decided."""


class CallFailed(StreamConsumerError):
    """The model call that a request was in failed altogether; its cause is what the call raised."""


@dataclass(slots=True, eq=False)
class Waiting:
    """The records of a request, and how far they are decided."""

    records: Sequence[Record]
    deadline: float
    answer: asyncio.Future[list[Outcome]]
    outcomes: list[Outcome] = field(default_factory=list)
    """Of the leading records, as far as they are decided."""
    _at_once: int = _ALL
    """How many of the others are tried in one call."""

    def due(self) -> Sequence[Record]:
        """Return the records that the next call tries."""
        first = len(self.outcomes)
        return self.records[first : first + self._at_once]

    def try_all(self) -> None:
        """Have the next call try all records that are left."""
        self._at_once = _ALL

    def take(self, outcomes: Sequence[Outcome], tried: int) -> None:
        """Take the *outcomes* of the leading ones of so many records that a call *tried*, and answer with the last."""
        self.outcomes += outcomes
        # A failing call of all that are tried is for nothing, so about as many are tried as a slice of time decides.
        if not outcomes:
            self._at_once = max(1, tried // 2)
        elif len(outcomes) == tried or 2 * len(outcomes) < tried:
            self._at_once = 2 * len(outcomes)
        if len(self.outcomes) == len(self.records) and not self.answer.done():
            self.answer.set_result(self.outcomes)


def unanswered(batch: Iterable[Waiting]) -> list[Waiting]:
    return [waiting for waiting in batch if not waiting.answer.done()]


def fail(batch: Iterable[Waiting], error: Exception) -> None:
    """Answer those of *batch* that have no answer yet with *error*."""
    for waiting in unanswered(batch):
        waiting.answer.set_exception(error)
