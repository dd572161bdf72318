"""A call of the model: what it came to, and how many events it may have in the event loop's own thread."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.inference import Decision

Outcome = Prediction | InvalidRecord

# What the event loop may be kept from its sockets for: a moment beside any network's latency.
INLINE_SECONDS = 0.005
_INLINE_SIZES = (256, 64, 16, 4, 1)


class Decide(Protocol):
    """As :meth:`stream_consumer.inference.Decider.decide`."""

    def __call__(self, records: Sequence[Record], deadline: float) -> Decision: ...


def unobserved(_called: "Called") -> None:
    """Drop what a model call came to."""


@dataclass(frozen=True, slots=True)
class Called:
    """One model call: what it came to, or what it raised, and how long it took."""

    items: int
    result: Decision | Exception
    seconds: float


def inline_items(decide: Decide, example: Sequence[Record], clock: Callable[[], float] = time.monotonic) -> int:
    """
    Return how many items may be decided in the event loop's own thread, by trying it with copies of *example*.

    A thread would have to fight the loop for the interpreter's lock, which costs more than a small batch; a batch that
    takes longer than a few milliseconds must not keep the loop from its other connections. 0 without an example.
    """

    def seconds(records: Sequence[Record]) -> float:
        started = clock()
        decide(records, started + INLINE_SECONDS)
        return clock() - started

    for items in _INLINE_SIZES if example else ():
        records = list(itertools.islice(itertools.cycle(example), items))
        if min(seconds(records) for _ in range(3)) <= INLINE_SECONDS:
            return items
    return 0
