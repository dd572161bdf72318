"""The image, run as Lambda runs it: the real runtime interface client against a Runtime API on loopback."""

import base64
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.container.engine import Engine
from infra.container.example_model import write_example_model
from integration_tests.containers import TMP, mounted
from integration_tests.image.conftest import MakeFunction
from stream_consumer.model import Model
from stream_consumer.models.files import directory_digest

TEST_RUN = {"TEST_RUN": "true"}
RIDES = [(130, 205, 3.66), (43, 151, 1.01), (166, 239, 2.53)]


def event(*data: bytes) -> bytes:
    """Lambda's event for records of a stream."""
    records = [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": f"4963008166608487929058118563032477037040869880480252928{at}",
                "data": base64.b64encode(one).decode(),
                "approximateArrivalTimestamp": 1654161514.132,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:4963008166608487929058118563032477037040869880480252928{at}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/ride_events",
        }
        for at, one in enumerate(data)
    ]
    return json.dumps({"Records": records}).encode()


def ride(ride_id: int | str, pickup: int, dropoff: int, distance: float) -> bytes:
    ride = {"PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": distance}
    return json.dumps({"ride": ride, "ride_id": ride_id}, ensure_ascii=False).encode()


GOLDEN = event(*(ride(256 + at, *one) for at, one in enumerate(RIDES)))


def expected(model: Model) -> dict[str, Any]:
    """The answer to GOLDEN, from the same model loaded outside the image."""
    minutes = model.predict(list(zip(*RIDES, strict=True)))
    predictions = [
        {
            "model": "ride-duration",
            "version": "example",
            "prediction": {"ride_duration": pytest.approx(float(value), rel=1e-9), "ride_id": 256 + at},
            "event_id": f"shardId-000000000000:4963008166608487929058118563032477037040869880480252928{at}",
        }
        for at, value in enumerate(minutes)
    ]
    return {"batchItemFailures": [], "predictions": predictions}


def logged(lines: list[str], count: int) -> list[dict[str, Any]]:
    """Return the first *count* JSON lines; the pipe that they come through may be slower than the answer."""
    deadline = time.monotonic() + 10
    while True:
        messages = [json.loads(line) for line in list(lines) if line.startswith("{")]
        if len(messages) >= count or time.monotonic() > deadline:
            return messages
        time.sleep(0.01)


def test_golden_events_are_answered(function: MakeFunction, model: Model, lines: list[str]) -> None:
    """The image predicts what the model predicts elsewhere, on another interpreter and other versions of NumPy."""
    answer = function(TEST_RUN).invoke(GOLDEN)
    assert answer.error is None
    assert json.loads(answer.payload) == expected(model)
    messages = logged(lines, 2)
    assert messages[0]["message"] == "model loaded"
    assert messages[0]["model_location"] == "/opt/model"
    assert messages[1]["RecordsReceived"] == [3.0]


def test_nothing_is_written_not_even_to_tmp_or_home(engine: Engine, function: MakeFunction, model: Model) -> None:
    """With a model baked in, a root without any writable folder and an environment without HOME are enough."""
    strict = ("--read-only-tmpfs=false",) if engine.tool == "podman" else ()
    homeless = ("--entrypoint", '["/usr/bin/env", "-u", "HOME", "/opt/venv/bin/python", "/var/task/entry.py"]')
    answer = function(TEST_RUN, options=(*strict, *homeless)).invoke(GOLDEN)
    assert answer.error is None
    assert json.loads(answer.payload) == expected(model)


def test_a_frozen_environment_answers_when_it_is_thawed(function: MakeFunction, model: Model) -> None:
    frozen = function(TEST_RUN, freeze=True)
    for _ in range(2):
        assert json.loads(frozen.invoke(GOLDEN).payload) == expected(model)


BAD_MODELS = {
    "missing": ({"MODEL_LOCATION": "/opt/nothing"}, "there is no MLflow model at /opt/nothing"),
    "not the pinned one": ({"MODEL_DIGEST": "0" * 64}, "but MODEL_DIGEST pins 0000"),
    "in a registry": ({"MODEL_LOCATION": "models:/ride-duration@champion"}, "mlflow is not installed here"),
    "on S3, no network": (
        {"MODEL_LOCATION": "s3://models/1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
        'Could not connect to the endpoint URL: "http://127.0.0.1:9/models',
    ),
}


@pytest.mark.parametrize(("environment", "message"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_fails_init_and_says_why(
    function: MakeFunction, environment: Mapping[str, str], message: str
) -> None:
    """Nothing is consumed, and the operator reads what to change."""
    error = function(environment).warm_up()
    assert error is not None
    assert error.error_type == "ModelError"
    assert message in error.message


def test_a_bad_environment_fails_init_and_names_every_fault(function: MakeFunction) -> None:
    error = function({"PUBLISH_CONCURRENCY": "many", "TEST_RUN": "perhaps"}).warm_up()
    assert error is not None
    assert error.error_type == "SettingsError"
    assert "PUBLISH_CONCURRENCY='many'" in error.message
    assert "TEST_RUN='perhaps'" in error.message


def test_a_bad_handler_fails_init(function: MakeFunction) -> None:
    error = function(handler="stream_consumer.nothing.lambda_handler").warm_up()
    assert error is not None
    assert error.error_type == "Runtime.ImportModuleError"
    assert "No module named 'stream_consumer.nothing'" in error.message


def test_a_model_of_another_scikit_learn_fails_init(function: MakeFunction, tmp_path: Path) -> None:
    write_example_model(tmp_path / "old", scikit_learn="1.5.2")
    tmp_path.chmod(0o755)
    environment = {"MODEL_LOCATION": "/models/old", "MODEL_DIGEST": directory_digest(tmp_path / "old")}
    error = function(environment, options=(*TMP, *mounted(tmp_path, "/models"))).warm_up()
    assert error is not None
    assert "was saved by scikit-learn 1.5.2" in error.message


def test_a_timeout_ends_the_environment_and_the_next_invocation_gets_a_new_one(function: MakeFunction) -> None:
    """Lambda's words, and no container left behind."""
    hanging = function(handler="handlers.hang", options=OURS, timeout_seconds=3)
    answer = hanging.invoke(b'{"misbehave": true}')
    assert answer.error is not None
    assert answer.error.error_type == "Sandbox.Timedout"
    assert answer.error.message.endswith("Task timed out after 3.00 seconds")
    assert hanging.invoke(b'{"misbehave": false}').error is None


def test_out_of_memory_ends_the_environment_and_the_next_invocation_gets_a_new_one(function: MakeFunction) -> None:
    """The kernel holds the container to the function's memory."""
    hoarding = function(handler="handlers.hoard", options=OURS, memory_mb=512)
    answer = hoarding.invoke(b'{"misbehave": true}')
    assert answer.error is not None
    assert answer.error.error_type in {"Runtime.ExitError", "MemoryError"}
    if answer.error.error_type == "Runtime.ExitError":
        assert answer.error.message.endswith(f"exit status {128 + signal.SIGKILL}")
    assert hoarding.invoke(b'{"misbehave": false}').payload == b"0"


OURS = (*TMP, "--env=PYTHONPATH=/var/task:/handlers", *mounted(Path(__file__).parent, "/handlers"))


def test_without_a_network_the_batch_fails_and_says_why(function: MakeFunction) -> None:
    """Nothing is lost: the whole batch comes again."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    answer = function(nowhere, timeout_seconds=5).invoke(GOLDEN)
    assert answer.error is not None
    assert answer.error.error_type == "BatchFailed"
    assert "http://127.0.0.1:9" in answer.error.message
