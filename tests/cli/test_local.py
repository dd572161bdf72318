"""``local up``: an endpoint that anybody's producer can put to, and a clean end."""

import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import stream_consumer
from stream_consumer.aws.clients import connect

ROOT = Path(stream_consumer.__file__).parent.parent


def test_it_says_how_to_reach_it_takes_a_record_and_ends_with_ctrl_c() -> None:
    """A producer follows what the command prints; Ctrl-C ends it with 130 and leaves nothing listening."""
    program = [sys.executable, "-m", "stream_consumer", "local", "up", "--port", "0", "--shards", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as up:  # noqa: S603 (ours)
        assert up.stdout
        first = up.stdout.readline()
        said = "".join(itertools.takewhile(lambda line: "aws kinesis" not in line, up.stdout))
        assert "export AWS_CBOR_DISABLE=true" in said, "a Java client sends CBOR, which the emulator does not read"
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url, first
        kinesis = connect(environ={}, endpoint_url=url[0], region="us-east-1").kinesis
        put = kinesis.put_record(StreamName="ride_events", PartitionKey="1", Data=b"{}")
        assert put["ShardId"] == "shardId-000000000000"
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 130
