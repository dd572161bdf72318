"""``local up``: an endpoint that anybody's producer can put to, and a clean end."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import stream_consumer
from stream_consumer.aws.clients import connect
from stream_consumer.local.demo.embedded_aws import free_port
from tests.cli.conftest import Command

ROOT = Path(stream_consumer.__file__).parent.parent


def exports_of(said: str) -> str:
    """Return the lines that begin with an export, but for that of the model, which nobody has made here."""
    return "\n".join(line for line in said.splitlines() if line.startswith("  export ") and "MODEL" not in line)


@contextlib.contextmanager
def killed(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Have *process* ended also where a test fails, which would wait for it."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.process
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_how_to_reach_it_takes_a_record_and_ends_clean(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A producer follows what the command prints; Ctrl-C or SIGTERM ends it and leaves nothing behind."""
    program = [sys.executable, "-m", "stream_consumer", "local", "up", "--port", "0", "--shards", "1"]
    streams = ["--stream", "customers", "--stream", "churn", "--bucket", "bad"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*program, *streams], stdout=subprocess.PIPE, text=True, env=environment) as up, killed(up):  # noqa: S603 (ours)
        assert up.stdout
        lines = [up.stdout.readline()]
        while "tail" not in lines[-1]:
            lines.append(up.stdout.readline())
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
        assert url, lines
        kinesis = connect(environ={}, endpoint_url=url[0], region="us-east-1").kinesis
        put = kinesis.put_record(StreamName="customers", PartitionKey="1", Data=b"{}")
        assert put["ShardId"] == "shardId-000000000000"
        said = "".join(lines)
        sourced = subprocess.run(  # noqa: S603 (ours)
            ["sh", "-c", f"{exports_of(said)}\nexec env"],  # noqa: S607 (as a person has it)
            check=True,
            text=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"]},
        )
        variables = dict(line.split("=", 1) for line in sourced.stdout.splitlines() if "=" in line)
        there = connect(environ={}, endpoint_url=variables["AWS_ENDPOINT_URL"], region=variables["AWS_DEFAULT_REGION"])
        assert there.kinesis.list_streams()["StreamNames"] == ["churn", "customers"]
        assert (variables["DEAD_LETTER_BUCKET"], variables["PREDICTIONS_STREAM_NAME"]) == ("bad", "churn")
        there.s3.put_object(Bucket="ride-files", Key="rides/a.csv", Body=b"a")
        there.s3.put_object(Bucket="ride-files", Key="predictions/rides/a.csv", Body=b"a")
        told = there.sqs.receive_message(QueueUrl=variables["QUEUE_URL"], MaxNumberOfMessages=10)["Messages"]
        assert ["rides/a.csv" in message["Body"] for message in told if "Records" in message["Body"]] == [True]
        [environment_command] = re.findall(
            r'eval "\$\(stream-consumer (local env.*?)\)"', said.replace("\\\n", ""), re.DOTALL
        )
        shown = subprocess.run(  # noqa: S603 (ours)
            [*program[:3], *shlex.split(environment_command)],
            check=True,
            text=True,
            capture_output=True,
            env=environment,
        )
        assert shown.stdout.splitlines() == [line.strip() for line in exports_of(said).splitlines()]
        up.send_signal(number)
        assert up.wait(20) == code
    assert list(tmp_path.iterdir()) == []
    assert max(map(len, lines)) <= 81, "80 columns and the end of the line"
    assert "export AWS_CBOR_DISABLE=true" in said, "a Java client sends CBOR, which the emulator does not read"
    assert "export MODEL_LOCATION=models:/ride-duration@champion\n" in said, "consume wants a model"
    assert "export DEAD_LETTER_BUCKET=bad PREDICTIONS_STREAM_NAME=churn\n" in said
    assert "tail --stream churn --from TRIM_HORIZON" in said
    command = shlex.split(re.search(r"printf .*ride\.ndjson", said.replace("\\\n", ""))[0])  # type: ignore[index]
    assert (command[:2], command[-2:]) == (["printf", "%s"], [">", "ride.ndjson"])
    assert msgspec.json.decode("".join(command[2:-2]))["ride_id"] == 256


def test_variables_of_what_does_not_run_are_an_error_and_no_export(command: Command) -> None:
    port = free_port()
    ran = command("local", "env", "--port", port)
    assert (ran.code, ran.out) == (1, "")
    assert f"stream-consumer local up does not run on http://127.0.0.1:{port}: start it" in " ".join(ran.err.split())
