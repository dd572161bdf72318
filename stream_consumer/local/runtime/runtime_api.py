"""
The Runtime API for a worker process, served to ``awslambdaric`` on loopback.

The rule: every report of the worker becomes a value for the invoking thread. This module decides nothing.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes", 2018-06-01.
"""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from stream_consumer.local.runtime.functions import RESPONSE_LIMIT, FunctionError, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True, slots=True)
class Request:
    """An invocation as sent to the worker."""

    request_id: str
    payload: bytes
    function_arn: str
    deadline_ms: int
    """Milliseconds since the epoch."""


Answer = bytes | FunctionError


class RuntimeApi:
    """
    Serves a worker. All state changes under ``changed``, with a notification for each change.

    Args:
        idle: Called under ``changed`` when the worker asks for an invocation and none is waiting.
    """

    def __init__(self, idle: "Callable[[], None]") -> None:
        self.changed = threading.Condition()
        self.asking = False
        """Whether the worker waits for an invocation: its init, or the previous invocation, is over."""
        self.init_error: FunctionError | None = None
        self.answer: Answer | None = None
        self._request: Request | None = None
        self._current: Request | None = None
        self._closed = False
        self._idle = idle
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="runtime-api", daemon=True).start()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def offer(self, request: Request) -> None:
        """Give the worker an invocation. The outcome will be in ``answer``."""
        with self.changed:
            self._request, self.answer = request, None
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def next_request(self) -> Request | None:
        """Wait for an invocation, on behalf of the worker. None if no more will come."""
        with self.changed:
            self.asking = True
            self.changed.notify_all()
            while self._request is None and not self._closed:
                self._idle()
                self.changed.wait()
            self._current, self._request, self.asking = self._request, None, False
            return self._current

    def answered(self, request_id: str, answer: Answer) -> bool:
        """Take the outcome of an invocation from the worker. False if the outcome is not of the current invocation."""
        with self.changed:
            if self._current is None or self._current.request_id != request_id:
                return False
            self.answer, self._current = answer, None
            self.changed.notify_all()
            return True

    def init_failed(self, error: FunctionError) -> None:
        """Take the error of a failed init from the worker."""
        with self.changed:
            self.init_error = error
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """
        Print nothing.

        A broken connection belongs to a killed worker, and the environment notices the end of the worker.
        """


class _Handler(BaseHTTPRequestHandler):
    api: ClassVar[RuntimeApi]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        request = self.api.next_request() if self.path == f"{PREFIX}invocation/next" else None
        if request is None:
            self._reply(HTTPStatus.NOT_FOUND)
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request.request_id,
            "Lambda-Runtime-Deadline-Ms": str(request.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": request.function_arn,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
            "Content-Type": "application/json",
        }
        self._reply(HTTPStatus.OK, request.payload, headers)

    def do_POST(self) -> None:
        body = self._body()
        status = HTTPStatus.NOT_FOUND
        match self.path.removeprefix(PREFIX).split("/"):
            case ["init", "error"]:
                self.api.init_failed(_reported(body))
                status = HTTPStatus.ACCEPTED
            case ["invocation", request_id, "error"]:
                status = self._answered(request_id, _reported(body))
            case ["invocation", request_id, "response"] if len(body) > RESPONSE_LIMIT:
                self._answered(request_id, too_large(len(body)))
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            case ["invocation", request_id, "response"]:
                status = self._answered(request_id, body)
        self._reply(status)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged."""

    def _answered(self, request_id: str, answer: Answer) -> HTTPStatus:
        return HTTPStatus.ACCEPTED if self.api.answered(request_id, answer) else HTTPStatus.BAD_REQUEST

    def _body(self) -> bytes:
        """Return the whole body. Raise if the worker died while sending: half an answer is not an answer."""
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError(f"the body ended after {len(body)} of {size} bytes")
        return body

    def _reply(self, status: HTTPStatus, body: bytes = b"", headers: "Mapping[str, str] | None" = None) -> None:
        # A single write for head and body. With two, the client's delayed acknowledgement would cost 40 ms.
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        with suppress(ConnectionError):  # the worker is gone, and the environment notices its end
            self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)


def _reported(body: bytes) -> FunctionError:
    """Return the error in a runtime client's document. Any other text becomes the message."""
    try:
        document = json.loads(body)
        return FunctionError(
            str(document["errorType"]), str(document["errorMessage"]), tuple(map(str, document.get("stackTrace") or ()))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return FunctionError("Runtime.Unknown", body.decode(errors="replace"))
