"""
A request that waits for its outcomes, and the errors in place of outcomes.

The rule: each request gets exactly one answer.
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
    """A request was not decided. No item of the request is at fault, and the client may retry."""


class QueueFull(NotDecided):
    """The queue has no room for the items of the request."""


class TooManyRefused(NotDecided):
    """The rows of as many items as allowed are already being isolated."""


class TimedOut(NotDecided):
    """The time for a request passed before it was decided."""


class CallFailed(StreamConsumerError):
    """The model call of a request failed on every event. ``__cause__`` is the error of the call."""


@dataclass(slots=True, eq=False)
class Waiting:
    """The records of a request, and the outcomes so far."""

    records: Sequence[Record]
    deadline: float
    answer: asyncio.Future[list[Outcome]]
    outcomes: list[Outcome] = field(default_factory=list)
    """Outcomes of the leading records, as far as decided."""
    _at_once: int = _ALL
    """Number of further records to try in a single call."""

    def due(self) -> Sequence[Record]:
        """Return the records for the next call."""
        first = len(self.outcomes)
        return self.records[first : first + self._at_once]

    def try_all(self) -> None:
        """Have the next call try all remaining records."""
        self._at_once = _ALL

    def take(self, outcomes: Sequence[Outcome], tried: int) -> None:
        """
        Take the *outcomes* of the leading records of the *tried* records in a call.

        Answer after the last outcome.
        """
        self.outcomes += outcomes
        # If the call of all tried records fails, its time is lost. Therefore about as many are tried as a slice of time
        # can decide.
        if not outcomes:
            self._at_once = max(1, tried // 2)
        elif len(outcomes) == tried or 2 * len(outcomes) < tried:
            self._at_once = 2 * len(outcomes)
        if len(self.outcomes) == len(self.records) and not self.answer.done():
            self.answer.set_result(self.outcomes)


def unanswered(batch: Iterable[Waiting]) -> list[Waiting]:
    return [waiting for waiting in batch if not waiting.answer.done()]


def fail(batch: Iterable[Waiting], error: Exception) -> None:
    """Answer with *error* those requests of *batch* that have no answer yet."""
    for waiting in unanswered(batch):
        waiting.answer.set_exception(error)
