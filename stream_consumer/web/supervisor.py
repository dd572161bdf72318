"""
Which workers there should be: the parent's decisions, without a process.

The rule: a worker is asked to leave only when the worker that replaces it serves. A start that fails ends everything as
long as all workers have not served at one time, or if no worker serves. Otherwise it is tried again, ever more slowly.
"""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.errors import StreamConsumerError
from stream_consumer.web.worker_process import Refused, Serving

_log = logging.getLogger(__name__)

# A worker that served for less has failed as a start has.
_STEADY_SECONDS = 10.0
_LONGEST_DELAY_SECONDS = 30.0


class WorkerFailed(StreamConsumerError):
    """A worker could not start, and no other serves."""


class Process(Protocol):
    """As :class:`stream_consumer.web.worker_process.WorkerProcess`."""

    @property
    def pid(self) -> int: ...

    @property
    def exit_code(self) -> int | None: ...

    def report(self) -> Serving | Refused | None: ...

    def silent_seconds(self) -> float: ...

    def signal(self, number: int) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What the parent is to see to."""

    workers: int
    leave_seconds: float
    """A worker that was asked to leave is killed after so long."""
    silent_seconds: float
    """A worker that serves and was not well for so long is killed."""


@dataclass(slots=True, eq=False)
class _Worker:
    process: Process
    slot: int
    generation: int
    model: str = ""
    """As it was told by the worker."""
    serving_since: float | None = None
    leave_by: float | None = None


class Supervisor:
    """
    The workers, and what becomes of them.

    Args:
        plan: See there.
        start: Starts a worker in a slot, a number that no other worker has.
        ended: Told the slot of a worker that has ended.
        serving: Told the model when all workers serve, and again when they have been replaced by others.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        plan: Plan,
        start: Callable[[int], Process],
        *,
        ended: Callable[[int], None],
        serving: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._start, self._ended, self._serving, self._clock = plan, start, ended, serving, clock
        self._workers: list[_Worker] = []
        self._generation = 0
        self._told = -1
        """The last generation that served alone."""
        self._stopping = False
        self._failures, self._start_at = 0, clock()

    def step(self) -> bool:
        """
        Do all that is due. Return whether there is anything left to see to.

        Raises:
            WorkerFailed: See there.
        """
        for worker in list(self._workers):
            self._look_at(worker)
        self._tell()
        if not self._stopping:
            self._start_and_replace()
        return bool(self._workers) or not self._stopping

    def renew(self) -> None:
        """Replace every worker, one after another."""
        self._generation += 1

    def stop(self, number: int) -> None:
        """Pass the signal *number* on to the workers, and start no more."""
        self._stopping = True
        for worker in self._workers:
            self._ask_to_leave(worker, number)

    def kill(self) -> None:
        """End all workers, whatever they do."""
        for worker in list(self._workers):
            worker.process.signal(signal.SIGKILL)
            self._remove(worker)

    def _look_at(self, worker: _Worker) -> None:
        process = worker.process
        code = process.exit_code  # first: what it said before it ended is there by then
        report = process.report()
        if isinstance(report, Serving):
            worker.model, worker.serving_since = report.model, self._clock()
        if code is not None or isinstance(report, Refused):
            self._bury(worker, code, report)
        elif worker.leave_by is not None:
            if self._clock() > worker.leave_by:
                process.signal(signal.SIGKILL)
        elif worker.serving_since is not None and process.silent_seconds() > self._plan.silent_seconds:
            _log.error("worker %d does not respond and is killed", process.pid)
            process.signal(signal.SIGKILL)

    def _tell(self) -> None:
        """Tell the model if no worker is missing, none starts, and none of an earlier generation is left."""
        if len(self._workers) == self._plan.workers and all(each.serving_since is not None for each in self._workers):
            oldest = min(each.generation for each in self._workers)
            if oldest > self._told:
                self._told = oldest
                self._serving(" and ".join(sorted({each.model for each in self._workers})))

    def _bury(self, worker: _Worker, code: int | None, report: Serving | Refused | None) -> None:
        ended = f"worker {worker.process.pid} ended with {_how(code)}"
        self._remove(worker)
        if worker.leave_by is not None:
            return
        if isinstance(report, Refused):
            self._start_failed(report.reason)
        elif worker.serving_since is None:
            self._start_failed(f"{ended} before it served")
        else:
            steady = self._clock() >= worker.serving_since + _STEADY_SECONDS
            self._failures = 0 if steady else self._failures + 1
            _log.error("%s; another starts in %g s", ended, self._delay())

    def _start_failed(self, reason: str) -> None:
        serving = [each for each in self._workers if each.serving_since is not None]
        if self._told < 0 or not serving:
            raise WorkerFailed(reason)
        if len(self._staying()) >= self._plan.workers:
            self._told = self._generation
            for each in self._workers:
                each.generation = self._generation
            _log.error("the workers are not replaced: %s", reason)
        else:
            self._failures += 1
            _log.error("%s; another worker starts in %g s", reason, self._delay())

    def _delay(self) -> float:
        """Put off the next start, twice as long after each failure in a row, and return for how many seconds."""
        delay = min(2.0 ** (self._failures - 1), _LONGEST_DELAY_SECONDS) if self._failures else 0.0
        self._start_at = self._clock() + delay
        return delay

    def _start_and_replace(self) -> None:
        staying = self._staying()
        missing = self._plan.workers - len(staying)
        if missing > 0:
            if self._clock() >= self._start_at:
                self._start_workers(missing)
            return
        old = [worker for worker in staying if worker.generation < self._generation]
        if old and all(worker.serving_since is not None for worker in staying):
            if missing < 0:
                self._ask_to_leave(old[0], signal.SIGHUP)
            elif len(staying) == len(self._workers):  # so no more than one above the plan at any time
                self._start_workers(1)

    def _start_workers(self, count: int) -> None:
        for _ in range(count):
            taken = {worker.slot for worker in self._workers}
            slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
            try:
                process = self._start(slot)
            except OSError as error:
                self._start_failed(f"no worker can be started: {error}")
                return
            self._workers.append(_Worker(process, slot, self._generation))

    def _ask_to_leave(self, worker: _Worker, number: int) -> None:
        worker.process.signal(number)
        worker.leave_by = worker.leave_by or self._clock() + self._plan.leave_seconds

    def _staying(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.leave_by is None]

    def _remove(self, worker: _Worker) -> None:
        worker.process.close()
        self._workers.remove(worker)
        self._ended(worker.slot)


def _how(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    return f"signal {-exit_code} ({signal.strsignal(-exit_code)})"
