"""``monitor report`` and ``watch`` as a user has them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.batch.errors import StoreFailed
from stream_consumer.cli import monitor_report, options
from stream_consumer.reporting import collect
from stream_consumer.reporting.findings import Findings
from tests.cli.conftest import Command
from tests.cli.model import linear_model
from tests.monitor.test_lambda_function import MODEL, rides
from tests.reporting.days import TODAY, errors, profile_of, put_result, put_window


@pytest.fixture
def _kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles and results in a folder; the command loads the model that has counted them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "chosen_model", lambda _location, _s3: MODEL)
    put_window(Path("profiles"), TODAY, 1, profile_of(rides(900, seed=1)), 903)
    put_result(Path("quality"), TODAY - timedelta(days=1), 6.0, {"74": errors(7.0)})


KEPT = ("--profiles", "profiles", "--results", "quality")


@pytest.mark.usefixtures("_kept")
def test_the_report_is_one_page(command: Command) -> None:
    ran = command("monitor", "report", *KEPT, "--until", str(TODAY), "-o", "page.html")
    assert (ran.code, ran.out) == (0, "report: page.html\n"), ran.err
    page = Path("page.html").read_text()
    assert "2026-11-15 to 2026-11-21" in page
    assert "Worst groups" in page


@pytest.mark.usefixtures("_kept")
def test_a_report_without_windows_says_so(command: Command) -> None:
    ran = command("monitor", "report", "--profiles", "empty", "--until", str(TODAY))
    assert (ran.code, ran.out) == (0, "report: monitor.html\n"), ran.err
    assert ran.err == "no window of this model is in empty, from 2026-11-15 to 2026-11-21\n"


@pytest.mark.usefixtures("_kept")
def test_what_rings_is_said_and_is_the_exit_code(command: Command) -> None:
    put_window(Path("profiles"), TODAY, 20, profile_of(rides(9_000, seed=1, kilometres=True)), 9_003)
    put_result(Path("quality"), TODAY, 6.0, {}, rings=("rides 3",))
    ran = command("monitor", "report", *KEPT, "--until", str(TODAY))
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "trip_distance drifts over the period.",
        "prediction drifts over the period.",
        f"trip_distance drifts on {TODAY}.",
        f"prediction drifts on {TODAY}.",
        f"The error of rides 3 is too large on {TODAY} and the day before.",
        "report: monitor.html",
    ]


@pytest.mark.usefixtures("_kept")
def test_watch_shows_today_and_the_last_errors(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Today(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Today":
            assert tz is UTC
            return cls(2026, 11, 21, 12, 30, tzinfo=UTC)

    monkeypatch.setattr(monitor_report, "datetime", Today)
    ran = command("monitor", "watch", *KEPT, "--once")
    assert ran.code == 0, ran.err
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[:3] == [
        "at 2026-11-21 12:30:00 UTC",
        f"model {MODEL.name} {MODEL.version}",
        "windows today 1, 0 of other models",
    ]
    assert lines[3] == "records 903, 1 invalid, 2 not profiled"
    assert lines[4] == "error of 2026-11-20 RMSE 6.00, MAE 3.00, bias -0.50, 50.0% judged"
    assert _verdicts(lines) == dict.fromkeys(COLUMNS, "none yet too few hours")
    assert max(map(len, ran.out.splitlines())) <= 80

    put_window(Path("profiles"), TODAY, 20, profile_of(rides(900, seed=2)), 903)
    evening = command("monitor", "watch", *KEPT, "--once")
    assert _verdicts(evening.out.splitlines()) == dict.fromkeys(COLUMNS, "size 0.2, z 5 as in training")


COLUMNS = ("PULocationID", "DOLocationID", "trip_distance", "prediction")


def _verdicts(lines: list[str]) -> dict[str, str]:
    """Return the limits and the verdict of each column."""
    cells = [line.split() for line in lines[-4:]]
    return {column: " ".join(rest) for column, _rows, _size, _z, *rest in cells}


@pytest.mark.usefixtures("_kept")
def test_watch_looks_again_until_it_is_interrupted(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(monitor_report, "sleep", sleep)
    ran = command("monitor", "watch", *KEPT, "--every", 5)
    assert (ran.code, slept, ran.out.count("windows today")) == (130, [5, 5, 5], 3)


@pytest.mark.usefixtures("_kept")
def test_a_look_that_fails_is_no_end_but_for_the_first(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([None, StoreFailed("S3 is throttled"), None, KeyboardInterrupt()])
    collected = collect.collect

    def failing(*what: Any, **how: Any) -> Findings:
        if fault := next(looks):
            raise fault
        return collected(*what, **how)

    monkeypatch.setattr(collect, "collect", failing)
    monkeypatch.setattr(monitor_report, "sleep", lambda _: None)
    ran = command("monitor", "watch", *KEPT)
    assert (ran.code, ran.err, ran.out.count("windows today")) == (130, "warning: S3 is throttled\n", 2)
    looks = iter([StoreFailed("no such bucket")])
    first = command("monitor", "watch", *KEPT)
    assert (first.code, first.err) == (1, "error: no such bucket\n")


def test_a_model_without_a_reference_is_refused_with_the_remedy(command: Command, tmp_path: Path) -> None:
    model = linear_model(tmp_path / "model")
    page = tmp_path / "page.html"
    ran = command("monitor", "report", "--profiles", tmp_path, "--model", model, "-o", page)
    assert ran.code == 1
    assert "has no reference profile to compare rows with; train it again" in ran.err.replace("\n", " ")
    assert not page.exists()
