"""Chunks scored by several threads: any number of them makes the same files and the same errors."""

import dataclasses
import io
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib.externals.loky.backend import context

from stream_consumer.batch import parallel
from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import Lines
from stream_consumer.batch.errors import ChunkFailed, UnusableInput
from stream_consumer.batch.job import Job, Options, run
from stream_consumer.batch.parallel import cores, decided, jobs_of
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import ModelError, SettingsError, Terminated
from stream_consumer.model import Columns, Model
from tests.batch.files import rides_file

MANY = [2, 3, 8]
_SECONDS = 60  # until a test gives up


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks_of(2, monkeypatch)


def chunks_of(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_consumer.batch.parquet_batches.CHUNK_ROWS", rows)
    monkeypatch.setattr("stream_consumer.batch.chunks.CHUNK_LINES", rows)
    monkeypatch.setattr("stream_consumer.batch.csv_reader._BLOCK_BYTES", 64 * rows)


def predicting(
    model: Model, predict: Callable[[Columns], Any], *, concurrent: bool = True, proven: bool = True
) -> Model:
    return dataclasses.replace(
        model, predict=predict, concurrent=concurrent, example=[[1], [1], [1.0]] if proven else (), expected=()
    )


def rides(path: Path, distances: list[Any]) -> Path:
    count = len(distances)
    zones = np.full(count, 74)
    columns = {"PULocationID": zones, "DOLocationID": zones, "trip_distance": distances, "ride_id": np.arange(count)}
    return rides_file(path, columns)


# --- the same whatever N ----------------------------------------------------------------------------------------------

DISTANCES = st.lists(st.sampled_from([1.0, 2.5, 0.1, -1.0, None]), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    distances=DISTANCES,
    rows=st.integers(1, 20),
    jobs=st.integers(2, 6),
    kind=st.sampled_from(["parquet", "csv", "ndjson"]),
)
def test_any_number_of_jobs_makes_the_same_bytes(
    distances: list[Any], rows: int, jobs: int, kind: str, model: Model
) -> None:
    """Predictions, rejected rows and the summary: whatever is valid, in chunks of any size."""
    with tempfile.TemporaryDirectory() as folder:
        source = rides(Path(folder) / f"rides.{kind}", distances)
        with pytest.MonkeyPatch.context() as patch:
            chunks_of(rows, patch)
            one, several = (files_made(source, kind, model, count) for count in (1, jobs))
    assert one == several
    assert json.loads(one[f"minutes.{kind}.summary.json"])["rows"] == len(distances)


def files_made(source: Path, kind: str, model: Model, jobs: int) -> dict[str, bytes]:
    folder = source.parent / str(jobs)
    job = Job.of(str(source), str(folder / f"minutes.{kind}"))
    run(job, model=model, stores=Stores(), jobs=jobs, options=Options(max_rejected=1))
    return {path.name: path.read_bytes() for path in folder.glob("*")}


@pytest.mark.parametrize("jobs", [1, *MANY])
def test_the_first_error_in_the_order_of_the_rows_is_raised(
    jobs: int, model: Model, stores: Stores, tmp_path: Path
) -> None:
    """Rows 4 to 5 fail last, those behind them at once, and the file cannot be read to its end."""
    later = threading.Event()

    def predict(columns: Columns) -> Any:
        if columns[2][0] == 6.0:
            later.set()
        if columns[2][0] == 4.0 and jobs > 1:
            assert later.wait(_SECONDS)
        if columns[2][0] >= 4.0 or len(columns[0]) == 1:
            raise ValueError("no")
        return np.ones(len(columns[0]))

    source = rides(tmp_path / "rides.ndjson", [float(at) for at in range(8)])
    with source.open("ab") as file:
        file.write(b"x" * (1 << 24))
    with pytest.raises(ModelError, match=r"^rows 4 to 5: the model at .* fails on its own input example"):
        run(
            Job.of(str(source), str(tmp_path / "out.csv")),
            model=predicting(model, predict),
            stores=stores,
            jobs=jobs,
        )
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("jobs", [1, *MANY])
def test_what_cannot_be_read_is_said_after_what_was_read(
    jobs: int, model: Model, stores: Stores, tmp_path: Path
) -> None:
    source, seen = rides(tmp_path / "rides.ndjson", [1.0] * 7), list[int]()
    with source.open("ab") as file:
        file.write(b"x" * (1 << 24))
    with pytest.raises(UnusableInput, match=r"row 7 of .* is longer than"):
        run(
            Job.of(str(source), str(tmp_path / "out.csv")),
            model=model,
            stores=stores,
            jobs=jobs,
            progress=lambda rows, _: seen.append(rows),
        )
    assert seen == [2, 4, 6]


@pytest.mark.parametrize("jobs", [1, *MANY])
def test_a_model_without_an_example_proves_itself_in_the_order_of_the_rows(
    jobs: int, model: Model, stores: Stores, tmp_path: Path
) -> None:
    """The rows behind could acquit it, and with one job they come too late."""

    def predict(columns: Columns) -> Any:
        if columns[2][0] < 2:
            raise ValueError("no")
        return np.ones(len(columns[0]))

    source = rides(tmp_path / "rides.parquet", [1.0, 1.5, 2.0, 3.0, 4.0, 5.0])
    with pytest.raises(ModelError, match=r"^rows 0 to 1: .* has not predicted any row yet"):
        run(
            Job.of(str(source), str(tmp_path / "out.csv")),
            model=predicting(model, predict, proven=False),
            stores=stores,
            jobs=jobs,
        )


# --- at once ----------------------------------------------------------------------------------------------------------


def test_chunks_are_scored_at_once(model: Model, stores: Stores, tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=_SECONDS)

    def predict(columns: Columns) -> Any:
        together.wait()
        return np.ones(len(columns[0]))

    source = rides(tmp_path / "rides.parquet", [1.0] * 8)
    summary = run(
        Job.of(str(source), str(tmp_path / "out.csv")), model=predicting(model, predict), stores=stores, jobs=2
    )
    assert summary.predicted == 8


def test_a_model_that_is_not_known_to_be_safe_is_called_by_one_thread_in_order(
    model: Model, stores: Stores, tmp_path: Path
) -> None:
    threads, order = list[threading.Thread](), list[float]()

    def predict(columns: Columns) -> Any:
        threads.append(threading.current_thread())
        order.append(float(columns[2][0]))
        return np.ones(len(columns[0]))

    source = rides(tmp_path / "rides.parquet", [float(at) for at in range(20)])
    run(
        Job.of(str(source), str(tmp_path / "out.csv")),
        model=predicting(model, predict, concurrent=False),
        stores=stores,
        jobs=4,
    )
    assert len(set(threads)) == 1
    assert order == [float(at) for at in range(0, 20, 2)]


@pytest.mark.parametrize("jobs", [1, *MANY])
@pytest.mark.parametrize("concurrent", [True, False])
def test_few_chunks_are_held(jobs: int, model: Model, *, concurrent: bool) -> None:
    """Memory grows with the number of threads, not with the file."""
    read = list[int]()

    def chunks() -> Iterator[Lines]:
        for at in range(100):
            read.append(at)
            yield Lines(np.array([at]), [b"{}"])

    most = 0
    with decided(chunks(), Judge(dataclasses.replace(model, concurrent=concurrent), "here"), jobs) as outcomes:
        for taken, _ in enumerate(outcomes):
            most = max(most, len(read) - taken)
    assert len(read) == 100
    assert most == (1 if jobs == 1 else (jobs if concurrent else 1) + 2)


# --- the end before the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Terminated])
def test_an_interrupt_stops_code_of_the_model_in_every_thread(
    interruption: type[BaseException], model: Model, stores: Stores, tmp_path: Path
) -> None:
    busy, stopped = threading.Semaphore(0), list[str]()

    def spin() -> None:
        # A function: in Python 3.13 the end of an empty loop's body belongs to no ``try`` around the loop.
        busy.release()
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            pass

    def predict(columns: Columns) -> Any:
        if columns[2][0] < 2:
            return np.ones(len(columns[0]))
        try:
            spin()
        except KeyboardInterrupt:
            stopped.append(threading.current_thread().name)
            raise
        raise AssertionError("it was not interrupted")

    def interrupt(*_: object) -> None:
        assert busy.acquire(timeout=_SECONDS)
        assert busy.acquire(timeout=_SECONDS)
        raise interruption

    source = rides(tmp_path / "rides.parquet", [float(at) for at in range(20)])
    with pytest.raises(interruption):
        run(
            Job.of(str(source), str(tmp_path / "out" / "minutes.csv")),
            model=predicting(model, predict),
            stores=stores,
            progress=interrupt,
            jobs=2,
        )
    assert sorted(stopped) == ["decide_0", "decide_1"]
    assert not (tmp_path / "out").exists()


def test_want_of_memory_names_the_rows_and_the_remedy(model: Model, stores: Stores, tmp_path: Path) -> None:
    def predict(columns: Columns) -> Any:
        if columns[2][0] == 4:
            raise MemoryError("Unable to allocate 8. GiB")
        return np.ones(len(columns[0]))

    source = rides(tmp_path / "rides.parquet", [float(at) for at in range(20)])
    with pytest.raises(ChunkFailed, match=r"^rows 4 to 5: there is not enough memory \(Unable .*fewer chunks .*--jobs"):
        run(Job.of(str(source), str(tmp_path / "out.csv")), model=predicting(model, predict), stores=stores, jobs=3)


def test_a_fault_of_the_program_names_the_rows(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    judge = Judge(model, "here")
    monkeypatch.setattr(judge, "decide", broken)
    with pytest.raises(LookupError) as caught, decided([Lines(np.array([7, 8]), [b"", b""])], judge, 2) as outcomes:
        list(outcomes)
    assert caught.value.__notes__ == ["while rows 7 to 8 were scored"]


# --- how many ---------------------------------------------------------------------------------------------------------


def test_as_many_jobs_as_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(context, "_cpu_count_cgroup", lambda count: count)
    assert cores() == 3


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "max 100000"}, 16),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
    ],
)
def test_as_many_jobs_as_the_control_group_allows(
    files: dict[str, str], wanted: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Control groups of version 2 and 1, as joblib reads them."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def placed(path: Any) -> Any:
        return str(path).replace("/sys/fs/cgroup", str(tmp_path))

    exists = context.os.path.exists
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(context.os.path, "exists", lambda path: exists(placed(path)))
    monkeypatch.setattr(context, "open", lambda path: io.StringIO(Path(placed(path)).read_text("utf-8")), raising=False)
    assert cores() == wanted


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cpu_count", lambda: 5)
    assert (jobs_of({}), jobs_of({"BATCH_JOBS": "3"})) == (5, 3)
    for wrong in ("0", "two", "1025"):
        with pytest.raises(SettingsError, match=f"BATCH_JOBS='{wrong}': wanted a whole number from 1 to 1024"):
            jobs_of({"BATCH_JOBS": wrong})
