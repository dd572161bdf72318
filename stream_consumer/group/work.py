"""A batch at work in a thread of its own, so that the member can poll while the model is slow."""

import threading
from collections.abc import Callable
from typing import Protocol

from stream_consumer.consumer import BatchResult


class Work(Protocol):
    """A batch that is scored and written."""

    def wait(self, seconds: float) -> bool:
        """Wait for the end for at most *seconds*. Return whether it has come."""

    def result(self) -> BatchResult:
        """Return the result of the batch, or raise its exception."""


Start = Callable[[Callable[[], BatchResult]], Work]


class WorkThread:
    """
    One thread for the work of every batch.

    The thread is a daemon, so a process that must stop at once does not wait for a batch that hangs.
    """

    def __init__(self) -> None:
        self._wanted = threading.Semaphore(0)
        self._work: _ThreadWork | None = None
        self._thread: threading.Thread | None = None

    def start(self, call: Callable[[], BatchResult]) -> Work:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="batch", daemon=True)
            self._thread.start()
        self._work = work = _ThreadWork(call)
        self._wanted.release()
        return work

    def _serve(self) -> None:
        while True:
            self._wanted.acquire()
            if self._work:
                self._work.run()


class _ThreadWork:
    def __init__(self, call: Callable[[], BatchResult]) -> None:
        self._call = call
        self._done = threading.Event()
        self._result: BatchResult | BaseException

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 (``result`` raises it again)
            self._result = error
        self._done.set()

    def wait(self, seconds: float) -> bool:
        return self._done.wait(seconds)

    def result(self) -> BatchResult:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result
