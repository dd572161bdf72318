"""``worker``: the command as a container runs it, against an emulated queue and bucket."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.models.files import directory_digest
from tests.batch.files import RIDES, parquet_file
from tests.cli.conftest import Command
from tests.cli.gate import Gated
from tests.cli.model import linear_model
from tests.worker.sqs import Rides, eventually

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Scene:
    """A queue with two rides files in its bucket, and a model that predicts when it is let."""

    rides: Rides
    environment: dict[str, str]
    gate: Path

    @property
    def at_work(self) -> bool:
        return (self.gate.parent / "at-the-gate").exists()

    @contextmanager
    def worker(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "stream_consumer", "worker", "--queue", self.rides.queue, *options]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    location = gated_model(tmp_path / "model")
    gate = tmp_path / "gate"
    gate.touch()
    four = {name: [*values[:2], *values[:2]] for name, values in RIDES.items()}
    body = parquet_file(tmp_path / "rides.parquet", four).read_bytes()
    with EmbeddedAws() as aws:
        rides = Rides.make(aws.clients(), "gated", max_receives=20)
        for name in "ab":
            rides.clients.s3.put_object(Bucket=rides.bucket, Key=f"rides/{name}.parquet", Body=body)
        environment = {
            **os.environ,
            **aws.environment,
            "GATE": str(gate),
            "MODEL_LOCATION": str(location),
            "MODEL_DIGEST": directory_digest(location),
            "PYTHONPATH": str(ROOT),
        }
        yield Scene(rides, environment, gate)


def gated_model(folder: Path) -> Path:
    """A pickled estimator in the place of a linear one; pickles need their digest pinned."""
    linear_model(folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Gated()))
    description = json.loads((folder / "MLmodel").read_text())
    description["flavors"]["sklearn"] |= {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}
    (folder / "MLmodel").write_text(json.dumps(description))
    return folder


def ended(worker: subprocess.Popen[str]) -> tuple[int, list[dict[str, object]]]:
    out, _ = worker.communicate(timeout=60)
    return worker.returncode, [json.loads(line) for line in out.splitlines()]


def summaries(rides: Rides) -> list[str]:
    return [key for key in rides.objects() if key.endswith(".summary.json")]


@pytest.mark.process
def test_sigterm_lets_the_object_at_hand_finish_within_the_grace(scene: Scene) -> None:
    """Its output is committed and its message deleted; the other is not touched."""
    with scene.worker("--grace", "60") as worker:
        eventually(lambda: scene.at_work)
        worker.send_signal(signal.SIGTERM)
        scene.gate.unlink()
        code, lines = ended(worker)
    assert code == 0
    assert [line["message"] for line in lines] == ["model loaded", "scored", "worker ends"]
    assert len(summaries(scene.rides)) == 1
    assert sum(scene.rides.messages()) == 1


# (Of two signals of one kind the kernel may make one.)
@pytest.mark.process
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]], ids=["once", "twice"])
def test_after_the_grace_the_object_is_handed_back(scene: Scene, signals: list[signal.Signals]) -> None:
    """So it is at a second signal: exit code 0, nothing committed, both messages visible."""
    with scene.worker("--grace", "0" if len(signals) == 1 else "3600") as worker:
        eventually(lambda: scene.at_work)
        for number in signals:
            worker.send_signal(number)
        scene.gate.unlink()
        code, lines = ended(worker)
    assert code == 0
    assert [line["message"] for line in lines] == ["model loaded", "not scored", "worker ends"]
    assert (lines[1]["reason"], lines[1]["receives"], lines[1]["again_in_seconds"]) == ("stopped", 1, 0)
    assert scene.rides.objects() == []
    assert scene.rides.messages()[0] == 2


@pytest.mark.process  # a lease takes its time to be over
def test_what_a_killed_worker_held_is_anothers_when_the_lease_is_over(scene: Scene) -> None:
    """Its message is hidden, though not for good, and it has committed nothing."""
    with scene.worker("--lease", "30") as worker:
        eventually(lambda: scene.at_work)
        worker.kill()
        worker.wait(60)
    scene.gate.unlink()
    # Its own message too is there again, some time.
    with scene.worker("--lease", "30") as heir:
        eventually(lambda: len(summaries(scene.rides)) == 2, within_seconds=180)
        heir.terminate()
        code, lines = ended(heir)
    assert code == 0
    assert [line["message"] for line in lines].count("scored") == 2
    assert sum(scene.rides.messages()) == 0


@pytest.fixture(scope="module")
def drained(aws: EmbeddedAws) -> Rides:
    return Rides.make(aws.clients(), "drained")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_consumer.worker.loop.POLL_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
def test_it_drains_the_queue_and_ends(
    command: Command, aws: EmbeddedAws, drained: Rides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal it says so in lines for people, wrapped between words; --output names the outputs."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    model = linear_model(tmp_path / "model")
    body = parquet_file(tmp_path / "rides.parquet").read_bytes()
    drained.clients.s3.put_object(Bucket=drained.bucket, Key="rides/a.parquet", Body=body)
    output = "s3://drained/out/{key}.csv"
    options = ("--queue", drained.queue, "--model", model, "--output", output, "--exit-when-empty")
    ran = command("worker", *options, "--endpoint-url", aws.endpoint_url)
    assert (ran.code, ran.err) == (0, "")
    assert "scored: source s3://drained/rides/a.parquet, target s3://drained/out/rides/a.parquet.csv" in " ".join(
        ran.out.split()
    )
    assert ran.out.splitlines()[-1] == "worker ends: scored 1, already 0, left 0"
    assert "out/rides/a.parquet.csv.summary.json" in drained.objects("out/")


def test_a_wrong_model_ends_it_before_it_takes_a_message(command: Command, aws: EmbeddedAws, drained: Rides) -> None:
    drained.clients.sqs.send_message(QueueUrl=drained.queue, MessageBody="hello")
    before = drained.messages()
    ran = command("worker", "--queue", drained.queue, "--model", "/no/model", "--endpoint-url", aws.endpoint_url)
    assert ran.code == 1
    assert "there is no MLflow model at /no/model" in ran.err
    assert drained.messages() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--output", "predictions"), "wanted an s3:// URL"),
        (("--output", "s3://{bucket}/{key}"), "predictions would replace their input"),
        (("--output", "s3://out/{bucket}/{stem}"), "the format is told by the name's end"),
        (("--lease", "29"), "--lease"),
        (("--lease", "43201"), "--lease"),
        (("--grace", "-1"), "--grace"),
    ],
)
def test_what_makes_no_sense_is_refused(command: Command, options: tuple[str, str], message: str) -> None:
    ran = command("worker", "--queue", "http://127.0.0.1:9/queue", *options)
    assert ran.code == 2
    assert message in ran.err
