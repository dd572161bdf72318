"""A call of the model: its result, and the number of events that fit into the event loop's own thread."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.inference import Decision

Outcome = Prediction | InvalidRecord

# Time for which a call may keep the event loop from its sockets. Short compared with the latency of a network.
INLINE_SECONDS = 0.005
_INLINE_SIZES = (256, 64, 16, 4, 1)


class Decide(Protocol):
    """The interface of :meth:`stream_consumer.inference.Decider.decide`."""

    def __call__(self, records: Sequence[Record], deadline: float) -> Decision: ...


def unobserved(_called: "Called") -> None:
    """Ignore the result of a model call."""


@dataclass(frozen=True, slots=True)
class Called:
    """A model call: its decision or exception, and its duration."""

    items: int
    result: Decision | Exception
    seconds: float


def inline_items(decide: Decide, example: Sequence[Record], clock: Callable[[], float] = time.monotonic) -> int:
    """
    Return the number of items that may be decided in the event loop's own thread, measured with copies of *example*.

    A separate thread would compete with the loop for the interpreter's lock, at a higher cost than a small batch. A
    batch of more than a few milliseconds must not keep the loop from its other connections. 0 without an example.
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
