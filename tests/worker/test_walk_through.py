"""docs/worker.md, command by command on the local platform."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.demo.object_queue import make_object_queue

ROOT = Path(__file__).parents[2]


@pytest.mark.process
def test_the_page_s_commands_score_a_file_and_leave_a_bad_one_in_the_dead_letter_queue(
    rides_model: Path, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "worker.md").read_text(encoding="utf-8")
    [lesson] = re.findall(r"## On this machine\n.*?```sh\n(.*?)```", page, re.DOTALL)
    with EmbeddedAws() as aws:
        make_object_queue(aws.clients())
        port = aws.endpoint_url.rpartition(":")[2]
        lesson = lesson.replace("local env)", f"local env --port {port})")
        lesson = lesson.replace("models:/ride-duration@champion", str(rides_model))
        command = tmp_path / "stream-consumer"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stream_consumer "$@"\n')
        command.chmod(0o755)
        done = subprocess.run(  # noqa: S603 (ours)
            ["sh", "-euc", lesson],  # noqa: S607 (as a person has it)
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            check=True,
            text=True,
            capture_output=True,
            timeout=300,
        )
    assert re.search(r'^1,[\d.]+,"ride-duration",', done.stdout, re.MULTILINE), done.stdout
    assert re.search(r'^3,[\d.]+,"ride-duration",', done.stdout, re.MULTILINE)
    assert '"reason":"schema","path":"$.ride.trip_distance"' in done.stdout
    assert '"key": "rides/bad.csv"' in done.stdout.rpartition("ReceiveMessageResult")[0]
