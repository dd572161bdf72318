"""``demo``: the main job from nothing, its counts, its report, and what it says when they do not add up."""

from pathlib import Path

import pytest

import stream_consumer
from tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def rows(text: str) -> dict[str, str]:
    """Return the summary's rows by name."""
    lines = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {name.strip(): value.strip() for name, value in lines}


def test_from_nothing_it_trains_runs_and_reports(command: Command, tmp_path: Path) -> None:
    ran = command("demo", "--limit", 400, "--rate", 0, "--seed", 7)
    assert ran.code == 0, ran
    assert "There is no model yet" in ran.out
    assert rows(ran.out)["adds up"] == "yes: 400 = 400 + 0 + 0"
    assert max(map(len, ran.out.splitlines())) <= 80
    report = (tmp_path / "demo-report.html").read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") == 4
    assert "http" not in report, "the report needs nothing else"

    again = command("demo", "--limit", 100, "--rate", 0)
    assert "There is no model yet" not in again.out


def test_malformed_records_come_out_as_dead_letters_by_reason(command: Command, rides_model: Path) -> None:
    ran = command("demo", "--model", rides_model, "--limit", 300, "--rate", 0, "--malformed", "20%")
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 375 = 300 + 75 + 0"
    assert rows(ran.out)["dead letters"] == "75: 27 undecodable, 36 schema, 12 bounds"


def test_it_runs_the_function_as_lambda_does(
    command: Command, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(stream_consumer.__file__).parent.parent))  # where it is not installed
    ran = command("demo", "--model", rides_model, "--limit", 200, "--rate", 0, "--runtime", "--shards", 1)
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 200 = 200 + 0 + 0"


def test_a_model_that_does_not_load_ends_it_with_the_remedy(command: Command, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    ran = command("demo", "--model", tmp_path, "--limit", 10)
    assert ran.code == 1
    assert "signature" in ran.err
    assert "Traceback" not in ran.err


def test_no_rides_are_no_demo(command: Command) -> None:
    ran = command("demo", "--limit", 0)
    assert (ran.code, "--limit 0: wanted a number of rides, at least 1" in ran.err) == (2, True)
