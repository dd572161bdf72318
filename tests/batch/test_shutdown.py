"""When a worker that is asked to stop has to."""

from stream_consumer.batch.shutdown import Shutdown


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
