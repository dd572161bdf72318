"""
The signals to the parent of the workers, from before the model is loaded to the end.

The rule: a handler only notes a signal, and the parent acts between two steps. SIGTERM and Ctrl-C interrupt a single
activity, the loading of a model, because loading may take minutes.
"""

import contextlib
import signal
from collections import deque
from collections.abc import Iterator

HANDLED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""The signals with handlers in parents and workers."""


class StopAsked(BaseException):
    """SIGTERM or Ctrl-C ended the loading. Not an Exception, since libraries catch those."""


class Signals:
    """The requests by signals since this process handles them."""

    def __init__(self) -> None:
        self.stopped_by = 0
        """The first signal that asked to stop."""
        self._stops: deque[int] = deque()
        self._reload = self._loading = False

    def handle(self) -> None:
        for number in HANDLED:
            signal.signal(number, self._note)

    @contextlib.contextmanager
    def ending_it(self) -> Iterator[None]:
        """
        Let the first signal to stop end the body of the context.

        Raises:
            StopAsked: The signal arrived, or had arrived before.
        """
        self._loading = True
        try:
            if self._stops:
                raise StopAsked
            yield
        finally:
            self._loading = False

    def stop(self) -> int:
        """Return the next signal to stop not yet returned, or 0."""
        return self._stops.popleft() if self._stops else 0

    def reload(self) -> bool:
        """Return whether SIGHUP arrived since the last call, however often."""
        asked, self._reload = self._reload, False
        return asked

    def _note(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._reload = True
            return
        self.stopped_by = self.stopped_by or number
        self._stops.append(number)
        if self._loading:
            self._loading = False  # the next signal must not interrupt the cleanup
            raise StopAsked
