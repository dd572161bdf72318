"""The command line as a user has it: its output, its exit code, and an embedded endpoint to point it at."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from stream_consumer import lambda_function
from stream_consumer.cli.app import app, run
from stream_consumer.local.embedded import EmbeddedAws


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run the command line with the arguments given, in a terminal of 80 columns."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def command(*arguments: object) -> Ran:
        # A process of its own would have neither a consumer nor a logger that writes to an older standard output.
        lambda_function._handler.cache_clear()  # noqa: SLF001
        logging.Logger.manager.loggerDict.pop("stream-consumer", None)
        code = run(lambda: app([str(argument) for argument in arguments]))
        return Ran(code, *capfd.readouterr())

    yield command
    # Commands configure the function that they run in this process through its environment, as its user would.
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    streams = {"ride_events": 2, "ride_predictions": 2}
    with EmbeddedAws(streams=streams, buckets=["ride-failures"]) as embedded:
        yield embedded
