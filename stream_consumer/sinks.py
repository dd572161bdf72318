"""
What a sink is: it takes things in order and returns those it could not write, by position.

The rule: an error of the service is never an exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec

NOT_SENT = "not sent after a failure"


# A struct, which is made in a fifth of a named tuple's time.
class Entry(msgspec.Struct, frozen=True, gc=False):
    """One record to put on a stream or a topic."""

    partition_key: str
    data: bytes
    event_id: str | None = None
    """What readers tell duplicates by; a Kafka record has it as a header."""


class TopicEntry(Entry, frozen=True, gc=False, kw_only=True):
    """One record for a topic that is more than an entry's data under its key."""

    key: bytes | None
    """As Kafka has it. The partition key says it as text."""
    headers: tuple[tuple[str, bytes | None], ...] = ()
    is_tombstone: bool = False
    """Whether the value is null, and not the data."""


class Unwritten(NamedTuple):
    """One thing that was not written: its position among what was handed over, and the service's last word on it."""

    position: int
    reason: str
    refused: bool = False
    """Whether the sink can never take it: the thing itself is at fault, and another try would end alike."""

    @property
    def untried(self) -> bool:
        """Whether it was not even sent, because another thing was not written."""
        return self.reason == NOT_SENT


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: empty ``unwritten`` means all of it was acknowledged."""

    unwritten: list[Unwritten] = field(default_factory=list)
    """Ascending by position. What is not listed was acknowledged."""
    resent: int = 0
    """How often an entry was sent again."""


class Sink(Protocol):
    """Takes things in order and says which of them it could not write."""

    def write(self, items: Sequence[Any], deadline: float) -> Written: ...
