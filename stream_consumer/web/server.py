"""
uvicorn around the application: a bound on everything a connection may take, and an end that loses nothing.

The rule: after SIGTERM the server says that it will end, and serves on for the time to drain; then nothing new is
accepted, what was accepted is answered within the time of grace, and the process exits with 0.
"""

import gc
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stream_consumer.errors import StreamConsumerError
from stream_consumer.web.app import WebApp
from stream_consumer.web.exchange import Answer
from stream_consumer.web.problems import Kind, Problem
from stream_consumer.web.settings import WebSettings

# uvicorn bounds neither a request's head nor the time it takes. Proxies and browsers stop at some 8 to 64 KB.
_MAX_HEAD_BYTES = 65_536
# Longer than AWS's load balancers keep an idle connection (60 s), lest one send into it just as it is closed.
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2_048
_CLOSE = (b"connection", b"close")


class CannotListen(StreamConsumerError):
    """The address is taken, or not of this machine."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, and a watch on requests that never become whole."""

    arriving_since: float | None = None
    """By ``time.monotonic``; None while no request is arriving."""
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.arriving_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.refuse(Problem(Kind.HEAD_TOO_LARGE, f"at most {_MAX_HEAD_BYTES:,} bytes of headers are read"))

    def on_message_begin(self) -> None:
        self.arriving_since, self._in_head, self._head_bytes = time.monotonic(), True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.arriving_since = None
        super().on_message_complete()

    def refuse(self, problem: Problem) -> None:
        """Answer for the application, if it has not begun to, and close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn has none before the first head is whole
        if cycle is None or cycle.response_complete or not cycle.response_started:
            answer = Answer.of(problem)
            head = b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.status.phrase.encode())
            fields = b"".join(b"%b: %b\r\n" % field for field in (*answer.fields(), _CLOSE))
            self.transport.write(head + fields + b"\r\n" + answer.body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's own, which turns slow requests away, and says for a while that it will end before it does."""

    def __init__(self, app: WebApp, settings: WebSettings) -> None:
        self._app = app
        self._patience = settings.timeout_ms / 1000
        self._drain_seconds = settings.drain_seconds
        self._leave_at: float | None = None
        config = uvicorn.Config(
            app,
            http=Protocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            limit_concurrency=settings.max_connections + 1,  # uvicorn refuses as many as this
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.grace_seconds,
            callback_notify=self._turn_slow_requests_away,
            timeout_notify=0,  # each second, which is as often as uvicorn looks
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop serving: not at once when asked to, since what was sent before has to be read."""
        if not await super().on_tick(counter):
            return False
        if self._leave_at is None:
            self._app.drain()
            # Now, and in what uvicorn makes of them each second: clients are to go elsewhere with what comes next.
            self.server_state.default_headers.append(_CLOSE)
            self.config.encoded_headers.append(_CLOSE)
            self._leave_at = time.monotonic() + self._drain_seconds
            return False
        return time.monotonic() >= self._leave_at or len(self._captured_signals) > 1

    async def _turn_slow_requests_away(self) -> None:
        latest = time.monotonic() - self._patience
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol) and (connection.arriving_since or latest) < latest:
                connection.refuse(
                    Problem(Kind.REQUEST_TOO_SLOW, f"the request did not arrive whole within {self._patience:g} s")
                )


def serve(app: WebApp, settings: WebSettings, announce: Callable[[str], None]) -> None:
    """
    Serve until SIGTERM or Ctrl-C; *announce* is told the address when connections are accepted.

    Raises:
        CannotListen: See there.
    """
    listener = _listen(settings.host, settings.port)
    server = Server(app, settings)
    # The libraries and the model are there for good; looking through them for garbage would hold up every request.
    gc.collect()
    gc.freeze()
    # Ended as asked is no failure: uvicorn raises the signal that ended it once more, when its own handler is gone.
    signal.signal(signal.SIGTERM, server.handle_exit)
    host, port = listener.getsockname()[:2]
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    server.run([listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose --host and --port"
        ) from error
