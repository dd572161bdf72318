"""What libraries log and warn of reaches a log as text."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_consumer.log_escaping import escape_logs
from tests.hostile import HOSTILE, SHOWN

ROOT = Path(__file__).parents[1]
LAMBDA = "[%(levelname)s]\t%(name)s\t%(message)s\n"
"""As the runtime client of Lambda formats what a function logs."""


@contextlib.contextmanager
def escaped(*handlers: logging.Handler) -> Iterator[None]:
    """Escape logs where the root logger has just *handlers*; pytest gives it others when a test begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", list(handlers))
        patch.setattr(logging, "lastResort", logging.StreamHandler())
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)
        escape_logs()
        yield


def test_a_message_is_escaped_also_by_the_last_resort(capsys: pytest.CaptureFixture[str]) -> None:
    with escaped():
        logging.getLogger("a.library").warning("found %s\nand %s", HOSTILE, "é")
    assert capsys.readouterr().err == f"found {SHOWN}\\u000aand é\n"


def test_the_format_of_the_log_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LAMBDA))
    with escaped(handler):
        escape_logs()  # a second entry point in the same process changes nothing
        logging.getLogger("a.library").error("found %s", HOSTILE)
    assert capsys.readouterr().err == f"[ERROR]\ta.library\tfound {SHOWN}\n\n"


def raise_hostile() -> None:
    raise ValueError(HOSTILE)


def raised() -> ValueError:
    with pytest.raises(ValueError, match="owned") as caught:
        raise_hostile()
    return caught.value


def test_a_traceback_keeps_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with escaped():
        logging.getLogger("a.library").error("failed", exc_info=raised())
    first, second, *_, last = capsys.readouterr().err.splitlines()
    assert (first, second, last) == ("failed", "Traceback (most recent call last):", f"ValueError: {SHOWN}")


def test_a_warning_is_one_escaped_line() -> None:
    with escaped():
        said = warnings.formatwarning(f"unknown category {HOSTILE}\n", UserWarning, "steps.py", 7)
    assert said == f"steps.py:7: UserWarning: unknown category {SHOWN}\\u000a\n"


@pytest.mark.parametrize("entry_point", ["cli/app", "telemetry", "batch/lambda_function"])
def test_every_entry_point_asks_for_it(entry_point: str) -> None:
    """The stream's and the web's functions make the telemetry."""
    assert "    escape_logs()\n" in (ROOT / f"stream_consumer/{entry_point}.py").read_text(encoding="utf-8")
