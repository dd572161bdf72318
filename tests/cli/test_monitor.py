"""The monitoring function as a user tries it: a model that is signed with a reference, `consume`, and S3."""

import json
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.monitor import lambda_function
from stream_consumer.monitor.profile_archive import WindowProfile
from tests.cli.conftest import Command
from tests.cli.model import linear_model
from tests.rides import ride_event

HANDLER = "stream_consumer.monitor.lambda_function.lambda_handler"
RECORDS = 60


@pytest.fixture
def signed_model(command: Command, tmp_path: Path) -> Path:
    reference = tmp_path / "reference.ndjson"
    reference.write_bytes(b"\n".join(ride_event(at, pickup=1 + at % 9, distance=at / 10) for at in range(200)))
    signed = tmp_path / "signed"
    model = linear_model(tmp_path / "model")
    ran = command("model", "sign", model, "--example", reference, "--reference", reference, "-o", signed)
    assert ran.code == 0, ran.err
    return signed


def test_consume_profiles_the_windows_of_a_stream(
    command: Command, aws: EmbeddedAws, signed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = aws.clients()
    clients.kinesis.create_stream(StreamName="profiled", ShardCount=1)
    clients.kinesis.put_records(
        StreamName="profiled",
        Records=[{"Data": ride_event(at), "PartitionKey": "1"} for at in range(RECORDS)],
    )
    lambda_function._handler.cache_clear()  # noqa: SLF001
    monkeypatch.setenv("MODEL_LOCATION", str(signed_model))
    monkeypatch.setenv("PROFILE_BUCKET", "ride-failures")

    ran = command(
        *("consume", "--stream", "profiled", "--function", HANDLER, "--tumbling-window", 900, "--batch-size", 25),
        *("--drain", "--poll", "0.05", "--endpoint-url", aws.endpoint_url),
    )

    assert ran.code == 0, ran.err
    listed = clients.s3.list_objects_v2(Bucket="ride-failures", Prefix="profiles/")["Contents"]
    bodies = [clients.s3.get_object(Bucket="ride-failures", Key=one["Key"])["Body"].read() for one in listed]
    windows = [WindowProfile.decode(body) for body in bodies]
    assert sum(window.records for window in windows) == RECORDS  # of two windows, if a quarter of an hour ended
    assert all(f"profiles/{window.key}" == one["Key"] for window, one in zip(windows, listed, strict=True))
    assert measured(ran.err, "MonitorRecords") == RECORDS


def measured(err: str, name: str) -> float:
    lines = map(json.loads, filter(lambda line: line.startswith("{"), err.splitlines()))
    return sum(float(line[name][0]) for line in lines if name in line)
