"""
``serve --workers``: a parent process and its workers on a single port.

The rule: the parent has the socket, the model and a single thread, and serves no request itself.
"""

import contextlib
import dataclasses
import gc
import logging
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client.multiprocess import mark_process_dead

from stream_consumer.errors import SettingsError, StreamConsumerError
from stream_consumer.models.loading import load_model
from stream_consumer.web.accepting import NONE
from stream_consumer.web.listener import listener, url
from stream_consumer.web.settings import WebSettings
from stream_consumer.web.signals import Signals, StopAsked
from stream_consumer.web.supervisor import Plan, Supervisor
from stream_consumer.web.worker_process import Work, WorkerProcess, can_fork, shared_counts

_log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
# The worker's own limits end before this extra time does.
_SPARE_SECONDS = 10.0
_SILENT_SECONDS = 60.0


def serve_by_workers(settings: WebSettings, announce: Callable[[str, str], None]) -> None:
    """
    Serve until SIGTERM or Ctrl-C.

    *announce* is called with the model and the address once all workers accept connections.

    The port is bound before the model is loaded, so connections wait until then. SIGHUP reloads the model and replaces
    the workers one after another. *announce* is called again when all workers serve the new model.

    Raises:
        CannotListen: The address is in use, or does not belong to this machine.
        ModelError: The model cannot be loaded.
        SettingsError: No temporary folder can be made.
        WorkerFailed: A worker cannot start, and no other worker serves.
    """
    signals = Signals()
    signals.handle()
    with listener(settings.host, settings.port) as bound, _temporary_folder() as folder:
        address = url(bound)
        parent = _Parent(Work(settings, bound, folder, shared_counts(settings.workers)), signals)
        supervisor = Supervisor(
            _plan(settings),
            parent.start,
            ended=parent.ended,
            serving=lambda model: announce(model, address),
        )
        try:
            parent.load()
            parent.watch(supervisor)
        except StopAsked:
            pass  # no worker was started yet
        finally:
            supervisor.kill()
    if signals.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Give a folder for all temporary files of this process, removed at the end."""
    try:
        made = tempfile.TemporaryDirectory(prefix="stream-consumer-serve-")
    except OSError as error:
        raise SettingsError(
            f"the workers have no temporary folder for their metrics ({error}); set TMPDIR to one that is writable"
        ) from error
    before = tempfile.tempdir
    with made as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def _plan(settings: WebSettings) -> Plan:
    leave_seconds = settings.drain_seconds + settings.grace_seconds + _SPARE_SECONDS
    return Plan(settings.workers, leave_seconds, _SILENT_SECONDS + settings.timeout_ms / 1000)


class _Parent:
    """This process: the inputs of its workers, and the signals to the process."""

    def __init__(self, work: Work, signals: Signals) -> None:
        self._work, self._signals = work, signals
        work.metrics_directory.mkdir()

    def load(self) -> None:
        """
        Load the model. If this process can be forked, all workers started later share the model.

        Raises:
            ModelError: The model cannot be loaded.
            StopAsked: A signal to stop arrived.
        """
        choice = self._work.settings.model
        with self._signals.ending_it():
            model = load_model(choice.model_location, choice=choice.choice)
        self._work = dataclasses.replace(self._work, model=model if can_fork() else None)
        # Garbage collection writes to every object, and a worker no longer shares a memory page after a write.
        gc.collect()
        gc.freeze()

    def start(self, slot: int) -> WorkerProcess:
        return WorkerProcess(self._work, slot)

    def ended(self, slot: int) -> None:
        """Remove a worker's entries from the shared resources."""
        self._work.connections[slot] = NONE
        mark_process_dead(slot, self._work.metrics_directory)  # type: ignore[no-untyped-call]
        shutil.rmtree(self._work.temporary(slot), ignore_errors=True)

    def watch(self, supervisor: Supervisor) -> None:
        """Watch the workers until a signal ends them."""
        self._heed(supervisor)
        while supervisor.step():
            time.sleep(_TICK_SECONDS)
            self._heed(supervisor)

    def _heed(self, supervisor: Supervisor) -> None:
        while number := self._signals.stop():
            self._work.listener.close()  # otherwise new connections would wait for workers that no longer accept
            supervisor.stop(number)
        if self._signals.reload() and not self._signals.stopped_by:
            self._renew(supervisor)

    def _renew(self, supervisor: Supervisor) -> None:
        try:
            self.load()
        except (StreamConsumerError, ClientError, BotoCoreError) as error:
            _log.error("the workers are not replaced: %s", error)
        except StopAsked:
            pass  # the workers get the signal next
        else:
            supervisor.renew()
