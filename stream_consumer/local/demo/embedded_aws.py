"""
An emulated AWS (Kinesis, S3, SQS) on a loopback port, as a child process that is always stopped again.

The emulator is ministack: of the measured emulators, only ministack is fast and loses no acknowledged record. Its event
source mapping is not used, since the local platform has its own.
"""

import importlib.util
import os
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from botocore.exceptions import ClientError

from stream_consumer.aws.clients import LOCAL_KEY, LOCAL_REGION, Clients, connect
from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.runtime.child_process import Child

HOST = "127.0.0.1"
START_SECONDS = 30.0
"""The start takes 0.3 s. A machine that needs a hundred times as long is stuck."""
POLL_SECONDS = 0.05
STOP_SECONDS = 5.0


class EmbeddedAws:
    """
    Context manager with an emulator that has *streams* (name to number of shards) and *buckets* at ``endpoint_url``.

    Raises:
        UsageError: The port is taken, or ministack is not installed.
        LocalPlatformError: The emulator did not start. The message has its last lines.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        streams: Mapping[str, int] | None = None,
        buckets: Sequence[str] = (),
        region: str = LOCAL_REGION,
        program: Sequence[str] = (sys.executable, "-m", "ministack"),
    ) -> None:
        self._port = port
        self._streams = dict(streams or {})
        self._buckets = tuple(buckets)
        self._region = region
        self._program = program
        self._lines: deque[str] = deque(maxlen=20)
        self._exited = threading.Event()
        self._closing = ExitStack()
        self.endpoint_url = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which a worker process or the AWS CLI uses the emulator."""
        return environment_of(self.endpoint_url, self._region)

    def clients(self) -> Clients:
        return connect(environ={}, endpoint_url=self.endpoint_url, region=self._region)

    def wait(self) -> None:
        """
        Wait while the emulator runs, until somebody interrupts.

        Raises:
            LocalPlatformError: The emulator ended by itself.
        """
        self._exited.wait()
        raise LocalPlatformError(f"the emulator ended; its last lines: {self._last_lines()}")

    def __enter__(self) -> Self:
        if importlib.util.find_spec("ministack") is None:
            raise UsageError("the package ministack is not installed: pip install 'stream-consumer[local]'")
        port = self._port or free_port()
        if is_taken(port):
            raise UsageError(f"port {port} on {HOST} is taken: stop its process or choose another port with --port")
        self.endpoint_url = f"http://{HOST}:{port}"
        try:
            self._start(port)
            self._fill()
        except BaseException:  # the child must not stay behind after any exception
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _start(self, port: int) -> None:
        directory = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="stream-consumer-"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        child = Child(
            self._program,
            environment=inherited | {"BIND_HOST": HOST, "GATEWAY_PORT": str(port), "TMPDIR": directory},
            directory=Path(directory),
            on_line=self._lines.append,
            on_exit=self._exited.set,
        )
        self._closing.callback(child.stop, STOP_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._exited.wait(POLL_SECONDS) or time.monotonic() > deadline:
                fate = "did not start" if self._exited.is_set() else f"did not answer within {START_SECONDS:.0f} s"
                raise LocalPlatformError(f"the emulator {fate} on {self.endpoint_url}: {self._last_lines()}")

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=1):  # noqa: S310 - http
                return True
        except OSError:
            return False

    def _fill(self) -> None:
        clients = self.clients()
        for name, shards in self._streams.items():
            try:
                clients.kinesis.create_stream(StreamName=name, ShardCount=shards)
            except ClientError as error:
                raise UsageError(f"stream {name!r} cannot be made: {error}") from error
            clients.kinesis.get_waiter("stream_exists").wait(
                StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
            )
        for bucket in self._buckets:
            try:
                clients.s3.create_bucket(Bucket=bucket)
            except ClientError as error:
                raise UsageError(f"bucket {bucket!r} cannot be made: {error}") from error

    def _last_lines(self) -> str:
        return " | ".join(self._lines) or "(it wrote nothing)"


def environment_of(endpoint_url: str, region: str = LOCAL_REGION) -> dict[str, str]:
    """Return the variables by which a process finds the emulator at *endpoint_url*."""
    return {
        "AWS_ACCESS_KEY_ID": LOCAL_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_SECRET_ACCESS_KEY": LOCAL_KEY,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
