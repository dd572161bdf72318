"""What a function writes to its log group: the real handler's lines, and Lambda's own as its guide shows them."""

import itertools
import json

import pytest

from stream_consumer.errors import BatchFailed, ModelError
from tests.challenger.fakes import FakeProcess
from tests.fakes import DENIED, FakeTime, rejecting
from tests.harness import Harness
from tests.insights.discovery import discovered
from tests.rides import FakeModel, ride_event

REQUEST = "8f507cfc-example-4697-b07a-ac58fc914c95"
NEWER, OLDER = "2026/11/21/[8]0123456789abcdef", "2026/11/21/[7]fedcba9876543210"

# Source: AWS Lambda developer guide, "Python logging", "Monitoring for Lambda SnapStart".
REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 15.74 ms\tBilled Duration: 1216 ms\tMemory Size: 1769 MB\t"
    "Max Memory Used: 156 MB\tInit Duration: 1200.00 ms\t"
)
WARM = (
    f"REPORT RequestId: {REQUEST}\tDuration: 250.10 ms\tBilled Duration: 251 ms\tMemory Size: 1769 MB\t"
    "Max Memory Used: 160 MB\t"
)
RESTORED = (
    f"REPORT RequestId: {REQUEST}\tDuration: 20.00 ms\tBilled Duration: 90 ms\tMemory Size: 1769 MB\t"
    "Max Memory Used: 150 MB\tRestore Duration: 474.16 ms\tBilled Restore Duration: 70 ms\t"
)
TIMEOUT = f"2026-11-21T01:02:03.456Z {REQUEST} Task timed out after 60.06 seconds"
RAISED = f"[ERROR] BatchFailed: nothing of the batch was settled\nTraceback (most recent call last): {REQUEST}"
START = f"START RequestId: {REQUEST} Version: 8"
END = f"END RequestId: {REQUEST}"


def written(run: Harness, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return all lines of *run*: its metrics and its logs."""
    return [*capsys.readouterr().out.splitlines(), *(json.dumps(line) for line in run.logs)]


def of_newer(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of an environment that starts, has two invalid records, and is refused by its output stream."""
    run = Harness([None, rejecting(1), DENIED])
    run.telemetry.started(FakeModel())
    run.invoke([ride_event(1, distance=2.0), ride_event(2, distance=4.0), b"not JSON", ride_event(4, pickup="x")])
    run.invoke([ride_event(5), ride_event(6)], first=4)
    return [START, *written(run, capsys), REPORT, END, WARM, TIMEOUT]


def of_older(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of a challenger, of a batch that failed whole, and of an environment that cannot start."""
    time = FakeTime()
    challenger = FakeProcess(time, FakeModel(lambda _p, _d, distance: distance))
    run = Harness(
        [None, DENIED],
        time=time,
        challenger=challenger,
        CHALLENGER_LOCATION="challenger",
        CHALLENGER_THRESHOLD="0.5",
    )
    run.invoke([ride_event(7), ride_event(8)])
    with pytest.raises(BatchFailed):
        run.invoke([ride_event(9)], first=2)
    run.telemetry.failed_to_start(ModelError("no model at s3://models/7: name another MODEL_LOCATION"))
    return [*written(run, capsys), RAISED, RESTORED]


def log_group(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return the events of both environments, a second apart."""
    clock = itertools.count(1_795_222_800)
    return [
        discovered(line, stream=stream, timestamp=float(next(clock)))
        for stream, lines in ((NEWER, of_newer(capsys)), (OLDER, of_older(capsys)))
        for line in lines
    ]
