"""``monitor quality`` as a Lambda function: its options by environment, what it answers, what it raises."""

import json
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.cli import monitor_quality
from stream_consumer.cli.quality_function import lambda_handler
from stream_consumer.errors import ModelError, UsageError
from tests.cli.test_monitor_quality import Now, archives, champion

__all__ = ["archives"]


@pytest.fixture
def environ(archives: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what infra/modules/quality sets."""
    (archives / "champion.json").write_text(json.dumps(champion("2", 5.0)))
    for name in ("predictions", "outcomes", "events", "results"):
        monkeypatch.setenv(f"QUALITY_{name.upper()}", str(archives / name))
    monkeypatch.setenv("QUALITY_GROUP", "PULocationID")
    monkeypatch.setenv("QUALITY_CHAMPION", str(archives / "champion.json"))
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sc-test-quality-rides")
    return monkeypatch


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("environ")
def test_two_days_of_too_large_an_error_ring_and_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert lambda_handler({"day": "2026-11-20"}, None) == {"rings": False}
    first, *groups = emitted(capsys)
    assert (first["QualityRings"], first["QualityJudged"], first["service"]) == ([0], [594], "sc-test-quality-rides")
    assert [line["group"] for line in groups] == ["7", "8"]
    assert lambda_handler({"day": "2026-11-21"}, None) == {"rings": True}
    assert emitted(capsys)[0]["QualityRings"] == [1]


def test_the_schedules_event_takes_the_last_day_that_is_over(archives: Path, environ: pytest.MonkeyPatch) -> None:
    environ.setattr(monitor_quality, "datetime", Now)
    assert lambda_handler({}, None) == {"rings": False}
    assert [path.name for path in (archives / "results").iterdir()] == ["2026-11-21.json"]


def test_a_day_that_cannot_be_judged_raises(environ: pytest.MonkeyPatch, archives: Path) -> None:
    environ.setenv("QUALITY_CHAMPION", str(archives / "none" / "champion.json"))
    with pytest.raises(ModelError, match=r"champion\.json"):
        lambda_handler({"day": "2026-11-20"}, None)


def test_an_option_that_is_missing_raises(environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environ.delenv("QUALITY_OUTCOMES")
    with pytest.raises(UsageError, match="the options of monitor quality are wrong"):
        lambda_handler({}, None)
    assert "QUALITY_OUTCOMES" in capsys.readouterr().err


@pytest.mark.parametrize("event", [None, [], {"date": "2026-11-20"}, {"Records": []}, "2026-11-20"])
def test_another_event_is_refused(event: Any) -> None:
    with pytest.raises(UsageError, match="2026-11-20"):
        lambda_handler(event, None)
