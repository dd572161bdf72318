"""
Decide which workers run: the decisions of the parent, without processes.

The rule: a worker is asked to leave only when its replacement serves. A failed start ends everything until all workers
have served at the same time once, and whenever no worker serves. Otherwise the start is retried, with growing delays.
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

# A worker that served for a shorter time counts as a failed start.
_STEADY_SECONDS = 10.0
_LONGEST_DELAY_SECONDS = 30.0


class WorkerFailed(StreamConsumerError):
    """A worker could not start, and no other worker serves."""


class Process(Protocol):
    """The interface of :class:`stream_consumer.web.worker_process.WorkerProcess`."""

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
    """The parent's targets and limits."""

    workers: int
    leave_seconds: float
    """Seconds until a worker that was asked to leave is killed."""
    silent_seconds: float
    """Seconds without a sign of life after which a serving worker is killed."""


@dataclass(slots=True, eq=False)
class _Worker:
    process: Process
    slot: int
    generation: int
    model: str = ""
    """The model, as the worker reported it."""
    serving_since: float | None = None
    leave_by: float | None = None


class Supervisor:
    """
    The workers, and the decisions about them.

    Args:
        plan: The targets and limits.
        start: Starts a worker in a slot. No two workers have the same slot.
        ended: Called with the slot of a worker that has ended.
        serving: Called with the model when all workers serve, and again when all have been replaced.
        clock: Monotonic seconds.
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
        """The last generation that served without workers of other generations."""
        self._stopping = False
        self._failures, self._start_at = 0, clock()

    def step(self) -> bool:
        """
        Do all work that is due. Return whether any work remains.

        Raises:
            WorkerFailed: A worker could not start, and no other worker serves.
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
        """Pass the signal *number* on to the workers, and start no more workers."""
        self._stopping = True
        for worker in self._workers:
            self._ask_to_leave(worker, number)

    def kill(self) -> None:
        """End all workers in any state."""
        for worker in list(self._workers):
            worker.process.signal(signal.SIGKILL)
            self._remove(worker)

    def _look_at(self, worker: _Worker) -> None:
        process = worker.process
        code = process.exit_code  # first: a report from before the end has then arrived
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
        """Report the model if no worker is missing or starting, and none of an earlier generation is left."""
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
        """Delay the next start, twice as long after each consecutive failure. Return the delay in seconds."""
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
            elif len(staying) == len(self._workers):  # so at most one worker above the plan
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
