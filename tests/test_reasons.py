"""The reasons of dead letters are listed in ``Reason`` alone; whatever else names them agrees."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_consumer.cli.app import app
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.telemetry import _BY_REASON, Metric
from stream_consumer.web.predict_format import answer_one
from stream_consumer.web.problems import Problem

ROOT = Path(__file__).resolve().parent.parent


def test_every_reason_has_a_metric_of_its_name() -> None:
    assert {reason: metric.label for reason, metric in _BY_REASON.items()} == {
        reason: f"DeadLetters{reason.capitalize()}" for reason in Reason
    }
    assert {metric for metric in Metric if metric.name.startswith("DEAD_LETTERS_")} == set(_BY_REASON.values())


@pytest.mark.parametrize("command", ["list", "redrive"])
def test_the_help_of_the_commands_names_every_reason(command: str) -> None:
    ran = CliRunner().invoke(app, ["dead-letters", command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert ran.exit_code == 0
    assert ", ".join(Reason) in " ".join(ran.output.replace("\u2502", " ").split())


def test_the_contract_explains_every_reason() -> None:
    [sentence] = [
        part for part in (ROOT / "docs/contract.md").read_text(encoding="utf-8").split("\n\n") if "`reason` is " in part
    ]
    assert [reason for reason in Reason if f"`{reason}`" not in sentence] == []


def test_the_dashboard_shows_every_reason() -> None:
    dashboard = (ROOT / "infra/modules/observability/dashboard.tf").read_text(encoding="utf-8")
    [listed] = re.findall(r'for reason in \[([^]]*)\] :\s+\["StreamConsumer", "DeadLetters\$\{reason\}"', dashboard)
    assert re.findall(r'"(\w+)"', listed) == [reason.capitalize() for reason in Reason]


def test_every_reason_has_a_status_on_the_web() -> None:
    """Bytes that are no JSON are a bad request; what is wrong with an event is its content."""
    statuses = {}
    for reason in Reason:
        with pytest.raises(Problem) as caught:
            answer_one(InvalidRecord(reason, "$", "detail"))
        statuses[reason.value] = int(caught.value.kind.status)
    assert statuses == {"undecodable": 400, "schema": 422, "bounds": 422, "unscorable": 422}
