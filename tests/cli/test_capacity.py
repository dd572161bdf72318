"""``capacity``: the estimate of docs/capacity.md from the command line."""

from tests.cli.conftest import Command


def test_the_page_s_example_fits_a_terminal(command: Command) -> None:
    options = ("--event-bytes", 150, "--invocation-ms", 40, "--record-us", 1500, "--batch-size", 500)
    ran = command("capacity", 800, "--peak", 2500, *options, "--burst-minutes", 15, "--outage-minutes", 30)
    assert ran.code == 0, ran
    assert "concurrency to reserve  6" in ran.out
    assert "3,797 events/s" in ran.out
    assert "after an outage" in ran.out
    assert "480 s to catch up" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_values_that_make_no_sense_are_named(command: Command) -> None:
    ran = command("capacity", 800, "--peak", 10)
    assert (ran.code, "below the average of 800" in ran.err) == (2, True)
