"""
Emulators that are no part of the package, each on a loopback port for as long as a context is open.

The rule: a process that is started here ends with the context, and by the kernel's hand if this process dies first.
"""

import os
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stream_consumer.local.runtime.child_process import Child

HERE = Path(__file__).parent
ROOT = HERE.parent
KINESIS_LOCAL = ROOT / ".ci" / "node" / "node_modules" / "kinesis-local" / "main.js"
LOCALSTACK_PYTHON = ROOT / ".venv-localstack" / "bin" / "python"
_SHIM = {"NODE_OPTIONS": f"--require {HERE / 'loopback.cjs'}"}
_START_SECONDS = 90.0
# LocalStack has a child of its own to end; Node's emulator does not listen to SIGTERM and holds nothing.
_LOCALSTACK_STOP_SECONDS = 15.0

_ports = iter(range(20_000, 32_768))


class EmulatorFailed(Exception):
    """It did not start; the message ends with its last lines."""


def kinesis_local_missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    return None if KINESIS_LOCAL.exists() else "kinesis-local is not installed: npm ci --prefix .ci/node"


def localstack_missing() -> str | None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node or npm, which its Kinesis runs on, is not installed"
    return None if LOCALSTACK_PYTHON.exists() else "its environment is not installed: make .venv-localstack/.done"


@contextmanager
def kinesis_local() -> Iterator[str]:
    """Run kinesis-mock under Node and give its URL."""
    port = free_port()
    environment = {
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(free_port()),
        "KINESIS_MOCK_CERT_PATH": str(KINESIS_LOCAL.parent / "server.json"),
        "LOG_LEVEL": "ERROR",
        **dict.fromkeys(
            [f"{name}_DURATION" for name in ("CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS")], "0ms"
        ),
    }
    url = f"http://127.0.0.1:{port}"
    with _running([str(shutil.which("node")), str(KINESIS_LOCAL)], environment | _SHIM, f"{url}/healthcheck"):
        yield url


@contextmanager
def localstack() -> Iterator[str]:
    """Run LocalStack without Docker and give its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="localstack-") as root:
        environment = {
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
            "EAGER_SERVICE_LOADING": "1",
            "FILESYSTEM_ROOT": root,
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "KINESIS_LATENCY": "0",
            "KINESIS_MOCK_PROVIDER_ENGINE": "node",
            "OVERRIDE_IN_DOCKER": "0",
            "SERVICES": "kinesis,s3",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
        url = f"http://127.0.0.1:{port}"
        program = [str(LOCALSTACK_PYTHON), str(HERE / "localstack_host.py")]
        with _running(program, environment | _SHIM, f"{url}/_localstack/health", _LOCALSTACK_STOP_SECONDS):
            yield url


@contextmanager
def _running(
    program: Sequence[str], environment: Mapping[str, str], health: str, stop_seconds: float = 0.0
) -> Iterator[None]:
    lines: deque[str] = deque(maxlen=30)
    exited = threading.Event()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    child = Child(
        program, environment={**inherited, **environment}, directory=ROOT, on_line=lines.append, on_exit=exited.set
    )
    try:
        if not _comes_up(health, exited):
            raise EmulatorFailed(f"{program[-1]} did not start:\n" + "\n".join(lines))
        yield
    finally:
        child.stop(stop_seconds)


def _comes_up(health: str, exited: threading.Event) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=2):  # noqa: S310 (loopback)
                return True
        except urllib.error.HTTPError:
            return True  # it answers
        except OSError:
            if exited.wait(0.1):
                return False
    return False


def free_port() -> int:
    """
    Return a port that nobody listens on, a new one each time, which no connection made meanwhile gets for its own end.

    Source: Linux, Documentation/networking/ip-sysctl.rst, "ip_local_port_range", which begins at 32768.
    """
    for port in _ports:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise EmulatorFailed("no port from 20000 to 32767 is free any more")
