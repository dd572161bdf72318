"""``local up``: an endpoint that anybody's producer can put to, and a clean end."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import stream_consumer
from stream_consumer.aws.clients import connect

ROOT = Path(stream_consumer.__file__).parent.parent


@pytest.mark.process
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_how_to_reach_it_takes_a_record_and_ends_clean(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A producer follows what the command prints; Ctrl-C or SIGTERM ends it and leaves nothing behind."""
    program = [sys.executable, "-m", "stream_consumer", "local", "up", "--port", "0", "--shards", "1"]
    streams = ["--stream", "customers", "--stream", "churn", "--bucket", "bad"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*program, *streams], stdout=subprocess.PIPE, text=True, env=environment) as up:  # noqa: S603 (ours)
        assert up.stdout
        lines = [up.stdout.readline()]
        while "tail" not in lines[-1]:
            lines.append(up.stdout.readline())
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
        assert url, lines
        kinesis = connect(environ={}, endpoint_url=url[0], region="us-east-1").kinesis
        put = kinesis.put_record(StreamName="customers", PartitionKey="1", Data=b"{}")
        assert put["ShardId"] == "shardId-000000000000"
        up.send_signal(number)
        assert up.wait(20) == code
    assert list(tmp_path.iterdir()) == []
    said = "".join(lines)
    assert max(map(len, lines)) <= 81, "80 columns and the end of the line"
    assert "export AWS_CBOR_DISABLE=true" in said, "a Java client sends CBOR, which the emulator does not read"
    assert "export MODEL_LOCATION=models:/ride-duration@champion\n" in said, "consume wants a model"
    assert "export DEAD_LETTER_BUCKET=bad PREDICTIONS_STREAM_NAME=churn\n" in said
    assert "tail --stream churn --from TRIM_HORIZON" in said
    command = shlex.split(re.search(r"printf .*event\.json", said.replace("\\\n", ""))[0])  # type: ignore[index]
    assert (command[:2], command[-2:]) == (["printf", "%s"], [">", "event.json"])
    assert msgspec.json.decode("".join(command[2:-2]))["ride_id"] == 256
