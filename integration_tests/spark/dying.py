"""A scorer that kills what it runs in, once, in the middle of a job."""

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stream_consumer.arrow import ArrowScorer

Victim = Literal["worker", "executor"]


@dataclass(frozen=True)
class DyingScorer(ArrowScorer):
    """Kills its Python worker, or the executor's JVM, after the first batch of the first task that comes so far."""

    victim: Victim = "worker"
    mark: Path = Path()
    """Made by the task that kills."""

    def batches(self, rows: Iterable[Any]) -> Iterator[Any]:
        for batch in super().batches(rows):
            yield batch
            try:
                with self.mark.open("x", encoding="utf-8") as mark:
                    victim = os.getpid() if self.victim == "worker" else _executor(os.getpid())
                    mark.write(str(victim))
            except FileExistsError:
                continue
            os.kill(victim, signal.SIGKILL)


def _executor(process: int) -> int:
    """Return the JVM above *process*."""
    while b"CoarseGrainedExecutorBackend" not in Path(f"/proc/{process}/cmdline").read_bytes():
        process = int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return process
