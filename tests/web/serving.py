"""``stream-consumer serve`` in a process of its own, and a client that is as slow as a test wants it to be."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.web.client import TOKEN

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


@dataclass
class Server:
    """A server that accepts connections."""

    process: subprocess.Popen[str]
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

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(model: Path, *arguments: str, **environ: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "stream_consumer", "serve", "--model", str(model), "--port", "0", *arguments]
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")}
    with subprocess.Popen(command, cwd=ROOT, env=kept | environ, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (ours)
        assert process.stderr is not None
        said = ""
        try:
            while not (found := re.search(r" on http://([\d.]+):(\d+) ", said)):
                line = process.stderr.readline()
                assert line, f"it ended: {said}"
                said += line
            yield Server(process, found[1], int(found[2]))
        finally:
            process.kill()


def post(body: bytes, *, length: int | None = None, token: str = TOKEN) -> bytes:
    """Return the bytes of a request to ``/predict``; *length* is what it says of its body's."""
    head = [b"POST /predict HTTP/1.1", b"Host: here", b"Content-Type: application/json"]
    head.append(b"Authorization: Bearer %b" % token.encode())
    head.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


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
