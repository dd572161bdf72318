"""What importing and running the Lambda path asks of its surroundings: tried in processes of their own."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.rides import kinesis_event, ride_event

# Hides what the image does not carry, notes who asked for it, and runs the handler on the batch on standard input.
HIDDEN = (
    *("mlflow", "pandas", "pyarrow", "matplotlib", "moto", "typer", "rich", "ministack"),
    *("confluent_kafka", "aws_msk_iam_sasl_signer"),
)
RUN = """
import importlib.abc, json, sys

class Hidden(importlib.abc.MetaPathFinder):
    asked = []
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            frame = sys._getframe(1)
            while frame.f_globals["__name__"].startswith("importlib"):
                frame = frame.f_back
            self.asked.append([name, frame.f_globals["__name__"]])
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
from stream_consumer.lambda_function import lambda_handler
answer = lambda_handler(json.load(sys.stdin), None)
challenger = [name for name in sys.modules if name.startswith("stream_consumer.challenger")]
print(json.dumps({"answer": answer, "asked": Hidden.asked, "challenger": challenger}))
"""

# Imports every module and notes what our own code reads of the environment, and any connection that anybody makes.
IMPORT = """
import importlib, json, os, pkgutil, sys

read, connected = set(), []

class Watched(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame is not None and frame.f_globals["__name__"] in {"os", "collections.abc"}:
            frame = frame.f_back
        if frame is not None and frame.f_globals["__name__"].startswith("stream_consumer"):
            read.add(name)
        return super().__getitem__(name)

os.environ.__class__ = Watched
sys.addaudithook(lambda event, arguments: event == "socket.connect" and connected.append(repr(arguments[1])))
import stream_consumer
for module in pkgutil.walk_packages(stream_consumer.__path__, "stream_consumer."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps({"read": sorted(read), "connected": connected}))
"""


class Kinesis(BaseHTTPRequestHandler):
    """Acknowledges every record of a PutRecords request."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        records = [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"} for _ in request["Records"]]
        body = json.dumps({"FailedRecordCount": 0, "Records": records}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def kinesis() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Kinesis) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(script: str, *, stdin: str = "", **environ: str) -> dict[str, Any]:
    """Run *script* as Lambda would: in the repository, with little more than these variables."""
    kept = {name: value for name, value in os.environ.items() if re.match("PATH$|COVERAGE|PYTHON", name)}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    done = subprocess.run(  # noqa: S603 (our own script)
        [sys.executable, "-c", script],
        input=stdin,
        env=kept | keys | {"AWS_DEFAULT_REGION": "us-east-1"} | environ,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_handler_runs_without_mlflow_and_pandas(boosted_rides_model: Path, kinesis: str) -> None:
    """Nobody asks for mlflow; pandas and rich are missed by nobody but scikit-learn and skops, which do without."""
    result = run(
        f"HIDDEN = {HIDDEN!r}{RUN}",
        stdin=json.dumps(kinesis_event([ride_event(at) for at in range(50)])),
        MODEL_LOCATION=str(boosted_rides_model),
        KINESIS_ENDPOINT_URL=kinesis,
    )
    assert result["answer"] == {"batchItemFailures": []}
    assert result["challenger"] == [], "what is not asked for costs nothing"
    assert {name.partition(".")[0] for name, _ in result["asked"]} <= {"pandas", "rich"}
    assert {who.partition(".")[0] for _, who in result["asked"]} <= {"sklearn", "skops"}


@pytest.mark.process
def test_importing_the_package_reads_no_environment_and_connects_to_nothing() -> None:
    """But for the variable by which Lambda's init phase is known."""
    assert run(IMPORT) == {"read": ["AWS_LAMBDA_RUNTIME_API"], "connected": []}
