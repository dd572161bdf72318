"""
A file of rides through the model: the batch door, its floor, and two ways that others would write it.

The floor is ``model.predict`` of the same model on arrays that are in memory already, and nothing else: no file, no
checks, no output. The others read the same Parquet file in the same chunks and write one, and check nothing; they are
written as well as their libraries allow, a call for each chunk and none for a row.
"""

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

from benchmarks.contestants import Place
from benchmarks.worker import Cost, Worker, peak_megabytes
from benchmarks.workload import Say, Workload
from stream_consumer.training.rides import FEATURES

OURS, FLOOR = "this project", "floor: predict on arrays in memory"
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

    def rate(self, name: str) -> float:
        """Rows in a second of processor time."""
        return 1 / statistics.median(cost.processor for cost in self.costs[name])

    def wall_rate(self, name: str) -> float:
        return 1 / statistics.median(cost.wall for cost in self.costs[name])

    @property
    def share(self) -> float:
        """Of the floor's rate what this project reaches: the median of the rounds' ratios."""
        pairs = zip(self.costs[FLOOR], self.costs[OURS], strict=True)
        return statistics.median(floor.processor / ours.processor for floor, ours in pairs)


def batch(workload: Workload, rows: int, rounds: int, say: Say) -> Batch:
    """
    Measure with the default model, on files of so many *rows*: one has row groups of a million, the other a single one.

    Raises:
        NotScored: See there.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, ExitStack() as stack:
        files = [_rides(Path(folder) / f"{name}.parquet", workload, rows, size) for name, size in _groups(rows).items()]
        few = _rides(Path(folder) / "few.parquet", workload, max(1, rows // FEWER), _GROUP)
        place = Place(workload.models["default"], "")
        workers = {name: stack.enter_context(Worker(make, place)) for name, make in CONTESTANTS.items()}
        for number in range(rounds):
            for name, worker in workers.items():
                say(f"a file of {rows:,} rides, round {number + 1} of {rounds}: {name}")
                path, wanted = (files[number % len(files)], rows) if name in {OURS, FLOOR} else (few, rows // FEWER)
                cost, done = worker.run(_cost, str(path))
                if done != wanted:
                    raise NotScored(f"{name} scored {done} of {wanted} rides")
                costs[name].append(Cost(cost.processor / done, cost.wall / done))
        return Batch(rows, costs, {name: worker.run(peak_megabytes) for name, worker in workers.items()})


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


def ours(place: Place) -> Score:
    """This project: everything that ``stream-consumer batch`` does after it has loaded the model."""
    from stream_consumer.batch.job import Job, run  # noqa: PLC0415
    from stream_consumer.batch.storage import Stores  # noqa: PLC0415

    model = _model(place)
    return lambda path: lambda: run(_job(Job, path), model=model, stores=Stores()).rows


def _job(make: Any, path: Path) -> Any:
    return make(str(path), str(path.parent / "out" / path.name))


def floor(place: Place) -> Score:
    """The same call on arrays, in chunks: on the whole of the rides at once it takes longer."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    predict = _model(place).predict

    def prepared(path: Path) -> Callable[[], int]:
        columns = [column.to_numpy() for column in pq.read_table(path, columns=list(FEATURES)).columns]

        def work() -> int:
            done = 0
            for first in range(0, len(columns[0]), _CHUNK):
                done += len(predict([column[first : first + _CHUNK] for column in columns]))
            return done

        return work

    return prepared


def _model(place: Place) -> Any:
    from stream_consumer.models.loading import load_model  # noqa: PLC0415

    return load_model(str(place.model), s3=_nowhere)


def _nowhere() -> Any:
    raise AssertionError("the model is in a folder")


def pandas_loop(place: Place) -> Score:
    """Read chunks as DataFrames, predict each with the estimator, write."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from stream_consumer.models.skops_file import load_skops  # noqa: PLC0415

    estimator = load_skops(place.model / "model.skops", str(place.model), pinned=False)
    threadpool_limits(1, "openmp")  # as all of them
    return _loop(lambda frame: estimator.predict(frame.to_numpy()))


def mlflow_loop(place: Place) -> Score:
    """Read chunks as DataFrames, predict each with pyfunc, which checks them against the signature; write."""
    import mlflow  # noqa: PLC0415

    return _loop(mlflow.pyfunc.load_model(str(place.model)).predict)


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


CONTESTANTS: Mapping[str, Callable[[Place], Score]] = {
    OURS: ours,
    FLOOR: floor,
    PANDAS: pandas_loop,
    MLFLOW: mlflow_loop,
}
