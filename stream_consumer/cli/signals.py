"""SIGTERM and Ctrl-C, as commands that finish what they have in hand take them."""

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_consumer.worker.shutdown import Shutdown


@contextlib.contextmanager
def asking(shutdown: "Shutdown") -> Iterator[None]:
    """Let SIGTERM and Ctrl-C ask; the third one ends the process as it would any other."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(*_: object) -> None:
        if shutdown.asked:
            restore()
        shutdown.ask()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        restore()
