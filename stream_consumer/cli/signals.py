"""Ctrl-C and SIGTERM in commands that finish the work at hand."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stream_consumer.cli.terminal import complain

if TYPE_CHECKING:
    from stream_consumer.worker.shutdown import Shutdown


@contextlib.contextmanager
def asking(shutdown: "Shutdown") -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask *shutdown*. The third signal ends the process as in any other command."""

    def ask(_: int, restore: Callable[[], None]) -> None:
        if shutdown.asked:
            restore()
        shutdown.ask()

    with _handling(ask):
        yield


@contextlib.contextmanager
def finishing(what: str) -> Iterator[Callable[[], int]]:
    """
    Let a first Ctrl-C or SIGTERM only ask to stop after *what*. A second one stops at once.

    The value given returns the exit code of the signal that asked, or 0.
    """
    codes: list[int] = []

    def ask(number: int, restore: Callable[[], None]) -> None:
        restore()
        codes.append(128 + number)
        complain(f"stopping after {what}; Ctrl-C again stops at once")

    with _handling(ask):
        yield lambda: codes[0] if codes else 0


@contextlib.contextmanager
def _handling(handle: Callable[[int, Callable[[], None]], None]) -> Iterator[None]:
    """Hand both signals to *handle*, with a function that restores the handlers before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, lambda number, _: handle(number, restore))
    try:
        yield
    finally:
        restore()
