"""A write to MLflow is not interrupted by the first signal."""

import os
import signal
from collections.abc import Iterator

import pytest

from stream_consumer.errors import Terminated
from stream_consumer.training.interruption import uninterrupted


def terminate(*_: object) -> None:
    raise Terminated


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def write(written: list[str], *signals: int) -> None:
    with uninterrupted():
        for number in signals:
            os.kill(os.getpid(), number)
        written.append("metrics")


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_the_first_signal_waits_until_the_block_ends(number: int, error: type[BaseException]) -> None:
    written: list[str] = []
    with pytest.raises(error):
        write(written, number)
    assert written == ["metrics"]


def test_a_second_signal_interrupts_the_block() -> None:
    """A server that does not answer would otherwise keep the command."""
    written: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        write(written, signal.SIGINT, signal.SIGINT)
    assert written == []


def test_without_a_signal_the_handlers_are_those_before() -> None:
    with uninterrupted():
        assert signal.getsignal(signal.SIGTERM) is not terminate
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == (
        signal.default_int_handler,
        terminate,
    )


def test_an_ignored_signal_stays_ignored() -> None:
    """As in a background job of a shell, or behind nohup."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
