"""
The HTTP port of a member for probes and for Prometheus.

The rule: the port answers from the start of the process, also while the member is busy. No answer has data of a record.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, NamedTuple

from stream_consumer.errors import UsageError
from stream_consumer.group.metrics import MEDIA_TYPE

_CLIENT_SECONDS = 5.0
"""Time limit for a client to send its request."""


class Answer(NamedTuple):
    """The answer to a request."""

    status: HTTPStatus
    body: bytes


Paths = Mapping[str, Callable[[], Answer]]


def probe(is_well: Callable[[], bool]) -> Callable[[], Answer]:
    """Return a probe that answers 200 while *is_well* returns true, otherwise 503."""

    def answer() -> Answer:
        well = is_well()
        return Answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, b"ok\n" if well else b"not ok\n")

    return answer


def metrics(text: Callable[[], bytes]) -> Callable[[], Answer]:
    return lambda: Answer(HTTPStatus.OK, text())


@contextlib.contextmanager
def serving(host: str, port: int, paths: Paths) -> Iterator[int]:
    """
    Answer requests for *paths* on *host* in a thread of its own, and give the port. Port 0 takes any free port.

    Raises:
        UsageError: The port is taken or forbidden.
    """
    try:
        server = _Server((host, port), type("Handler", (_Handler,), {"paths": paths}))
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--health-port {port} of {host} cannot be listened on: {reason}; name another") from None
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Log nothing: clients may leave at any time."""


class _Handler(BaseHTTPRequestHandler):
    paths: ClassVar[Paths]
    timeout = _CLIENT_SECONDS
    server_version, sys_version = "stream-consumer", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer = self.paths.get(path, lambda: Answer(HTTPStatus.NOT_FOUND, b"not found\n"))()
        self.send_response(answer.status)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Log nothing: probes come every few seconds."""
