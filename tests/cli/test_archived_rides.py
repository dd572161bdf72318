"""A ride's way through the commands to its error: put, consumed, archived, and compared with what came true."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.conftest import RIDES, Command


def test_rides_that_were_archived_have_the_errors_of_their_predictions(  # noqa: PLR0913, PLR0917 (fixtures)
    command: Command,
    aws: EmbeddedAws,
    rides_file: Path,
    rides_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    there = ("--endpoint-url", aws.endpoint_url)
    begin = datetime.now(UTC).date()
    assert command("put", rides_file, *there).code == 0
    assert command("consume", "--drain", "--poll", "0.05", *there).code == 0
    for stream, archive in (("ride_events", "events"), ("ride_predictions", "predictions")):
        ran = command("archive", "--stream", stream, "--to", archive, "--no-follow", *there)
        assert ran.err.startswith(f"{RIDES} records of {stream} archived in "), ran.err
    tailed = command("tail", "--from", "TRIM_HORIZON", "--no-follow", "--json", *there)
    predicted = {one["ride_id"]: one["ride_duration"] for one in _predictions(tailed.out)}
    # Each ride took two minutes less than was predicted, but for one whose outcome never came.
    outcomes = [{"ride_id": ride_id, "ride_duration": minutes - 2} for ride_id, minutes in predicted.items()]
    Path("outcomes.ndjson").write_text("\n".join(map(json.dumps, outcomes[1:])))

    ran = command(
        *("monitor", "quality", "--predictions", "predictions", "--outcomes", "outcomes.ndjson", "--day", str(begin)),
        *("--results", "results", "--events", "events", "--group", "PULocationID", "--json"),
    )

    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert (result["errors"]["predictions"], result["errors"]["judged"]) == (RIDES, RIDES - 1)
    assert result["errors"]["rmse"] == pytest.approx(2)
    assert result["errors"]["bias"] == pytest.approx(2)
    zones = {str(zone) for zone in synthetic_rides(RIDES, seed=5).PULocationID}
    assert {one["group"] for one in result["groups"]} == zones


def _predictions(out: str) -> list[dict[str, float]]:
    return [json.loads(line)["prediction"] for line in out.splitlines()]
