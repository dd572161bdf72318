"""
``docker compose`` with LocalStack and the image.

The rule: it is waited for by health checks, taken down whatever happens, and its logs are shown on failure.
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration_tests.rie import RIE_FOLDER, fetch_rie, invoke
from integration_tests.world import Capability, Consumer, Endpoints, World, create_stream
from stream_consumer.aws.clients import connect
from stream_consumer.local.runtime.functions import ACCOUNT, FunctionError, Invocation
from stream_consumer.model import Model

_FILE = Path(__file__).parent / "compose.yaml"
_URL = "http://127.0.0.1:4566"
_PORTS = {"champion": 9001, "challenger": 9002}
_WAIT_SECONDS = 180


class EmulatedFunction:
    """A function behind the runtime interface emulator, which takes one invocation at a time."""

    def __init__(self, name: str, port: int) -> None:
        self.arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
        self._port = port
        self._turn = threading.Lock()

    def invoke(self, payload: bytes) -> Invocation:
        request_id = str(uuid.uuid4())
        with self._turn:
            try:
                answer = invoke(self._port, payload)
            except OSError as error:  # the container was killed
                return Invocation(request_id, error=FunctionError("Runtime.ExitError", str(error)))
        if isinstance(answer, dict) and "errorMessage" in answer:
            return Invocation(request_id, error=FunctionError(answer.get("errorType", ""), answer["errorMessage"]))
        return Invocation(request_id, payload=json.dumps(answer).encode())


def missing() -> str | None:
    """Say why docker compose cannot be used here."""
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return "docker is not installed"
    if answer.returncode:
        return "there is no Docker daemon"
    compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)  # noqa: S607
    return "docker has no compose plugin" if compose.returncode else None


@contextmanager
def opened(image: str, models: Path, champion: Model, challenger: Model) -> Iterator[World]:
    """Bring everything up, and whatever happens take it down again."""
    environment = {
        **os.environ,
        "IMAGE": image,
        "MODELS": str(models),
        "RIE": str(fetch_rie(RIE_FOLDER)),
        "CHALLENGER_DIGEST": challenger.digest,
    }
    try:
        _compose(environment, "up", "--detach", "--wait", "--wait-timeout", str(_WAIT_SECONDS))
        clients = connect(environ={}, endpoint_url=_URL)
        consumers = {}
        for role, model in {"champion": champion, "challenger": challenger}.items():
            output, bucket = create_stream(clients.kinesis, f"{role}-predictions", shards=2), f"{role}-dead-letters"
            clients.s3.create_bucket(Bucket=bucket)
            consumers[role] = Consumer(EmulatedFunction(role, _PORTS[role]), model, output, bucket)
        yield World(
            "compose",
            frozenset({Capability.VOLUME, Capability.RESHARDING}),
            Endpoints(_URL, _URL),
            clients.kinesis,
            clients.s3,
            consumers["champion"],
            consumers["challenger"],
        )
    except BaseException:
        _compose(environment, "logs", "--no-color", "--tail", "200")
        raise
    finally:
        _compose(environment, "down", "--volumes", "--timeout", "5")


def _compose(environment: dict[str, str], *arguments: str) -> None:
    """Run docker compose, its output beside ours."""
    command = ["docker", "compose", "--file", str(_FILE), *arguments]
    subprocess.run(command, env=environment, stdout=sys.stderr, check=True)  # noqa: S603 (our own file)
