"""
A process for each contestant: fresh, on one core, one thread for linear algebra, nobody else's memory.

The rule: what is compared is processor time, which other programs of the machine do not lengthen much, in rounds in
which the contestants take turns. A contestant that may use every core has as many threads as its libraries start by
themselves, and its wall time is compared.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import NamedTuple, Self, TypeVar

from benchmarks.contestants import Contestant, Setup
from benchmarks.startup import megabytes

_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "test",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
    **_THREADS,
}

_Result = TypeVar("_Result")
_subject: object = None


class Cost(NamedTuple):
    """Seconds."""

    processor: float
    wall: float


class Worker:
    """Context manager: a process that has made its subject (a contestant, say) and runs functions on it."""

    def __init__(self, make: Callable[[Setup], object], setup: Setup, *, every_core: bool = False) -> None:
        initial = make, setup, every_core
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=initial)
        if every_core:
            with _default_threads():  # a process gets its environment when it starts
                self._pool.submit(os.getpid).result()

    def run(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """What *function* of the subject and *arguments* returns in the process."""
        return self._pool.submit(_call, function, arguments).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


@contextmanager
def _default_threads() -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in _THREADS if name in os.environ}
    try:
        yield
    finally:
        os.environ |= before


def _begin(make: Callable[[Setup], object], setup: Setup, every_core: bool) -> None:  # noqa: FBT001 (of a process)
    global _subject  # noqa: PLW0603 (the one thing that a worker process is for)
    if hasattr(os, "sched_setaffinity") and not every_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # Metrics and logs are written as in Lambda, and nobody reads them.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _subject = make(setup)


def _call(function: Callable[..., _Result], arguments: tuple[object, ...]) -> _Result:
    return function(_subject, *arguments)


def peak_megabytes(_: object) -> float:
    """The most that this process has had resident; what getrusage says would be its parent's, if that had more."""
    return megabytes("VmHWM")


def cost(contestant: Contestant, payload: bytes, times: int) -> Cost:
    """What one invocation with *payload* costs: the mean of so many, after one that does not count."""
    work = contestant(payload)
    work()
    processor, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    return Cost((time.process_time() - processor) / times, (time.perf_counter() - wall) / times)
