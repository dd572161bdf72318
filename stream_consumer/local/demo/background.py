"""Work in a thread of its own, whose error is raised where the work is waited for."""

import threading
from collections.abc import Callable


class Stopped(Exception):
    """The work has been asked to end."""


class Background:
    """Runs *work*, which waits by ``pause``, in a daemon thread."""

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
        except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
            self._error = error

    def pause(self, seconds: float) -> None:
        """
        Wait so long, on the thread itself.

        Raises:
            Stopped: The work has been asked to end.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def running(self, seconds: float) -> bool:
        """Wait at most so long for the end; return whether the work goes on."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def check(self) -> None:
        """Raise what ended the work, if anything did."""
        if self._error:
            raise self._error

    def stop(self) -> None:
        """End the work at its next pause."""
        self._stop.set()
        self._thread.join()
