"""
uvicorn around the application: how many connections it takes, and an end that loses nothing.

The rule: after SIGTERM the server says that it will end, and serves on for the time to drain; then nothing new is
accepted, what was accepted is answered within the time of grace, and the process exits with 0.
"""

import gc
import signal
import socket
import time
from collections.abc import Callable

import uvicorn

from stream_consumer.errors import StreamConsumerError
from stream_consumer.web.app import WebApp
from stream_consumer.web.settings import WebSettings
from stream_consumer.web.slow_clients import CLOSE, Protocol

# Longer than AWS's load balancers keep an idle connection (60 s), lest one send into it just as it is closed.
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2_048


class CannotListen(StreamConsumerError):
    """The address is taken, or not of this machine."""


class Server(uvicorn.Server):
    """uvicorn's own, which watches its connections, and says for a while that it will end before it does."""

    def __init__(self, app: WebApp, settings: WebSettings) -> None:
        self._app = app
        self._timeout_seconds = settings.timeout_ms / 1000
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
            callback_notify=self._watch,
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
            self.server_state.default_headers.append(CLOSE)
            self.config.encoded_headers.append(CLOSE)
            self._leave_at = time.monotonic() + self._drain_seconds
            return False
        return time.monotonic() >= self._leave_at or len(self._captured_signals) > 1

    async def _watch(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol):
                connection.watch(self._timeout_seconds)


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
