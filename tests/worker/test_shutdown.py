"""When a worker that is asked to stop has to."""

import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from stream_consumer.worker.shutdown import Shutdown


def test_the_first_request_leaves_a_grace_and_the_second_none() -> None:
    now = [100.0]
    shutdown = Shutdown(20.0, lambda: now[0])
    assert (shutdown.asked, shutdown.overdue) == (False, False)
    shutdown.ask()
    now[0] = 119.9
    assert (shutdown.asked, shutdown.overdue) == (True, False)
    now[0] = 120.0
    assert shutdown.overdue
    now[0] = 100.0
    shutdown.ask()
    assert shutdown.overdue


def test_nobody_waits_who_was_asked_to_stop() -> None:
    shutdown = Shutdown(20.0)
    shutdown.ask()
    shutdown.wait(3600)


def test_a_wait_ends_within_a_second_of_the_request() -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            shutdown.ask()

    shutdown = Shutdown(20.0, sleep=sleep)
    shutdown.wait(3600)
    assert slept == [1, 1, 1]
    unasked = Shutdown(20.0, sleep=slept.append)
    unasked.wait(10)
    assert slept[3:] == [1] * 10


@pytest.mark.parametrize("act", [Shutdown.ask, lambda shutdown: shutdown.wait(2)], ids=["ask", "wait"])
def test_a_signal_may_come_at_any_line(act: Callable[[Shutdown], None]) -> None:
    """Its handler runs in the midst of what it interrupts: neither waits for the other, and no request is lost."""
    at = 0
    while True:
        shutdown = Shutdown(20.0, lambda: 100.0, lambda _: None)
        if not interrupted(partial(act, shutdown), shutdown.ask, at):
            break
        assert shutdown.asked
        assert shutdown.overdue is (act is Shutdown.ask)
        at += 1
    assert at > 1


def interrupted(act: Callable[[], None], handler: Callable[[], None], at: int) -> bool:
    """Run *act*, and *handler* before the line of it that comes after *at* others; whether there is such a line."""
    lines = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        if event == "line":
            if lines == at:
                handler()
            lines += 1
        return trace

    def traced() -> None:
        sys.settrace(trace)
        try:
            act()
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=traced, daemon=True)  # lest the test wait for what waits for itself
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), f"a signal before line {at} is never over"
    return lines > at
