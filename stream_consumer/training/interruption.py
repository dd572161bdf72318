"""Interrupting a training between its writes to MLflow, and not within a write."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """
    Let a first Ctrl-C or SIGTERM wait until the block ends. A second one interrupts the block.

    An interrupted write can leave MLflow's database locked. The run then stays open, since its end is a write, too.
    """
    if threading.current_thread() is not threading.main_thread():  # the other threads get no signals
        yield
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    waiting: list[tuple[signal.Signals, FrameType | None]] = []

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        restore()
        waiting.append((signal.Signals(number), frame))

    for number in handlers:
        signal.signal(number, wait)
    try:
        yield
    finally:
        restore()
        for signalled, frame in waiting:
            handlers[signalled](signalled, frame)
