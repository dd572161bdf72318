"""The full image: the same functions, and every command beside them, as jailed as Lambda's."""

import io
import json
import re
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.container.engine import Engine
from integration_tests.containers import JAIL, TMP, on_this_network
from integration_tests.image.conftest import DOORS, MakeFunction
from integration_tests.image.test_contents import layers_of_ours, locked, normal
from integration_tests.image.test_lambda import GOLDEN, RIDES, TEST_RUN, expected
from integration_tests.image.test_rie import Start, rie, start  # noqa: F401 (fixtures)
from integration_tests.rie import invoke
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.model import Model
from tests.worker.sqs import Rides

SECONDS = 120
NOT_FOR_DOORS = ["matplotlib", "mlflow", "moto", "pandas", "pip", "pytest", "setuptools"]

Answer = subprocess.CompletedProcess[str]
Run = Callable[..., Answer]


@pytest.fixture
def run(engine: Engine, doors: str) -> Run:
    """Run a command in the image to its end, by nobody in particular on a read-only root."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None, image: str = doors) -> Answer:
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        command = engine.run_command([*on_this_network(engine), *JAIL, *TMP, *variables], image, arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603

    return run


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as embedded:
        yield embedded


@pytest.fixture(scope="module")
def rides(aws: EmbeddedAws) -> Rides:
    """A bucket, told of to a queue, with the golden rides of a month in it."""
    rides = Rides.make(aws.clients(), "rides")
    pickup, dropoff, distance = (list(column) for column in zip(*RIDES, strict=True))
    columns = {"ride_id": [256, 257, 258], "PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": distance}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    rides.clients.s3.put_object(Bucket=rides.bucket, Key="rides/2021-03.parquet", Body=file.getvalue())
    return rides


@pytest.fixture(scope="module")
def draining(engine: Engine, doors: str, aws: EmbeddedAws, rides: Rides) -> Iterator[subprocess.Popen[str]]:
    """A worker, started before the first test: until it believes that the queue is empty the others can run."""
    environment = aws.environment | {"BATCH_OUTPUT_KEYED": "s3://{bucket}/on-demand/{stem}.parquet"}
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    options, arguments = [*on_this_network(engine), *JAIL, *TMP, *variables], ["--queue", rides.queue]
    command = engine.run_command(options, doors, ["worker", *arguments, "--exit-when-empty"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603
        try:
            yield worker
        finally:
            worker.terminate()  # the tool hands it on to the container


def predicted(rides: Rides, key: str) -> list[float]:
    body = rides.clients.s3.get_object(Bucket=rides.bucket, Key=key)["Body"].read()
    minutes: list[float] = pq.read_table(io.BytesIO(body)).column("ride_duration").to_pylist()
    return minutes


def minutes(model: Model) -> object:
    return pytest.approx(model.predict(list(zip(*RIDES, strict=True))).tolist(), rel=1e-9)


@pytest.mark.usefixtures("draining")
def test_a_date_and_a_bucket_are_enough_for_batch(run: Run, aws: EmbeddedAws, rides: Rides, model: Model) -> None:
    """The issue's own words: ``docker run --rm -e DATE=2021-03-01 -e BUCKET=rides IMAGE batch``."""
    ran = run("batch", environment=aws.environment | {"DATE": "2021-03-01", "BUCKET": rides.bucket})
    assert ran.returncode == 0, ran.stderr
    assert predicted(rides, "predictions/2021-03.parquet") == minutes(model)
    summary = rides.clients.s3.get_object(Bucket=rides.bucket, Key="predictions/2021-03.parquet.summary.json")
    assert json.load(summary["Body"])["rows"] == 3


