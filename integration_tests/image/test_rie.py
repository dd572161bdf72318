"""The image behind AWS's own runtime interface emulator: the contract, as AWS implements it."""

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from infra.container.engine import ContainerError, Engine
from integration_tests.containers import JAIL, TMP, mounted, on_this_network
from integration_tests.emulators import free_port
from integration_tests.image.test_lambda import GOLDEN, TEST_RUN, event, expected, ride
from integration_tests.rie import RIE_FOLDER, fetch_rie, invoke, listens
from integration_tests.tiers import HANDLER, KEYS
from stream_consumer.model import Model

Start = Callable[..., int]
_START_SECONDS = 30.0


@pytest.fixture(scope="session")
def rie() -> Path:
    return fetch_rie(RIE_FOLDER)


@pytest.fixture
def start(engine: Engine, image: str, rie: Path, tmp_path: Path) -> Iterator[Start]:
    """Start the image behind the emulator; gives the port."""
    with ExitStack() as stack:

        def run(environment: Mapping[str, str], handler: str = HANDLER, image: str = image) -> int:
            name, port = f"rie-{uuid.uuid4().hex[:12]}", free_port()
            variables = [f"--env={key}={value}" for key, value in (KEYS | dict(environment)).items()]
            options = [
                *on_this_network(engine),
                *JAIL,
                *TMP,
                *variables,
                "--name",
                name,
                "--env=AWS_DEFAULT_REGION=us-east-1",
            ]
            options += [*mounted(rie, "/rie"), "--entrypoint", "/rie"]
            arguments = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
            # Its Runtime API, too, listens on a port, which two of them on one network would share.
            arguments += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
            command = engine.run_command(
                options, image, [*arguments, "/opt/venv/bin/python", "/var/task/entry.py", handler]
            )
            said = stack.enter_context((tmp_path / name).open("w+"))
            process = subprocess.Popen(command, stdout=said, stderr=said)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(_end, engine, name)
            deadline = time.monotonic() + _START_SECONDS
            while not listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    pytest.fail(f"the emulator does not listen (exit code {process.returncode}): {said.read()}")
                time.sleep(0.05)
            return port

        yield run


def _end(engine: Engine, name: str) -> None:
    with suppress(ContainerError):  # it has ended by itself
        engine.call("kill", name)


def test_golden_events_are_answered(start: Start, model: Model) -> None:
    """Twice, by one environment."""
    port = start(TEST_RUN)
    assert invoke(port, GOLDEN) == expected(model)
    assert invoke(port, GOLDEN) == expected(model)


def test_an_invalid_record_is_no_error(start: Start) -> None:
    """A test run settles it; its prediction is missing."""
    answer = invoke(start(TEST_RUN), event(b"not JSON", ride(7, 130, 205, 3.66)))
    assert answer["batchItemFailures"] == []
    assert [one["prediction"]["ride_id"] for one in answer["predictions"]] == [7]


def test_predictions_in_the_answer_stop_at_lambdas_limit(start: Start) -> None:
    """Ids that JSON writes with escapes make more than 6 MB of answer out of less, and the emulator takes no more."""
    data = base64.b64encode(ride("é" * 256, 130, 205, 3.66)).decode()
    batch = {"Records": [{"kinesis": {"data": data}}] * 5_000}
    answer = invoke(start(TEST_RUN), json.dumps(batch).encode())
    assert answer["batchItemFailures"] == []
    assert answer["predictionsLeftOut"] == 5_000 - len(answer["predictions"])
    assert len(answer["predictions"]) > 3_000


@pytest.mark.parametrize(
    ("environment", "handler", "message"),
    [
        pytest.param(
            {"MODEL_LOCATION": "/opt/nothing"}, HANDLER, "there is no MLflow model at /opt/nothing", id="model"
        ),
        pytest.param({}, "stream_consumer.nothing.lambda_handler", "No module named", id="handler"),
        pytest.param(TEST_RUN, HANDLER, "not the event of a Kinesis mapping", id="event"),
    ],
)
def test_errors_carry_the_reason(start: Start, environment: Mapping[str, str], handler: str, message: str) -> None:
    answer: Any = invoke(start(environment, handler), json.dumps({"Rides": []}).encode())
    assert message in answer["errorMessage"]
