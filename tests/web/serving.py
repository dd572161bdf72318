"""``stream-consumer serve`` in a process, its server in a thread, and a client that is as slow as a test wants it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stream_consumer.web import server as web_server
from stream_consumer.web.app import WebApp
from stream_consumer.web.listener import listener
from tests.web.client import TOKEN, app, settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0


@dataclass
class Address:
    """Where a server accepts connections."""

    host: str
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

    def accepts(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def get(self, path: str) -> int:
        """Return the status of the answer to a request on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(get(path))
            return reply(connection)[0]


@dataclass
class Server(Address):
    """A server in a process of its own."""

    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(model: Path, *arguments: str, **environ: str) -> Iterator[Server]:
    with starting(model, *arguments, **environ) as process:
        yield ready(process)


@contextlib.contextmanager
def starting(model: Path, *arguments: str, **environ: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "stream_consumer", "serve", *arguments]
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")}
    given = kept | {"MODEL_LOCATION": str(model), "WEB_PORT": "0"} | environ
    with subprocess.Popen(command, cwd=ROOT, env=given, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (ours)
        try:
            yield process
        finally:
            process.kill()


def ready(process: "subprocess.Popen[str]") -> Server:
    """Wait until it says that it serves, and where."""
    assert process.stderr is not None
    said = ""
    while not (found := re.search(r" on http://([\d.]+):(\d+) ", said)):
        line = process.stderr.readline()
        assert line, f"it ended: {said}"
        said += line
    return Server(found[1], int(found[2]), process)


@contextlib.contextmanager
def running(application: WebApp | None = None, **environ: str) -> Iterator[Address]:
    """Run a server in a thread, with a fake model: that takes no seconds to start, so a test may have its own."""
    accepting = listener("127.0.0.1", 0)
    address = Address(*accepting.getsockname())
    server = web_server.Server(application or app(**environ), settings(**environ))
    thread = threading.Thread(target=server.run, args=([accepting],))
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def get(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode()


def post(body: bytes, *fields: bytes, length: int | None = None, token: str = TOKEN) -> bytes:
    """Return the bytes of a request to ``/predict``; *length* is what it says of its body's."""
    head = [b"POST /predict HTTP/1.1", b"Host: here", b"Content-Type: application/json", *fields]
    head.append(b"Authorization: Bearer %b" % token.encode())
    head.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def replies(connection: socket.socket) -> list[int]:
    """Return the statuses of all answers until the server closes."""
    received = b""
    while some := connection.recv(65_536):
        received += some
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


def reply(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and the body of the next answer; status 0 if the server closes without one."""
    stream = connection.makefile("rb")
    status = stream.readline()
    if not status:
        return 0, b""
    length = 0
    while (line := stream.readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return int(status.split()[1]), stream.read(length)
