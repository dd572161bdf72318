"""The threads that invoke batches, and the limit on continuous failures."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.errors import LocalPlatformError

Job = Callable[[], None]


class Executor(Protocol):
    def submit(self, job: Job) -> None:
        """Run *job*. At most as many jobs run at once as the shard has lanes."""

    def close(self) -> None:
        """Announce that no more jobs will come."""


class LaneThreads:
    """Daemon threads, so that a hanging function cannot keep the process alive."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        for lane in range(count):
            threading.Thread(target=self._work, name=f"{name}-lane-{lane}", daemon=True).start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def close(self) -> None:
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


@dataclass(slots=True)
class FailingSince:
    """The time of continuous failures of an operation."""

    limit: float
    since: float | None = None
    failures: int = 0

    def failed(self, what: str, error: Exception, now: float) -> None:
        """Count a failure. Raise LocalPlatformError if failures have lasted longer than the limit."""
        self.since = now if self.since is None else self.since
        self.failures += 1
        if now - self.since > self.limit:
            raise LocalPlatformError(
                f"{what} has failed for {now - self.since:.0f} s, at last with: {error}"
            ) from error

    def succeeded(self) -> None:
        self.since, self.failures = None, 0
