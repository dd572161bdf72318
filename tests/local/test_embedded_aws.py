"""The embedded emulator: started, filled, used by a mapping end to end, and always stopped."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stream_consumer.aws.clients import Clients, connect, default_client
from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.demo import embedded_aws
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Tally
from stream_consumer.local.mapping.on_failure import S3Destination
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from tests.local.fakes import ScriptedFunction, fail

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(streams={"rides": 3, "failing": 1}, buckets=["failures"]) as running:
        yield running


def answers(endpoint_url: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint_url, timeout=1):  # noqa: S310 - loopback
            return True
    except OSError:
        return False


def put(clients: Clients, stream: str, count: int) -> None:
    records = [{"Data": str(number).encode(), "PartitionKey": str(number % 50)} for number in range(count)]
    for begin in range(0, count, 500):
        response = clients.kinesis.put_records(StreamName=stream, Records=records[begin : begin + 500])  # type: ignore[arg-type]
        assert response["FailedRecordCount"] == 0


def test_streams_and_buckets_are_there(aws: EmbeddedAws) -> None:
    clients = aws.clients()

    assert len(clients.kinesis.list_shards(StreamName="rides")["Shards"]) == 3
    assert [bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]] == ["failures"]
    assert aws.endpoint_url.startswith("http://127.0.0.1:")
    assert aws.environment["AWS_ENDPOINT_URL"] == aws.endpoint_url


def test_rides_go_through_real_workers(aws: EmbeddedAws) -> None:
    """Put, read from three shards, invoked in worker processes, settled: every record once."""
    clients, tally = aws.clients(), Tally()
    put(clients, "rides", 2000)
    config = FunctionConfig("handlers.succeed", task_root=HERE)
    with RuntimeFunction(config, environment=dict(os.environ) | aws.environment, environments=3) as function:
        mapping = EventSourceMapping(
            clients.kinesis,
            function,
            MappingConfig(stream_name="rides", batch_size=500, report_batch_item_failures=True),
            observer=tally,
            pace=Pace(poll_seconds=0.05),
        )
        mapping.drain()
        mapping.run()

    assert tally.counts.records_settled == 2000
    assert tally.counts.errors == 0


def test_what_is_given_up_is_found_in_the_bucket(aws: EmbeddedAws) -> None:
    clients = aws.clients()
    put(clients, "failing", 3)
    mapping = EventSourceMapping(
        clients.kinesis,
        ScriptedFunction(ever_after=lambda _: fail()),
        MappingConfig(stream_name="failing", maximum_retry_attempts=0),
        on_failure=S3Destination(clients.s3, "failures"),
        pace=Pace(poll_seconds=0.05),
    )
    mapping.drain()
    mapping.run()

    [found] = clients.s3.list_objects_v2(Bucket="failures")["Contents"]
    document = json.loads(clients.s3.get_object(Bucket="failures", Key=found["Key"])["Body"].read())
    assert found["Key"].startswith(f"aws/lambda/{mapping.uuid}/shardId-000000000000/")
    assert [record["kinesis"]["data"] for record in json.loads(document["payload"])["Records"]] == [
        "MA==",
        "MQ==",
        "Mg==",
    ]


def test_it_is_stopped_whatever_happens_inside() -> None:
    with suppress(ZeroDivisionError), EmbeddedAws() as running:
        assert answers(f"{running.endpoint_url}/_ministack/health")
        raise ZeroDivisionError

    assert not answers(f"{running.endpoint_url}/_ministack/health")


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} on 127\.0\.0\.1 is taken"), EmbeddedAws(port=port):
            pass


def test_a_bucket_that_cannot_be_made_is_named_and_the_emulator_stopped() -> None:
    made = EmbeddedAws(buckets=["No_Bucket"])

    with pytest.raises(UsageError, match=r"bucket 'No_Bucket' cannot be made: .*InvalidBucketName"), made:
        pass
    assert not answers(f"{made.endpoint_url}/_ministack/health")


def test_an_emulator_that_does_not_start_shows_its_last_lines() -> None:
    program = (sys.executable, "-c", "import sys; print('the reason'); sys.exit(1)")

    with pytest.raises(LocalPlatformError, match=r"the emulator did not start on http://.*: the reason"):
        EmbeddedAws(program=program).__enter__()


def test_an_emulator_that_does_not_answer_in_time_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_aws, "START_SECONDS", 0.1)
    program = (sys.executable, "-c", "import time; time.sleep(60)")

    with pytest.raises(LocalPlatformError, match=r"did not answer within 0 s .*: \(it wrote nothing\)"):
        EmbeddedAws(program=program).__enter__()


def test_an_emulator_that_is_not_installed_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_aws.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]

    with pytest.raises(UsageError, match=r"ministack is not installed"):
        EmbeddedAws().__enter__()


def test_waiting_ends_when_the_emulator_dies() -> None:
    with EmbeddedAws() as running:
        pid = int(next(iter(pids_of("ministack", running.endpoint_url))))
        threading.Timer(0.1, os.kill, (pid, 9)).start()
        with pytest.raises(LocalPlatformError, match="the emulator ended; its last lines"):
            running.wait()


def test_it_dies_with_its_parent_however_that_dies(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\nfrom stream_consumer.local.demo.embedded_aws import EmbeddedAws\n"
        "with EmbeddedAws() as aws:\n    print(aws.endpoint_url, flush=True)\n    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as parent:  # noqa: S603
        assert parent.stdout is not None
        health = parent.stdout.readline().decode().strip() + "/_ministack/health"
        assert answers(health)
        parent.kill()

    for _ in range(200):
        if not answers(health):
            break
        threading.Event().wait(0.05)
    assert not answers(health)


def pids_of(program: str, endpoint_url: str) -> Iterator[str]:
    """Processes of *program* that were told to listen where *endpoint_url* says."""
    port = f"GATEWAY_PORT={endpoint_url.rpartition(':')[2]}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if program.encode() in (process / "cmdline").read_bytes() and port in (process / "environ").read_bytes():
                yield process.name


# Clients


def test_a_loopback_endpoint_needs_neither_credentials_nor_region() -> None:
    clients = connect(environ={}, endpoint_url="http://localhost:4566")

    assert clients.kinesis.meta.region_name == "us-east-1"
    assert clients.sqs.meta.endpoint_url == "http://localhost:4566"


@pytest.mark.parametrize("endpoint_url", [None, "https://example.com", "http://10.0.0.1:4566"])
def test_elsewhere_a_region_is_needed(endpoint_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    with pytest.raises(UsageError, match="no AWS region: pass --region"):
        connect(environ={}, endpoint_url=endpoint_url)


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
    ],
)
def test_both_variables_of_a_region_count(
    environ: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """infra/README.md names AWS_REGION, as Terraform does. boto3 alone reads only the other variable."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert connect(environ=environ).kinesis.meta.region_name == region
    assert default_client("kinesis").meta.region_name == region


def test_a_region_that_is_given_is_taken() -> None:
    assert connect(environ={}, region="eu-west-1").kinesis.meta.region_name == "eu-west-1"


def test_an_unknown_profile_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    with pytest.raises(UsageError, match=r"profile \(nobody\) could not be found.*aws configure list-profiles"):
        connect(environ={}, profile="nobody")


def test_an_endpoint_that_is_no_url_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="endpoint 'localhost:4566' is not a URL such as"):
        connect(environ={}, endpoint_url="localhost:4566")
