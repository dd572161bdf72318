"""
uvicorn around the application: how many connections it takes, and an end that loses nothing.

The rule: after SIGTERM the server says that it will end, and serves on for the time to drain; then nothing new is
accepted, what was accepted is answered within the time of grace, and the process exits with 0. A worker that was
replaced accepts nothing more at once, and closes each of its connections behind an answer.
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

# Longer than AWS's load balancers keep an idle connection (60 s), lest one send into it just as it is closed.
_KEEP_ALIVE_SECONDS = 75

RETIRE_SECONDS = 5
"""How long a worker that was replaced waits for another request on the connections that it has."""


class Parent(Protocol):
    """The process that watches this one, as the server needs it."""

    @property
    def slot(self) -> int:
        """The number of this worker among those that run."""

    @property
    def connections(self) -> MutableSequence[int]:
        """The connections of each slot, in memory that all workers share."""

    def serving(self) -> None:
        """Learn that connections are accepted."""

    def beat(self) -> None:
        """Learn that the worker is well."""

    def gone(self) -> bool:
        """Return whether the parent has died."""


class Server(uvicorn.Server):
    """uvicorn's own, which watches its connections, and says for a while that it will end before it does."""

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
            limit_concurrency=settings.max_connections + 1,  # uvicorn refuses as many as this
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.grace_seconds,
            callback_notify=self._watch,
            timeout_notify=0,  # each second, which is as often as uvicorn looks
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
        self.servers.append(self._acceptor)  # type: ignore[arg-type]  # it is closed as those are
        self._parent.serving()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop serving: not at once when asked to, since what was sent before has to be read."""
        if self._parent and self._parent.gone():
            self.should_exit = True
        if not await super().on_tick(counter):
            return False
        if self._leave_at is None:
            self._leave_at = time.monotonic() + self._last_seconds()
            # Now, and in what uvicorn makes of them each second: clients are to go elsewhere with what comes next.
            self.server_state.default_headers.append(CLOSE)
            self.config.encoded_headers.append(CLOSE)
            return False
        if self._replaced and not self.server_state.connections:
            return True
        patient_signals = 0 if self._replaced else 1
        return time.monotonic() >= self._leave_at or len(self._captured_signals) > patient_signals

    def _last_seconds(self) -> float:
        """Begin to end, and return for how long connections are served yet."""
        if not self._replaced:
            self._app.drain()
            return self._drain_seconds
        for server in self.servers:
            server.close()
        return RETIRE_SECONDS

    def retire(self, *_: Any) -> None:
        """End because another worker serves in its place. A handler of signals."""
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
    Serve until SIGTERM or Ctrl-C. *announce* is told the model and the address when connections are answered.

    The port is held before the model is loaded, so connections wait until then.

    Raises:
        CannotListen: See there.
        ModelError: The model cannot be loaded.
        SystemExit: SIGTERM came before.
    """
    signal.signal(signal.SIGTERM, _leave)
    with listener(settings.host, settings.port) as accepting:
        model = load_model(settings.model.model_location, choice=settings.model.choice)
        server = Server(web_app(model, settings), settings)
        prepare(server)
        announce(called(model), url(accepting))
        server.run([accepting])


def _leave(*_: object) -> NoReturn:
    """End, and remove the model's files that were fetched so far. A handler of signals."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one does not interrupt that
    sys.exit(0)


def called(model: Model) -> str:
    """Return what tells the model that is served from all others."""
    return f"{model.name} {model.version} (digest {model.digest})"


def prepare(server: Server) -> None:
    """Make this process one that only serves."""
    # The libraries and the model are there for good; looking through them for garbage would hold up every request.
    gc.collect()
    gc.freeze()
    # Ended as asked is no failure: uvicorn raises the signal that ended it once more, when its own handler is gone.
    signal.signal(signal.SIGTERM, server.handle_exit)
