"""
The tumbling windows of a shard: the records of each window, and the function's state between batches.

The rule: a record is in exactly one window, and a window stays open until its final invocation. The module does no I/O,
and has no threads or clock.

docs/event-source-mapping.md states each rule with its source. Source: AWS Lambda developer guide, "Implementing
stateful Kinesis Data Streams processing in Lambda".
"""

import json
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from stream_consumer.local.runtime.functions import FunctionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream_consumer.local.mapping.lambda_records import StreamRecord
    from stream_consumer.local.runtime.functions import Invocation

STATE_LIMIT = 1024 * 1024
"""Largest size in bytes of a shard's state as JSON: "a maximum of 1 MB per shard". Source: as above."""

FRESH_STATE = b"{}"
"""Source: AWS compute blog, "Using AWS Lambda for streaming analytics": "an empty state object"."""

_STATELESS = FunctionError("MissingState", "the response has no state: return it from every invocation of a window")


class Closing(StrEnum):
    """
    Why an invocation takes the state of a window away, by the name of the flag in the event.

    After the final invocation a new window begins. After an early termination the same window goes on. Both begin with
    a fresh state. Source: aws-lambda-java-events, ``KinesisTimeWindowEvent``.
    """

    FINAL = "isFinalInvokeForWindow"
    EARLY = "isWindowTerminatedEarly"


@dataclass(frozen=True, slots=True)
class Window:
    """An open window, in seconds since the epoch. *start* is inclusive and *end* is exclusive."""

    start: int
    end: int
    state: bytes = FRESH_STATE
    """JSON."""


class TumblingWindows:
    """The windows of a shard, *seconds* long, a single one open at a time. With 0 seconds, no window ever opens."""

    def __init__(self, seconds: int, grace_seconds: float) -> None:
        self._seconds = seconds
        self._grace_seconds = grace_seconds
        self._earliest_start = 0
        self.current: Window | None = None

    def together(self, records: "Iterable[StreamRecord]") -> "Iterator[StreamRecord]":
        """Yield the leading records of the same window: a batch never spans two."""
        end = math.inf
        for record in records:
            if record.arrived >= end:
                return
            if end == math.inf and self._seconds:
                end = self._window(record).end
            yield record

    def enter(self, record: "StreamRecord") -> None:
        """Open the window of *record*, unless a window is open."""
        if self._seconds and self.current is None:
            self.current = self._window(record)

    def over(self, following: "StreamRecord | None", read_up_to: float) -> bool:
        """
        Whether the open window has all its records and waits for its final invocation.

        Args:
            following: The next record of the shard, if already read.
            read_up_to: Every record with an earlier arrival has been read.
        """
        if self.current is None:
            return False
        if following is not None:
            return following.arrived >= self.current.end
        return read_up_to >= self.current.end + self._grace_seconds

    def keep(self, response: bytes) -> bool:
        """Keep the state in *response* for the open window. Return whether the state is over the limit."""
        if self.current is None:
            return False
        state = json.dumps(json.loads(response)["state"], separators=(",", ":")).encode()
        self.current = replace(self.current, state=state)
        return len(state) > STATE_LIMIT

    def close(self, closing: Closing) -> None:
        """Drop the state and, after the final invocation, the window."""
        if self.current and closing is Closing.EARLY:
            self.current = replace(self.current, state=FRESH_STATE)
        elif self.current:
            self._earliest_start, self.current = self.current.end, None

    def _window(self, record: "StreamRecord") -> Window:
        # Arrival times are approximate. A late record of a closed window counts in the next window: if the closed
        # window opened again, it would have two final invocations.
        start = max(int(record.arrived // self._seconds) * self._seconds, self._earliest_start)
        return self.current or Window(start, start + self._seconds)


def stateful(invocation: "Invocation") -> "Invocation":
    """Return *invocation*, or a failed invocation if the response has no state."""
    if invocation.throttled or invocation.error:
        return invocation
    try:
        response = json.loads(invocation.payload)
    except (ValueError, RecursionError):
        response = None
    has_state = isinstance(response, dict) and "state" in response
    return invocation if has_state else replace(invocation, error=_STATELESS)
