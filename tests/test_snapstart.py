"""What a SnapStart snapshot holds, and what a restore renews."""

import base64
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.container.example_model import write_example_model
from stream_consumer.lambda_function import Handler, build_handler
from stream_consumer.telemetry import telemetry


class _Kinesis(ThreadingHTTPServer):
    """Acknowledges every PutRecords and remembers how many connections were opened."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Acknowledging)
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()


class _Acknowledging(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Records"]
        records = [{"SequenceNumber": str(at), "ShardId": "shardId-000000000000"} for at in range(len(entries))]
        body = json.dumps({"FailedRecordCount": 0, "Records": records}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_example_model(folder)
    return folder


@pytest.fixture
def kinesis() -> Iterator[_Kinesis]:
    with _Kinesis() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def handler(model: Path, kinesis: _Kinesis, monkeypatch: pytest.MonkeyPatch) -> Handler:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    environ = {"MODEL_LOCATION": str(model), "KINESIS_ENDPOINT_URL": kinesis.url, "DEAD_LETTER_BUCKET": "dead-letters"}
    return build_handler(environ, telemetry(environ))


RIDE = b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}'
EVENT = {"Records": [{"kinesis": {"data": base64.b64encode(RIDE).decode()}}]}


def test_connections_are_kept_between_invocations(handler: Handler, kinesis: _Kinesis) -> None:
    """Two invocations of one environment share a connection."""
    handler(EVENT, None)
    handler(EVENT, None)
    assert kinesis.connections == 1


def test_connections_are_renewed_after_a_restore(handler: Handler, kinesis: _Kinesis) -> None:
    """A connection that the snapshot held is not used again, and the clients need not be built again."""
    handler(EVENT, None)
    handler.renew()
    assert handler(EVENT, None) == {"batchItemFailures": []}
    assert kinesis.connections == 2


def test_environments_of_one_snapshot_throw_different_dice(handler: Handler) -> None:
    """Jitter that is the same everywhere is none."""
    random.seed(1)
    snapshot = random.getstate()
    handler.renew()
    first = random.getrandbits(64)
    random.setstate(snapshot)
    handler.renew()
    assert random.getrandbits(64) != first


def test_a_test_run_has_no_connections_to_renew(model: Path) -> None:
    environ = {"MODEL_LOCATION": str(model), "TEST_RUN": "true"}
    build_handler(environ, telemetry(environ)).renew()


def test_init_is_complete_before_the_snapshot_and_registers_the_renewal(model: Path) -> None:
    """Importing the module where Lambda's runtime is loads the model, builds the clients and registers the hook."""
    program = """
import snapshot_restore_py, stream_consumer.lambda_function
[(hook, _, _)] = snapshot_restore_py.get_after_restore()
print(hook.__qualname__)
"""
    environ = os.environ | {
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MODEL_LOCATION": str(model),
    }
    answer = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    loaded, hook = answer.stdout.splitlines()
    assert json.loads(loaded)["message"] == "model loaded"
    assert hook == "Handler.renew"
