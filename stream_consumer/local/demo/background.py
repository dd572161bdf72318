"""Work in a thread of its own. The waiting thread raises the work's error."""

import threading
from collections.abc import Callable


class Stopped(Exception):
    """Somebody asked the work to stop."""


class Background:
    """Runs *work* in a daemon thread. The work must use ``pause`` to wait."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._work = work
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 (``check`` raises it again)
            self._error = error

    def pause(self, seconds: float) -> None:
        """
        Wait for *seconds*, in the thread of the work.

        Raises:
            Stopped: Somebody asked the work to stop.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def running(self, seconds: float) -> bool:
        """Wait at most *seconds* for the end. Return whether the work is still running."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def check(self) -> None:
        """Raise the exception that ended the work, if any."""
        if self._error:
            raise self._error

    def stop(self) -> None:
        """End the work at its next pause."""
        self._stop.set()
        self._thread.join()
