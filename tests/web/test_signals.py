"""What the parent of the workers notes of its signals; tests/process/test_web_workers.py sends them to a process."""

import signal

import pytest

from stream_consumer.web.signals import Signals, StopAsked

pytestmark = pytest.mark.usefixtures("signal_handlers")


@pytest.fixture
def signals() -> Signals:
    signals = Signals()
    signals.handle()
    return signals


def test_signals_to_stop_are_told_one_by_one_and_the_first_is_remembered(signals: Signals) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    assert [signals.stop(), signals.stop(), signals.stop(), signals.stopped_by] == [2, 15, 0, 2]


def test_however_often_sighup_came_it_is_one_reload(signals: Signals) -> None:
    with signals.ending_it():
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
    assert [signals.reload(), signals.reload(), signals.stopped_by] == [True, False, 0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_ends_the_loading_and_the_next_one_not_the_tidying_up(
    signals: Signals, number: signal.Signals
) -> None:
    done = []

    def load() -> None:
        try:
            signal.raise_signal(number)
            done.append("loaded")
        finally:
            signal.raise_signal(number)
            done.append("tidied up")

    with pytest.raises(StopAsked), signals.ending_it():
        load()
    assert done == ["tidied up"]
    assert [signals.stop(), signals.stop()] == [number, number]


def test_one_that_came_before_ends_it_at_once(signals: Signals) -> None:
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StopAsked), signals.ending_it():
        raise AssertionError("nothing is loaded")
