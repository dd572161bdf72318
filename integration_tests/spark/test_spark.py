"""Two months of rides on a Spark cluster of two executors: every row, and row for row what ``batch`` decides."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from examples.spark_backfill import main, rides_of, scored
from integration_tests.spark.dying import DyingScorer, Victim
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.dead_letter import decode_dead_letters
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import load_model
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.model import linear_model

Rows = dict[str, tuple[Any, ...]]
"""By event id: the ride's id, prediction, model, version, reason, path and detail."""

NAMES = ("ride_id", "ride_duration", "model", "version", "reason", "path", "detail")
PARTS = 8
# A JVM of so few minutes starts sooner without its optimising compiler.
BRISK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spark jobs +1")  # with what a URL would write otherwise


@pytest.fixture(scope="session")
def model(folder: Path) -> str:
    return linear_model(folder / "model")


@pytest.fixture(scope="session")
def months(folder: Path) -> list[Path]:
    """January and February: the files of RIDES, by default synthetic rides of which some are not valid."""
    if given := os.environ.get("RIDES"):
        return [Path(path).resolve() for path in given.split()]
    return [_month(folder / f"rides_{month}.parquet", seed) for seed, month in enumerate(("2021-01", "2021-02"))]


def _month(path: Path, seed: int) -> Path:
    rides = synthetic_rides(40_000, seed=seed)
    distance = rides.trip_distance.copy()
    distance[::100] = 244_152.26
    distance[1::100] = np.nan
    zones = {"PULocationID": rides.PULocationID, "DOLocationID": np.where(distance == 1.0, 300, rides.DOLocationID)}
    pq.write_table(pa.table({**zones, "trip_distance": distance}), path, row_group_size=5_000)
    return path


@pytest.fixture(scope="session")
def spark(folder: Path, months: list[Path]) -> Iterator[SparkSession]:
    """Two executors in JVMs of their own, each with a Python worker, and more partitions than both."""
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "TMPDIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"}
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.executor.memory", "512m")
        .config("spark.driver.extraJavaOptions", BRISK)
        .config("spark.executor.extraJavaOptions", BRISK)
        .config("spark.local.dir", folder)
        .config("spark.sql.files.maxPartitionBytes", max(path.stat().st_size for path in months) // PARTS)
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 1_000)
        .config("spark.sql.warehouse.dir", folder)
        .config("spark.ui.enabled", value=False)
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def expected(folder: Path, months: list[Path], model: str) -> Rows:
    """What ``batch`` makes of the months."""
    found: Rows = {}
    loaded, stores = load_model(model), Stores()
    for path in months:
        target = folder / "batch" / f"{path.stem}.ndjson"
        run(Job.of(str(path), str(target)), model=loaded, stores=stores)
        for line in target.read_bytes().splitlines():
            event = msgspec.json.decode(line)
            told = event["prediction"]["ride_id"], event["prediction"]["ride_duration"]
            found[event["event_id"]] = (*told, event["model"], event["version"], None, None, None)
        for letter in decode_dead_letters(target.with_name(f"{target.name}.rejected.jsonl").read_bytes()):
            ride = msgspec.json.decode(letter.data)["ride_id"]
            verdict = str(letter.reason), letter.path, letter.detail
            found[str(letter.event_id)] = (ride, None, loaded.name, loaded.version, *verdict)
    return found


def rows(output: Path) -> Rows:
    made = pq.read_table(output)
    columns = [made[name].to_pylist() for name in ("event_id", *NAMES)]
    by_id = {event_id: tuple(told) for event_id, *told in zip(*columns, strict=True)}
    assert len(by_id) == len(made)
    return by_id


@pytest.mark.usefixtures("spark")
def test_every_row_has_the_verdict_of_batch(folder: Path, months: list[Path], model: str, expected: Rows) -> None:
    output = folder / "scored"
    digest = directory_digest(Path(model))
    main(["--model", model, "--digest", digest, *map(str, months), str(output)])
    assert len(expected) == sum(pq.read_metadata(path).num_rows for path in months)
    assert {row[4] for row in expected.values()} >= {None, "bounds"}
    assert rows(output) == expected
    assert (output / "_SUCCESS").exists()


@pytest.fixture(scope="session")
def rides(spark: SparkSession, months: list[Path]) -> DataFrame:
    read = rides_of(spark, list(map(str, months)), "ride_id")
    assert read.rdd.getNumPartitions() >= PARTS
    return read


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_a_kill_in_the_middle_of_a_job_changes_nothing(
    rides: DataFrame, folder: Path, model: str, expected: Rows, victim: Victim
) -> None:
    mark, output = folder / f"killed {victim}", folder / f"scored without a {victim}"
    digest = directory_digest(Path(model))
    scorer = DyingScorer(model, digest, id_column="ride_id", keep=("event_id",), victim=victim, mark=mark)
    scored(rides, scorer).write.parquet(str(output))
    assert not Path(f"/proc/{mark.read_text(encoding='utf-8')}").exists()
    assert rows(output) == expected
