"""
The signals that the parent of the workers gets, from before it loads the model to its end.

The rule: a signal is noted, and acted on between two steps. Only SIGTERM and Ctrl-C interrupt something: the loading of
a model, which may take minutes.
"""

import contextlib
import signal
from collections import deque
from collections.abc import Iterator

HANDLED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""The signals that parents and workers have handlers for."""


class StopAsked(BaseException):
    """SIGTERM or Ctrl-C ended the loading. It is no Exception, since libraries catch those."""


class Signals:
    """What this process was asked since it handles signals."""

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
        Let the first signal to stop end what is done in the context.

        Raises:
            StopAsked: It came, or had come before.
        """
        self._loading = True
        try:
            if self._stops:
                raise StopAsked
            yield
        finally:
            self._loading = False

    def stop(self) -> int:
        """Return the next signal to stop that nobody was told of, 0 if there is none."""
        return self._stops.popleft() if self._stops else 0

    def reload(self) -> bool:
        """Return whether SIGHUP came since this was asked last, however often."""
        asked, self._reload = self._reload, False
        return asked

    def _note(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._reload = True
            return
        self.stopped_by = self.stopped_by or number
        self._stops.append(number)
        if self._loading:
            self._loading = False  # the next one does not interrupt what tidies up
            raise StopAsked
