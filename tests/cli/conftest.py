"""The command line as a user has it: its output, its exit code, and an embedded endpoint to point it at."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from stream_consumer import lambda_function
from stream_consumer.aws.clients import Clients, connect
from stream_consumer.cli.app import app, run
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.monitor import lambda_function as monitor_function
from stream_consumer.training.rides import Rides
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.terminal import Tty

RIDES = 120


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    signal_handlers: None,  # noqa: ARG001
) -> Iterator[Command]:
    """
    Run the command line with the arguments given, in a terminal of 80 columns.

    The report of a failed test ends with the standard error of its last command.
    """
    before = dict(os.environ)
    errors = [""]
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def command(*arguments: object) -> Ran:
        # A process of its own would have neither a consumer nor a logger that writes to an older standard output.
        for function in (lambda_function, monitor_function):
            function._handler.cache_clear()  # noqa: SLF001
        logging.Logger.manager.loggerDict.pop("stream-consumer", None)
        code = run(lambda: app([str(argument) for argument in arguments]))
        ran = Ran(code, *capfd.readouterr())
        errors.append(ran.err)
        return ran

    yield command
    sys.stderr.write(errors[-1])
    # Commands configure the function that they run in this process through its environment, as its user would.
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    streams = {"ride_events": 2, "ride_predictions": 2}
    with EmbeddedAws(streams=streams, buckets=["ride-failures"]) as embedded:
        yield embedded


def write_rides(path: Path, rides: Rides) -> Path:
    """Write *rides* as the TLC does."""
    pickup = rides.pickup_time.astype("datetime64[us]")
    table = pa.table(
        {
            "lpep_pickup_datetime": pickup,
            "lpep_dropoff_datetime": pickup + (rides.duration * 60e6).round().astype("timedelta64[us]"),
            "PULocationID": rides.PULocationID,
            "DOLocationID": rides.DOLocationID,
            "trip_distance": rides.trip_distance,
        }
    )
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def rides_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rides(tmp_path_factory.mktemp("rides") / "rides.parquet", synthetic_rides(RIDES, seed=5))


@pytest.fixture
def mocked_aws(
    command: Command,  # noqa: ARG001 (it clears the environment, which is filled here)
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clients]:
    """AWS in this process, empty but for the streams and the bucket; a test has it for itself."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DEAD_LETTER_BUCKET", "ride-failures")
    with mock_aws():
        clients = connect(environ={}, region="us-east-1")
        clients.s3.create_bucket(Bucket="ride-failures")
        for stream in ("ride_events", "ride_predictions"):
            clients.kinesis.create_stream(StreamName=stream, ShardCount=1)
        yield clients


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    """Return a terminal of 80 columns, to which a test redirects a standard stream."""
    for name, value in (("COLUMNS", "80"), ("LINES", "24"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    return Tty()
