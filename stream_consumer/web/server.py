"""
uvicorn around the application: a limit on connections, and a shutdown that loses no request.

The rule: after SIGTERM the server reports that it is not ready, and serves for the drain time. Then no new connection
is accepted, accepted requests are answered within the grace time, and the process exits with 0. A replaced worker
accepts no more connections at once, and closes each of its connections after an answer.
"""

import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, MutableSequence
from typing import Any, NoReturn, Protocol

import uvicorn

from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.web.accepting import Acceptor
from stream_consumer.web.app import WebApp, web_app
from stream_consumer.web.listener import BACKLOG, listener, url
from stream_consumer.web.settings import WebSettings
from stream_consumer.web.slow_clients import CLOSE
from stream_consumer.web.slow_clients import Protocol as Connection

# Longer than AWS's load balancers keep an idle connection (60 s). Otherwise they might send on a connection just
# closed.
_KEEP_ALIVE_SECONDS = 75

RETIRE_SECONDS = 5
"""Seconds for which a replaced worker waits for further requests on its connections."""


class Parent(Protocol):
    """The process that watches this process, as the server sees it."""

    @property
    def slot(self) -> int:
        """The number of this worker among the running workers."""

    @property
    def connections(self) -> MutableSequence[int]:
        """The number of connections in each slot, in memory shared by all workers."""

    def serving(self) -> None:
        """Report that this worker accepts connections."""

    def beat(self) -> None:
        """Report that this worker is well."""

    def gone(self) -> bool:
        """Return whether the parent has died."""


class Server(uvicorn.Server):
    """uvicorn's server, with a watch on connections and a drain time before the shutdown."""

    def __init__(self, app: WebApp, settings: WebSettings, parent: Parent | None = None) -> None:
        self._app = app
        self._parent = parent
        self._timeout_seconds = settings.timeout_ms / 1000
        self._drain_seconds = settings.drain_seconds
        self._leave_at: float | None = None
        self._replaced = False
        self._acceptor: Acceptor | None = None
        config = uvicorn.Config(
            app,
            http=Connection,
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=settings.max_connections + 1,  # uvicorn refuses at this number
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.grace_seconds,
            callback_notify=self._watch,
            timeout_notify=0,  # each second, as often as uvicorn checks
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._parent is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        [accepting] = sockets
        state = self.server_state
        self._acceptor = Acceptor(
            accepting,
            lambda: Connection(self.config, state, {}),
            lambda: len(state.connections),
            self._parent.connections,
            self._parent.slot,
        )
        self.servers.append(self._acceptor)  # type: ignore[arg-type]  # closed in the same way
        self._parent.serving()

    async def on_tick(self, counter: int) -> bool:
        """
        Return whether to stop serving.

        Not immediately after the request to stop, since earlier requests must still be read.
        """
        if self._parent and self._parent.gone():
            self.should_exit = True
        if not await super().on_tick(counter):
            return False
        if self._leave_at is None:
            self._leave_at = time.monotonic() + self._last_seconds()
            # Now, and in the headers that uvicorn renews each second: clients must send their next requests elsewhere.
            self.server_state.default_headers.append(CLOSE)
            self.config.encoded_headers.append(CLOSE)
            return False
        if self._replaced and not self.server_state.connections:
            return True
        patient_signals = 0 if self._replaced else 1
        return time.monotonic() >= self._leave_at or len(self._captured_signals) > patient_signals

    def _last_seconds(self) -> float:
        """Begin the shutdown, and return the seconds for which connections are still served."""
        if not self._replaced:
            self._app.drain()
            return self._drain_seconds
        for server in self.servers:
            server.close()
        return RETIRE_SECONDS

    def retire(self, *_: Any) -> None:
        """Shut down because another worker has taken over. A signal handler."""
        self._replaced = self.should_exit = True

    async def _watch(self) -> None:
        self._app.refresh_metrics()
        if self._acceptor:
            self._acceptor.tell()
        if self._parent and not self._app.stuck:
            self._parent.beat()
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.watch(self._timeout_seconds)


def serve(settings: WebSettings, announce: Callable[[str, str], None]) -> None:
    """
    Serve until SIGTERM or Ctrl-C. *announce* is called with the model and the address once connections are answered.

    The port is bound before the model is loaded, so connections wait until then.

    Raises:
        CannotListen: The address is in use, or does not belong to this machine.
        ModelError: The model cannot be loaded.
        SystemExit: SIGTERM arrived before serving began.
    """
    signal.signal(signal.SIGTERM, _leave)
    with listener(settings.host, settings.port) as accepting:
        model = load_model(settings.model.model_location, choice=settings.model.choice)
        server = Server(web_app(model, settings), settings)
        if signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:  # Python, or a library, has dropped the exception
            sys.exit(0)
        prepare(server)
        announce(called(model), url(accepting))
        server.run([accepting])


def _leave(*_: object) -> NoReturn:
    """Exit, and remove the model's files fetched so far. A signal handler."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the exit
    sys.exit(0)


def called(model: Model) -> str:
    """Return a text that identifies the served model."""
    return f"{model.name} {model.version} (digest {model.digest})"


def prepare(server: Server) -> None:
    """Prepare this process to do nothing but serve."""
    # The libraries and the model live as long as the process. Searching them for garbage would delay every request.
    gc.collect()
    gc.freeze()
    # An orderly shutdown is not a failure. uvicorn restores the handlers and raises the received signal again.
    signal.signal(signal.SIGTERM, server.handle_exit)
