"""
A file of rides through the model: this project with 1, 2, … jobs, its floor, and two ways that others would write it.

The floor is ``predict`` of the same estimator on an array that is in memory already, and nothing else: no file, no
checks, no output. The others read the same Parquet file in the same chunks and write one, and check nothing; they are
written as well as their libraries allow, a call for each chunk and none for a row. The floor and the others have as
many threads as scikit-learn starts by itself, one for each core, since that is what a user would run.
"""

import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants import Setup
from benchmarks.worker import Cost, Worker, peak_megabytes
from benchmarks.workload import Say, Workload
from stream_consumer.batch.parallel import cores
from stream_consumer.training.rides import FEATURES

FLOOR = "floor: predict on arrays in memory"
PANDAS, MLFLOW = "loop of pandas and scikit-learn", "loop of pandas and mlflow pyfunc"
_CHUNK = 65_536
_GROUP = 1_000_000
# The others cost the same for each row; all of the rows would take minutes to show the same.
FEWER = 5


class NotScored(Exception):
    """A contestant did not score every ride: what it costs says nothing."""


Score = Callable[[Path], Callable[[], int]]
"""A file → what is to be measured, which returns how many rides it scored."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the contestants took."""

    rows: int
    costs: Mapping[str, Sequence[Cost]]
    """Of one row, one for each round."""
    megabytes: Mapping[str, float]
    """Resident at most; that of this project is the larger of both files."""
    jobs: Sequence[int]
    """Numbers of jobs that this project was measured with: 1, 2, 4, … and the cores."""

    def rate(self, name: str) -> float:
        """Rows in a second of processor time."""
        return 1 / statistics.median(cost.processor for cost in self.costs[name])

    def wall_rate(self, name: str) -> float:
        return 1 / statistics.median(cost.wall for cost in self.costs[name])

    def faster(self, name: str) -> float:
        """Return how much faster this project is on all cores than *name*: the median of the rounds' ratios."""
        pairs = zip(self.costs[name], self.costs[ours_with(self.jobs[-1])], strict=True)
        return statistics.median(other.wall / ours.wall for other, ours in pairs)


def ours_with(jobs: int) -> str:
    """Return the name of this project with so many jobs."""
    return f"this project, --jobs {jobs}"


def _numbers_of_jobs() -> list[int]:
    most = cores()
    return sorted({*(1 << power for power in range(most.bit_length())), most})


def batch(workload: Workload, rows: int, rounds: int, say: Say) -> Batch:
    """
    Measure with the default model, on files of so many *rows*: one has row groups of a million, the other a single one.

    Raises:
        NotScored: See there.
    """
    jobs = _numbers_of_jobs()
    contestants = {ours_with(count): functools.partial(ours, jobs=count) for count in jobs} | OTHERS
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, ExitStack() as stack:
        files = [_rides(Path(folder) / f"{name}.parquet", workload, rows, size) for name, size in _groups(rows).items()]
        few = _rides(Path(folder) / "few.parquet", workload, max(1, rows // FEWER), _GROUP)
        setup = Setup(workload.models["default"], "")
        workers = {
            name: stack.enter_context(Worker(make, setup, every_core=True)) for name, make in contestants.items()
        }
        for number in range(rounds):
            for name, worker in workers.items():
                say(f"a file of {rows:,} rides, round {number + 1} of {rounds}: {name}")
                path, wanted = (few, rows // FEWER) if name in LOOPS else (files[number % len(files)], rows)
                cost, done = worker.run(_cost, str(path))
                if done != wanted:
                    raise NotScored(f"{name} scored {done} of {wanted} rides")
                costs[name].append(Cost(cost.processor / done, cost.wall / done))
        return Batch(rows, costs, {name: worker.run(peak_megabytes) for name, worker in workers.items()}, jobs)


def _groups(rows: int) -> dict[str, int]:
    return {"groups": _GROUP, "one-group": rows}


def _rides(path: Path, workload: Workload, rows: int, group: int) -> Path:
    """Write the rides over and over until there are so many."""
    import pyarrow as pa  # noqa: PLC0415 (not in the processes that are measured)
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = {name: np.resize(getattr(workload.rides, name), rows) for name in FEATURES}
    pq.write_table(pa.table({"ride_id": np.arange(rows), **columns}), path, row_group_size=group)
    return path


def _cost(score: Score, path: str) -> tuple[Cost, int]:
    work = score(Path(path))
    processor, wall = time.process_time(), time.perf_counter()
    done = work()
    return Cost(time.process_time() - processor, time.perf_counter() - wall), done


def ours(setup: Setup, jobs: int) -> Score:
    """This project: everything that ``stream-consumer batch`` does after it has loaded the model."""
    from stream_consumer.batch.job import Job, run  # noqa: PLC0415
    from stream_consumer.batch.storage import Stores  # noqa: PLC0415
    from stream_consumer.models.loading import load_model  # noqa: PLC0415

    model = load_model(str(setup.model), s3=_nowhere)

    def score(path: Path) -> Callable[[], int]:
        job = Job.of(str(path), str(path.parent / "out" / path.name))
        return lambda: run(job, model=model, stores=Stores(), jobs=jobs).rows

    return score


def floor(setup: Setup) -> Score:
    """The same calls on an array, in chunks: on the whole of the rides at once it takes longer."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    predict = _estimator(setup).predict

    def prepared(path: Path) -> Callable[[], int]:
        rows = pq.read_table(path, columns=list(FEATURES)).to_pandas().to_numpy()
        return lambda: sum(len(predict(rows[first : first + _CHUNK])) for first in range(0, len(rows), _CHUNK))

    return prepared


def _estimator(setup: Setup) -> Any:
    from stream_consumer.models.skops_file import load_skops  # noqa: PLC0415

    return load_skops(setup.model / "model.skops", str(setup.model), pinned=False)


def _nowhere() -> Any:
    raise AssertionError("the model is in a folder")


def pandas_loop(setup: Setup) -> Score:
    """Read chunks as DataFrames, predict each with the estimator, write."""
    estimator = _estimator(setup)
    return _loop(lambda frame: estimator.predict(frame.to_numpy()))


def mlflow_loop(setup: Setup) -> Score:
    """Read chunks as DataFrames, predict each with pyfunc, which checks them against the signature; write."""
    import mlflow  # noqa: PLC0415

    return _loop(mlflow.pyfunc.load_model(str(setup.model)).predict)


def _loop(predict: Callable[[Any], Any]) -> Score:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([("ride_id", pa.int64()), ("ride_duration", pa.float64())])

    def work(path: Path) -> int:
        done = 0
        with (
            pq.ParquetFile(path) as file,
            pq.ParquetWriter(path.with_name(f"{os.getpid()}.parquet"), schema) as output,
        ):
            for chunk in file.iter_batches(_CHUNK):
                frame = chunk.to_pandas()
                frame["ride_duration"] = predict(frame[list(FEATURES)])
                output.write_table(pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False))
                done += len(frame)
        return done

    return lambda path: lambda: work(path)


LOOPS: Mapping[str, Callable[[Setup], Score]] = {PANDAS: pandas_loop, MLFLOW: mlflow_loop}
OTHERS = {FLOOR: floor, **LOOPS}
