"""
Score months of rides on Spark, with the verdicts of ``stream-consumer batch``.

    python examples/spark_backfill.py --model model/ --digest 5d41… rides/*.parquet scored/

A row's ``event_id`` is the one that ``batch`` gives it, ``<file>:<row>``, so rows are recognised on a rerun. Rows with
a ``reason`` were rejected, all others were predicted. ``_SUCCESS`` in the output says that all of it is there.

docs/backfill.md says when Spark pays.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own custom)

from stream_consumer.arrow import ArrowScorer

ROWS_AT_ONCE = 65_536
"""A call of the model has a cost of its own: Spark's 10,000 rows a batch are dearer."""


def rides_of(spark: SparkSession, paths: Sequence[str], id_column: str) -> DataFrame:
    """Return the rows of Parquet files with the event ids, and if need be the ids, that ``batch`` makes."""
    read = spark.read.parquet(*paths)
    there = [F.col(name) for name in read.columns]
    # Spark writes a path as a URL.
    path, name = (F.expr(f"url_decode(replace(_metadata.{part}, '+', '%2B'))") for part in ("file_path", "file_name"))
    row = F.col("_metadata.row_index")
    made = [F.concat_ws(":", F.regexp_replace(path, "^file:/+", "/"), row).alias("event_id")]
    if id_column not in read.columns:
        made.append(F.concat_ws("_", F.regexp_replace(name, r"\.parquet$", ""), row).alias(id_column))
    return read.select(*there, *made)


def scored(rides: DataFrame, scorer: ArrowScorer) -> DataFrame:
    """Return a row for each of *rides*."""
    output = scorer.schema(rides.limit(0).toArrow().schema)
    schema = rides.sparkSession.createDataFrame(output.empty_table()).schema
    return rides.mapInArrow(scorer.batches, schema)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Score rides on Spark.")
    parser.add_argument("--model", required=True, help="Folder or URL of the model, readable by each executor.")
    parser.add_argument(
        "--digest", required=True, help="Digest of the model, as printed by stream-consumer model LOCATION."
    )
    parser.add_argument("--id-column", default="ride_id", help="Column with the ids. Default: %(default)s.")
    parser.add_argument("rides", nargs="+", help="Parquet files of rides.")
    parser.add_argument("output", help="Folder for the predictions.")
    options = parser.parse_args(arguments)

    spark = (
        SparkSession.builder.appName("rides")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", ROWS_AT_ONCE)
        .getOrCreate()
    )
    rides = rides_of(spark, options.rides, options.id_column)
    scorer = ArrowScorer(options.model, options.digest, id_column=options.id_column, keep=("event_id",))
    scored(rides, scorer).write.mode("overwrite").parquet(options.output)


if __name__ == "__main__":
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # on this machine executors run this Python
    main(sys.argv[1:])