def test_it_serves_until_it_is_told_to_stop(engine: Engine, doors: str, model: Model) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    name, url = f"serve-{uuid.uuid4().hex[:12]}", f"http://127.0.0.1:{port}"
    # Cloud Run and others say the port by this name.
    options = [*on_this_network(engine), *JAIL, *TMP, "--name", name, "--env", f"PORT={port}"]
    command = engine.run_command(options, doors, ["serve"])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:  # noqa: S603
        try:
            assert serving.stderr
            assert url in serving.stderr.readline()
            with urllib.request.urlopen(f"{url}/healthz", timeout=SECONDS) as healthy:  # noqa: S310 (loopback)
                assert healthy.status == 200
            zones = dict(zip(("PULocationID", "DOLocationID", "trip_distance"), RIDES[0], strict=True))
            ride = json.dumps({"ride": zones, "ride_id": 256}).encode()
            request = urllib.request.Request(f"{url}/predict", ride, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 (as above: loopback)
                prediction = json.load(answer)["prediction"]
            engine.call("kill", "--signal", "TERM", name)
            assert serving.wait(SECONDS) == 0
        finally:
            serving.kill()
    assert prediction == {"ride_duration": pytest.approx(model.expected[0], rel=1e-9), "ride_id": 256}


def test_its_functions_are_lambdas_behind_awss_emulator(start: Start, doors: str, model: Model) -> None:  # noqa: F811
    assert invoke(start(TEST_RUN, image=doors), GOLDEN) == expected(model)


def test_the_starter_can_ask_ecs(function: MakeFunction, doors: str) -> None:
    """Its client is made with the data that only this image keeps; the endpoint is nobody's."""
    environment = {
        "QUEUE_URL": "http://127.0.0.1:9/queue",
        "CLUSTER": "workers",
        "TASK_DEFINITION": "ride-worker",
        "SUBNETS": "subnet-1",
        "SECURITY_GROUPS": "sg-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    answer = function(environment, handler="stream_consumer.worker.task_starter.lambda_handler", image=doors).invoke(
        b"{}"
    )
    assert answer.error is not None
    assert answer.error.error_type == "EndpointConnectionError"


def test_help_helps(run: Run) -> None:
    ran = run("--help")
    assert ran.returncode == 0
    assert "Usage: stream-consumer" in ran.stdout
    for command in ("batch", "worker", "serve"):
        assert re.search(rf"^  {command} ", ran.stdout, re.MULTILINE)


def test_a_command_whose_packages_are_left_out_says_which(run: Run) -> None:
    ran = run("train", "rides.parquet")
    assert ran.returncode == 2
    assert re.match(r"error: this command needs the package \w+\. ", ran.stderr)


@pytest.mark.parametrize("arguments", [("batch",), ("--help",)])
def test_the_lean_image_says_that_it_has_no_such_door(run: Run, image: str, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments, image=image)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"this image has no command {arguments[0]!r}: it is the lean image")
    assert "make image DOORS=1" in ran.stderr


def test_a_handler_outside_of_lambda_says_what_it_wants(run: Run) -> None:
    ran = run()
    assert ran.returncode == 2
    assert ran.stderr.startswith("stream_consumer.lambda_function.lambda_handler is a Lambda handler, and this is not")


@pytest.mark.parametrize("kind", ["doors"], indirect=True)
def test_the_doors_are_two_layers_on_those_of_the_lean_image(archive: Path, engine: Engine, image: str) -> None:
    """Whoever has pulled the one needs only these for the other; and they are nobody's to write."""
    shown = [json.loads(engine.call("image", "inspect", name))[0]["RootFS"]["Layers"] for name in (image, DOORS)]
    assert shown[1][:-2] == shown[0]
    ours = [("opt/doors/packages/", "opt/venv/lib/"), ("var/task/stream_consumer/",)]
    for layer, folders in zip(layers_of_ours(archive, 2), ours, strict=True):
        files = [member for member in layer if not member.isdir()]
        assert files
        assert [member.name for member in files if not member.name.startswith(folders)] == []
        assert [member.name for member in files if member.uid or member.mode & 0o022] == []


def test_the_lock_is_what_is_installed(engine: Engine, doors: str) -> None:
    """Every package with its metadata, for scanners to read; nothing of training or of tests."""
    program = f"""
import importlib.metadata, importlib.util
print(*(f"{{one.name}}=={{one.version}}" for one in importlib.metadata.distributions()))
print([name for name in {NOT_FOR_DOORS} if importlib.util.find_spec(name)])
"""
    command = engine.run_command(["--read-only", "--cap-drop", "all", "--entrypoint", "python"], doors, ["-c", program])
    found, foreign = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    assert locked("doors.txt") == {
        (normal(name), version) for name, _, version in (one.partition("==") for one in found.split())
    }
    assert foreign == "[]"


def test_a_worker_drains_the_queue_and_ends(draining: subprocess.Popen[str], rides: Rides, model: Model) -> None:
    """What S3 announced is scored by the model in the image; nothing is left in the queue."""
    out, _ = draining.communicate(timeout=SECONDS)
    assert draining.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["message"] for line in lines] == ["model loaded", "scored", "worker ends"]
    assert predicted(rides, "on-demand/2021-03.parquet") == minutes(model)
    assert rides.messages() == (0, 0)
