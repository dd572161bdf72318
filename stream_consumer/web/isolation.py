"""
The model calls to repeat after a refusal or failure.

The rule: each half of a failed call is repeated alone, so innocent requests wait for few calls. A request that stands
alone goes to the end of the line, so that all of them take turns.
"""

import itertools
from collections import deque
from collections.abc import Iterator

from stream_consumer.web.waiting import TooManyRefused, Waiting, fail, unanswered


class Isolation:
    """Calls to repeat, in order."""

    def __init__(self, max_items: int) -> None:
        """*max_items* is the largest number of items in isolated requests."""
        self._max_items = max_items
        self._calls: deque[list[Waiting]] = deque()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def __iter__(self) -> Iterator[Waiting]:
        return itertools.chain(*self._calls)

    def add(self, batch: list[Waiting]) -> None:
        """
        Have *batch* decided again.

        If too many items are isolated, a request that stands alone is answered at once.
        """
        if len(batch) > 1:
            half = len(batch) // 2
            for waiting in batch:
                waiting.try_all()
            self._calls.extendleft([batch[half:], batch[:half]])
        elif batch:
            items, more = sum(len(waiting.records) for waiting in self), len(batch[0].records)
            if items + more > self._max_items:
                full = f"{items} events are being isolated and {self._max_items} may: no room for {more} more"
                fail(batch, TooManyRefused(full))
            else:
                self._calls.append(batch)

    def take(self) -> list[Waiting]:
        """Return the requests of the next call that still wait for an answer."""
        return unanswered(self._calls.popleft())

    def expire(self, now: float) -> None:
        """Remove the requests that are late."""
        self._calls = deque([waiting for waiting in batch if waiting.deadline > now] for batch in self._calls)
