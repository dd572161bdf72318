"""The monthly job of docs/batch.md: its unit, its timer and its crontab line, as they stand there."""

import configparser
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_consumer.batch.schedule import Schedule

DOCS = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
COMMAND = ["/opt/stream-consumer/bin/stream-consumer", "batch", "--resume"]


def block(language: str, at: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return found[at]


class Unit(configparser.RawConfigParser):
    """A file of systemd, which tells capitals apart."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(at: int) -> Unit:
    parsed = Unit()
    parsed.read_string(block("ini", at))
    return parsed


@pytest.fixture
def variables() -> dict[str, str]:
    return dict(line.split("=", 1) for line in block("sh").splitlines())


def test_the_variables_name_the_month_that_ended_last(variables: dict[str, str]) -> None:
    schedule = Schedule.of(variables, datetime(2021, 4, 1, 4, tzinfo=UTC))
    assert schedule.names.fill(schedule.source) == "s3://taxi/rides/2021-03.parquet"
    assert schedule.names.fill(schedule.target) == "s3://taxi/predictions/2021-03.parquet"


def test_the_units_have_what_systemd_knows() -> None:
    service, timer = unit(0), unit(1)
    assert shlex.split(service["Service"]["ExecStart"]) == COMMAND
    assert service["Service"]["Type"] == "oneshot"
    assert re.fullmatch(r"\*-\*-\d\d \d\d:\d\d:\d\d UTC", timer["Timer"]["OnCalendar"])
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program in place of ours, since systemd looks whether it is there."""
    program = shutil.which("true") or "/bin/true"
    for name, at in (("service", 0), ("timer", 1)):
        (tmp_path / f"stream-consumer-batch.{name}").write_text(block("ini", at).replace(COMMAND[0], program))
    units = [str(path) for path in tmp_path.iterdir()]
    ran = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)  # noqa: S603, S607 (ours)
    told = [line for line in ran.stderr.splitlines() if "stream-consumer-batch" in line]
    assert (ran.returncode, told) == (0, [])


def test_the_crontab_line_has_the_fields_of_a_system_crontab(tmp_path: Path, variables: dict[str, str]) -> None:
    *when, user, said = block("crontab").strip().split(None, 6)
    ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    assert len(when) == 5
    assert all(field == "*" or least <= int(field) <= most for field, (least, most) in zip(when, ranges, strict=True))
    assert user == "stream-consumer"
    assert not re.search(r"(?<!\\)%", said), "cron takes it for the end of the command"
    (tmp_path / "batch.env").write_text(block("sh"))
    (tmp_path / "flock").write_text('#!/bin/sh\nshift 2\necho "$@"\nenv\n')
    (tmp_path / "flock").chmod(0o755)
    script = said.replace("/etc/stream-consumer/batch.env", str(tmp_path / "batch.env"))
    ran = subprocess.run(  # noqa: S603 (the line of our page, by the shell that cron takes)
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    lines = ran.stdout.splitlines()
    assert lines[0].split() == COMMAND
    assert [name for name, value in variables.items() if f"{name}={value}" not in lines] == []
