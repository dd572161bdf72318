"""What a display of progress leaves on a terminal of 80 columns."""

import contextlib
import io
from collections.abc import Callable

import pytest

from stream_consumer.cli.progress import bar, row_bar, run_bars, stages
from stream_consumer.errors import UsageError
from tests.cli.terminal import Tty

Display = Callable[[], contextlib.AbstractContextManager[object]]


def is_finished(line: str, label: str, count: str) -> bool:
    """Whether *line* has no spinner, a full bar and a count of all."""
    words = line.split()
    return not line[0].strip() and words[0] == label and words[-2] == count and set(words[1]) == {"━"}


def test_rows_that_nobody_could_count_before_are_all_of_them_in_the_end(tty: Tty) -> None:
    with contextlib.redirect_stderr(tty), row_bar("customers.csv") as show:
        show(400, None)
        show(1000, None)
    [line] = tty.lines()
    assert is_finished(line, "customers.csv", "1000/1000"), line


@pytest.mark.parametrize("steps", [[], [831]])
def test_so_are_steps_that_nobody_could_count(tty: Tty, steps: list[int]) -> None:
    with contextlib.redirect_stderr(tty), bar("replaying", None) as advance:
        for number in steps:
            advance(number)
    [line] = tty.lines()
    assert is_finished(line, "replaying", f"{sum(steps)}/{sum(steps)}"), line


@pytest.mark.parametrize("display", [lambda: bar("replaying", 10), lambda: row_bar("customers.csv"), run_bars])
@pytest.mark.parametrize("failure", [UsageError("no"), KeyboardInterrupt()])
def test_what_fails_leaves_no_bar_beside_its_error(tty: Tty, display: Display, failure: BaseException) -> None:
    with pytest.raises(type(failure)), contextlib.redirect_stderr(tty), display():
        raise failure
    assert "0/" in tty.getvalue(), "it was shown until then"
    assert tty.lines() == []


@pytest.mark.parametrize("display", [lambda: bar("replaying", 10), lambda: row_bar("customers.csv"), run_bars, stages])
def test_what_fails_leaves_nothing_in_a_file(display: Display) -> None:
    """Not even an empty line before its error."""
    file = io.StringIO()
    with pytest.raises(UsageError), contextlib.redirect_stderr(file), display():
        raise UsageError("no")
    assert file.getvalue() == ""
