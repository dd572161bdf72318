"""
A worker process of ``serve --workers``: the parent's view of the worker, and the work inside.

The rule: a worker is a fork of its parent, model included, only if the parent has a single thread. Other threads do not
survive a fork: XGBoost, LightGBM and scikit-learn would wait forever for the parent's OpenMP threads.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import MutableSequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import StreamConsumerError
from stream_consumer.log_escaping import escape_logs
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.web.accepting import NONE
from stream_consumer.web.app import web_app
from stream_consumer.web.metrics import share_metrics
from stream_consumer.web.server import Server, called, prepare
from stream_consumer.web.settings import WebSettings
from stream_consumer.web.signals import HANDLED

_SPAWN, _FORK = multiprocessing.get_context("spawn"), multiprocessing.get_context("fork")

# pyarrow's jemalloc ends its thread before a fork and restarts it on both sides.
_SURVIVES_A_FORK = frozenset({"jemalloc_bg_thd"})


def can_fork() -> bool:
    """Return whether a fork of this process is complete. Always False outside Linux."""
    # A library with fork handlers, such as OpenBLAS, ends its threads before a fork.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # Python 3.12 warns of threads
        child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    # A joined thread stays listed until the kernel has released it.
    for seconds in (0.0, 0.01, 0.1):
        time.sleep(seconds)
        with contextlib.suppress(OSError):  # a thread ended between listing and reading
            threads = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
            if len([name for name in threads if name not in _SURVIVES_A_FORK]) == 1:
                return True
    return False


def shared_counts(workers: int) -> MutableSequence[int]:
    """Return shared memory for the connections of each slot: *workers* slots and a slot for a replacement."""
    counts: MutableSequence[int] = _SPAWN.RawArray("i", [NONE] * (workers + 1))
    return counts


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker accepts connections."""

    model: str
    """The text of :func:`stream_consumer.web.server.called`."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker cannot serve."""

    reason: str


@dataclass(frozen=True, slots=True)
class Work:
    """The inputs of a worker."""

    settings: WebSettings
    listener: socket.socket
    """The listening socket, on which all workers accept connections."""
    folder: Path
    """Folder for the files that the parent and the workers make until they end."""
    connections: MutableSequence[int]
    """See :func:`shared_counts`."""
    model: Model | None = None
    """The model as loaded by the parent. If None, the worker is a new process and loads the model itself."""

    @property
    def metrics_directory(self) -> Path:
        """The directory of :func:`stream_consumer.web.metrics.share_metrics`."""
        return self.folder / "metrics"

    def temporary(self, slot: int) -> Path:
        """Return the folder for the temporary files of a worker. A killed worker cannot remove its files itself."""
        return self.folder / f"worker-{slot}"


class WorkerProcess:
    """A running worker, as its parent sees it. No two running workers have the same *slot*."""

    def __init__(self, work: Work, slot: int) -> None:
        context = _SPAWN if work.model is None else _FORK
        self._reports, reports = context.Pipe(duplex=False)
        # Shared memory, which no process waits for. A full pipe would stop the worker.
        self._beat = context.RawValue("d", time.monotonic())
        parent = _Parent(slot, work.connections, reports, self._beat, os.getpid())
        self._process = context.Process(target=_serve, args=(work, parent))
        # Signals wait until the worker has its own handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        reports.close()

    @property
    def pid(self) -> int:
        return cast("int", self._process.pid)  # the process has been started

    @property
    def exit_code(self) -> int | None:
        """None while the worker runs. Negative for the signal that ended the worker."""
        return self._process.exitcode

    def report(self) -> Serving | Refused | None:
        """Return the next report of the worker, if any."""
        with contextlib.suppress(EOFError, OSError):  # it has ended
            if self._reports.poll():
                said: Serving | Refused = self._reports.recv()
                return said
        return None

    def silent_seconds(self) -> float:
        """Return the seconds since the worker's last sign of life."""
        return time.monotonic() - float(self._beat.value)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        """Wait for the end of the worker and release its resources."""
        self._process.join()
        self._process.close()
        self._reports.close()


@dataclass(frozen=True, slots=True)
class _Parent:
    """The parent, as a worker sees it."""

    slot: int
    connections: MutableSequence[int]
    reports: Connection
    last_beat: Any
    pid: int
    model: str = ""

    def serving(self) -> None:
        self.beat()
        self.reports.send(Serving(self.model))

    def beat(self) -> None:
        self.last_beat.value = time.monotonic()

    def gone(self) -> bool:
        return os.getppid() != self.pid


def _serve(work: Work, parent: _Parent) -> None:
    """Run the worker: serve until a signal ends it."""
    os.setpgid(0, 0)  # the parent handles Ctrl-C in the terminal
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    escape_logs()
    settings = work.settings
    try:
        work.temporary(parent.slot).mkdir(exist_ok=True)
        tempfile.tempdir = str(work.temporary(parent.slot))
        share_metrics(work.metrics_directory, parent.slot)
        model = work.model or load_model(settings.model.model_location, choice=settings.model.choice)
        app = web_app(model, settings, work.metrics_directory)
    except (StreamConsumerError, ClientError, BotoCoreError, OSError) as error:
        parent.reports.send(Refused(str(error)))
        sys.exit(1)
    server = Server(app, settings, dataclasses.replace(parent, model=called(model)))
    prepare(server)
    signal.signal(signal.SIGHUP, server.retire)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the received signal again
        server.run([work.listener])
