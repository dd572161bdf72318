"""
Decide chunks in several threads, with the outcomes in the order of the chunks.

The rule: any number of threads gives the same outcomes and the same error. Therefore the model proves itself on a
single chunk before several run at once. An error waits until all earlier outcomes are taken. Linear algebra has a
single thread. A model that cannot be called from several threads gets a single thread, beside the thread that reads and
writes.

Predicting and reading release Python's lock, hence threads. docs/benchmarks.md has the figures for processes and
OpenMP.
"""

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from joblib import cpu_count
from threadpoolctl import threadpool_limits

from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import Chunk, Outcomes
from stream_consumer.batch.errors import ChunkFailed
from stream_consumer.environment_variables import Field, integer, read, refuse
from stream_consumer.errors import ModelError, Terminated

Decided = tuple[int, Outcomes]
"""The number of rows of a chunk, and their outcomes."""

JOBS = Field("BATCH_JOBS", integer(1, 1024), None, "Chunks scored at once; without it as many as there are cores")


def jobs_of(environ: Mapping[str, str]) -> int:
    """
    Return the number of chunks to score at once, from *environ*.

    Raises:
        SettingsError: BATCH_JOBS is not a valid number.
    """
    values, faults = read({"jobs": JOBS}, environ)
    refuse(faults)
    return values["jobs"] or cores()


def cores() -> int:
    """Return the number of cores for this process, by its affinity and the CPU limit of its control group."""
    return int(cpu_count())


@contextlib.contextmanager
def decided(chunks: Iterable[Chunk], judge: Judge, jobs: int) -> Iterator[Iterator[Decided]]:
    """
    Decide *chunks* in up to *jobs* threads. At most ``jobs + 2`` chunks are in memory.

    An interrupt (Ctrl-C or SIGTERM) of the body also interrupts the threads. After any other exception, the threads
    finish their chunks.
    """
    with threadpool_limits(1, "blas") if judge.concurrent else contextlib.nullcontext():
        if jobs == 1:
            yield (_decide(judge, chunk) for chunk in chunks)
            return
        threads, running = jobs if judge.concurrent else 1, _Running()
        pool = ThreadPoolExecutor(threads, "decide")
        submitted = _submitted(chunks, judge, lambda chunk: pool.submit(running.decide, judge, chunk))
        try:
            yield _in_order(submitted, threads + 1)
        except (KeyboardInterrupt, Terminated):
            running.interrupt()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _submitted(
    chunks: Iterable[Chunk], judge: Judge, submit: Callable[[Chunk], Future[Decided]]
) -> Iterator[Future[Decided]]:
    try:
        for chunk in chunks:
            future = submit(chunk)
            if not judge.is_proven:
                wait([future])
            yield future
    except Exception as error:  # noqa: BLE001 (raised again in its turn)
        failed = Future[Decided]()
        failed.set_exception(error)
        yield failed


def _in_order(futures: Iterable[Future[Decided]], ahead: int) -> Iterator[Decided]:
    waiting = deque[Future[Decided]]()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decide(judge: Judge, chunk: Chunk) -> Decided:
    try:
        return len(chunk.numbers), judge.decide(chunk)
    except ModelError as error:
        raise ModelError(f"{_rows(chunk)}: {error}") from error
    except MemoryError as error:
        raise ChunkFailed(
            f"{_rows(chunk)}: there is not enough memory ({error}); allow more, or let fewer chunks be scored at once "
            "(--jobs, BATCH_JOBS)"
        ) from error
    except Exception as error:
        error.add_note(f"while {_rows(chunk)} were scored")
        raise


def _rows(chunk: Chunk) -> str:
    return f"rows {chunk.numbers[0]} to {chunk.numbers[-1]}"


class _Running:
    """The threads that are deciding a chunk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = set[int]()

    def decide(self, judge: Judge, chunk: Chunk) -> Decided:
        with self._lock:
            self._threads.add(threading.get_ident())
        try:
            return _decide(judge, chunk)
        finally:
            with self._lock:
                self._threads.remove(threading.get_ident())

    def interrupt(self) -> None:
        """
        Raise KeyboardInterrupt in the threads, as Ctrl-C does in the main thread.

        A model's own code may take minutes.
        """
        with self._lock:
            for thread in self._threads:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
