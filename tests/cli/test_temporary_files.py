"""SIGTERM in the midst of a command: its temporary files go with it. tests/cli/test_local.py has `local up`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.models.files import directory_digest
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.conftest import write_rides
from tests.cli.model import linear_model
from tests.worker.sqs import Rides, eventually

ROOT = Path(__file__).resolve().parent.parent.parent
RIDE = '{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}\n'
SECONDS = 240

COMMANDS = {
    "demo --runtime": ("stream_consumer demo --runtime --model {model} --events {events} --rate 1", "environment-*"),
    "demo --kafka": ("stream_consumer demo --kafka --model {model} --events {events} --rate 1", "stream-consumer-*"),
    "moderation": ("examples.moderation", "tmp*/*"),
    "consume": ("stream_consumer consume --stream ride_events", "model-*"),
    "consume --runtime": ("stream_consumer consume --stream ride_events --runtime", "environment-*/model-*"),
    "serve": ("stream_consumer serve --port 0", "model-*"),
    "serve --workers": ("stream_consumer serve --port 0 --workers 2", "stream-consumer-serve-*/model-*"),
    "batch": ("stream_consumer batch {events} minutes.csv --jobs 2", "model-*"),
    "worker": ("stream_consumer worker --queue {queue}", "model-*"),
    "train": ("stream_consumer train {rides}", "*"),
}
"""A module with its arguments, and a temporary file that it has while it is at work."""


@dataclass(frozen=True)
class Scene:
    """What the commands work on."""

    names: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    model, events = linear_model(folder / "model"), folder / "events.ndjson"
    events.write_text(RIDE * 100_000)
    rides = write_rides(folder / "rides.parquet", synthetic_rides(5_000, seed=5))
    with EmbeddedAws(streams={"ride_events": 1, "ride_predictions": 1}, buckets=["ride-failures"]) as aws:
        queue = Rides.make(aws.clients(), "rides").queue
        names = {"model": model, "events": str(events), "rides": str(rides), "queue": queue}
        settings = {
            "DEAD_LETTER_BUCKET": "ride-failures",
            "MODEL_DIGEST": directory_digest(Path(model)),  # a pinned model is copied
            "MODEL_LOCATION": model,
            "PREDICTIONS_STREAM_NAME": "ride_predictions",
            "PYTHONPATH": str(ROOT),
        }
        yield Scene(names, {**os.environ, **aws.environment, **settings})


@pytest.mark.process
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_stays_in_the_temporary_folder(scene: Scene, name: str, tmp_path: Path) -> None:
    arguments, sign = COMMANDS[name]
    temporary, here = tmp_path / "temporary", tmp_path / "here"
    temporary.mkdir()
    here.mkdir()
    command = [sys.executable, "-m", *(part.format_map(scene.names) for part in arguments.split())]
    environment = scene.environment | {"TMPDIR": str(temporary), "MLFLOW_TRACKING_URI": f"sqlite:///{here}/mlflow.db"}
    with (here / "out").open("w") as out:
        process = subprocess.Popen(command, env=environment, cwd=here, stdout=out, stderr=out)  # noqa: S603 (ours)
    try:
        eventually(lambda: any(temporary.glob(sign)) or process.poll() is not None, SECONDS)
        assert process.poll() is None, (here / "out").read_text()
        process.terminate()
        code = process.wait(SECONDS)
    finally:
        process.kill()
    assert (code in {0, 128 + signal.SIGTERM}, [*temporary.iterdir()]) == (True, []), (code, (here / "out").read_text())
