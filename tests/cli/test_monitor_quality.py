"""``monitor quality`` as a user has it: archives, a day, a result, and what rings."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.aws.clients import Clients
from stream_consumer.cli import monitor_quality
from tests.cli.conftest import Command

RIDES = 600


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days of predictions of version 2, which are 6 minutes too long."""
    monkeypatch.chdir(tmp_path)
    for day in ("2026/11/20", "2026/11/21"):
        ids = [f"{day} {at}" for at in range(RIDES)]
        write(f"predictions/{day}/05/x.gz", [predicted(16.0, one) for one in ids])
        write(f"outcomes/{day}/07/x.gz", [{"ride_id": one, "ride_duration": 10.0} for one in ids[:-6]])
        write(
            f"events/{day}/05/x.gz",
            [{"ride": {"PULocationID": 7 + at % 2}, "ride_id": one} for at, one in enumerate(ids)],
        )
    return tmp_path


def predicted(value: float, ride_id: str) -> dict[str, Any]:
    prediction = {"ride_duration": value, "ride_id": ride_id}
    return {"model": "ride-duration", "version": "2", "prediction": prediction, "event_id": f"shardId-1:{ride_id}"}


def write(path: str, records: list[Any]) -> None:
    Path(path).parent.mkdir(parents=True)
    Path(path).write_bytes(gzip.compress("\n".join(map(json.dumps, records)).encode()))


QUALITY = ("monitor", "quality", "--predictions", "predictions", "--outcomes", "outcomes", "--results", "results")


@pytest.mark.usefixtures("archives")
def test_the_second_day_of_too_large_an_error_rings(command: Command) -> None:
    Path("champion.json").write_text(json.dumps(champion("3", 5.0) | {"previous": champion("2", 5.0)}))
    first = command(*QUALITY, "--day", "2026-11-20", "--champion", "champion.json")
    assert first.code == 0, first.err
    assert "rings" not in first.err
    second = command(*QUALITY, "--day", "2026-11-21", "--champion", "champion.json")
    assert second.code == 1
    assert second.err.endswith("ride-duration 2 rings: its error is too large on 2026-11-21 and on the day before\n")
    lines = [" ".join(line.split()) for line in second.out.splitlines()]
    assert lines == [
        "day 2026-11-21",
        "predictions 600 (0 duplicates left out)",
        "judged 594, 99.0%: 6 outcomes missing, 0 late",
        "outcomes 0 duplicates, 0 malformed",
        "errors RMSE 6.00, MAE 6.00, bias 6.00",
        "ride-duration 2 RMSE 6.00, MAE 6.00, bias 6.00; 1.20 times the registered",
        "error",
    ]
    assert sorted(path.name for path in Path("results").iterdir()) == ["2026-11-20.json", "2026-11-21.json"]
    assert json.loads(Path("results/2026-11-21.json").read_text())["rings"] == ["ride-duration 2"]


@pytest.mark.usefixtures("archives")
@pytest.mark.parametrize("registered", [("--rmse", "5.3"), (), ("--accuracy", "0.5")])
def test_an_error_as_registered_does_not_ring(command: Command, registered: tuple[str, ...]) -> None:
    for day in ("2026-11-20", "2026-11-21"):
        ran = command(*QUALITY, "--day", day, *registered)
        assert (ran.code, "rings" in ran.err) == (0, False), ran.err


@pytest.mark.usefixtures("archives")
def test_the_result_is_printed_as_metrics_with_groups(command: Command) -> None:
    groups = ("--events", "events", "--group", "PULocationID", "--emf", "--rmse", "5")
    ran = command(*QUALITY, "--day", "2026-11-21", *groups)
    assert ran.code == 0, ran.err
    overall, *grouped = map(json.loads, ran.out.splitlines())
    values = {name: value[0] for name, value in overall.items() if name.startswith("Quality")}
    assert values == {
        "QualityJudged": 594,
        "QualityCoverage": 0.99,
        "QualityRmse": 6.0,
        "QualityMae": 6.0,
        "QualityBias": 6.0,
        "QualityMissing": 6,
        "QualityLate": 0,
        "QualityRings": 0,
        "QualityExcess": 1.2,
    }
    assert [(one["group"], one["QualityCoverage"], one["QualityRmse"]) for one in grouped] == [
        ("7", [0.99], [6.0]),
        ("8", [0.99], [6.0]),
    ]


@pytest.mark.usefixtures("archives")
def test_archives_and_results_may_be_on_s3(mocked_aws: Clients, command: Command) -> None:
    for path in [*Path("predictions").rglob("*.gz"), *Path("outcomes").rglob("*.gz")]:
        mocked_aws.s3.upload_file(str(path), "ride-failures", f"archive/{path}")
    there = "s3://ride-failures/archive"
    ran = command(
        *("monitor", "quality", "--predictions", f"{there}/predictions", "--outcomes", f"{there}/outcomes/"),
        *("--results", f"{there}/results", "--day", "2026-11-21", "--json"),
    )
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["errors"]["rmse"] == 6.0
    kept = mocked_aws.s3.get_object(Bucket="ride-failures", Key="archive/results/2026-11-21.json")["Body"].read()
    assert json.loads(kept) == json.loads(ran.out)


@pytest.mark.usefixtures("archives")
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--day", "2026-11-21T01:00:00Z"), "--day '2026-11-21T01:00:00Z' is not a date of the years 1971 to 9997"),
        (("--day", "soon"), "--day 'soon' is not a time, wanted 2026-11-21"),
        (("--group", "PULocationID"), "--events and --group go together"),
        (("--events", "events", "--group", "x", "--id-field", ""), "--group needs an identifier in the events"),
        (("--champion", "champion.json", "--rmse", "5"), "--champion already has the registered errors"),
        (("--json", "--emf"), "--json and --emf cannot be combined"),
        (("--wait", "31d"), "--wait '31d' is not a duration of 1s to 30d"),
    ],
)
def test_options_that_do_not_fit_are_refused(command: Command, wrong: tuple[str, ...], why: str) -> None:
    ran = command(*QUALITY, *wrong)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.replace("\n", " ").startswith(f"error: {why}")
    assert not Path("results").exists()


class Now(datetime):
    """Half past midnight, so a day whose outcomes have 24 hours is over for half an hour."""

    @classmethod
    def now(cls, tz: object = None) -> "Now":
        assert tz is UTC
        return cls(2026, 11, 23, 0, 30, tzinfo=UTC)


@pytest.mark.usefixtures("archives")
@pytest.mark.parametrize(("wait", "day"), [("24h", "2026-11-21"), ("25h", "2026-11-20")])
def test_the_last_day_whose_outcomes_are_in_time_is_judged(
    command: Command, monkeypatch: pytest.MonkeyPatch, wait: str, day: str
) -> None:
    monkeypatch.setattr(monitor_quality, "datetime", Now)
    ran = command(*QUALITY, "--wait", wait, "--json")
    assert json.loads(ran.out)["day"] == day
    assert "still to come" not in ran.err
    early = command(*QUALITY, "--wait", "25h", "--day", "2026-11-21")
    assert early.err.startswith("warning: outcomes of 2026-11-21 are still to come, until 25h after the day")


def champion(version: str, rmse: float) -> dict[str, Any]:
    return {"version": version, "digest": "d" * 64, "metrics": {"rmse": rmse}}
