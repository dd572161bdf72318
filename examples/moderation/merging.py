"""
What several consumers said of one event, put together again.

The rule: the ``event_id`` is the key. Every consumer of a stream gets the same record, so their predictions have the
same one, whatever the events' own identifiers are.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from stream_consumer.reader import Received


class Merged(NamedTuple):
    """One event with a prediction of each consumer."""

    event_id: str
    id: int | str | None
    values: Mapping[str, Any]
    """What each consumer predicted, by the consumer's name."""


def merged(streams: Mapping[str, Iterable[Received]]) -> Iterator[Merged]:
    """
    Yield each event as soon as every consumer has a prediction of it.

    An event that some consumer has no prediction of, such as a dead letter, is left out. A service that follows the
    streams for good gives such an event up after a while.

    Args:
        streams: The predictions of each consumer, the first of each ``event_id``.
    """
    waiting: dict[str, dict[str, Any]] = {}
    for turn in zip_longest(*streams.values()):
        for name, received in zip(streams, turn, strict=True):
            if received is None:
                continue
            event_id = str(received.prediction.event_id)
            found = waiting.setdefault(event_id, {})
            found[name] = received.prediction.value
            if len(found) == len(streams):
                del waiting[event_id]
                yield Merged(event_id, received.prediction.id, found)
