"""
The calls that are made again, since the model refused one, or it failed.

The rule: each half of a call by itself, so that those who are not at fault wait only for a few. A request that stands
alone goes to the end, so that each of several has its turn.
"""

import itertools
from collections import deque
from collections.abc import Iterator

from stream_consumer.web.waiting import TooManyRefused, Waiting, fail, unanswered


class Isolation:
    """Calls to make again, in order."""

    def __init__(self, max_items: int) -> None:
        """*max_items* is how many items of requests that stand alone may be isolated."""
        self._max_items = max_items
        self._calls: deque[list[Waiting]] = deque()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def __iter__(self) -> Iterator[Waiting]:
        return itertools.chain(*self._calls)

    def add(self, batch: list[Waiting]) -> None:
        """Have *batch* decided again; a request that stands alone is answered at once if too many are isolated."""
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
        """Forget the requests whose time is over."""
        self._calls = deque([waiting for waiting in batch if waiting.deadline > now] for batch in self._calls)
