"""
Put a file of one row among the inputs of the batch interface, and wait for its results.

The file and the results have ``smoke-`` in their names, lie among the others for as long as the test takes, and are
removed at its end. If the test fails, the file stays: its message is still in the queue, and would become a dead letter
without it. A schedule alone is not tested: a run would write the results of a real interval.
"""

import csv
import gzip
import io
import uuid
from collections.abc import Mapping
from typing import Any

from infra.clients import Aws
from infra.smoke.example import Example, example_of, settings_of
from infra.smoke.wait import MakeWait, Result, SmokeTestFailed, TimeUp, Untestable, Wait, seen
from stream_consumer.batch.locations import SUFFIXES, Format, Location
from stream_consumer.batch.summary import Summary, decode_summary
from stream_consumer.batch.targets import REJECTED, SUMMARY, locations_written

PART = "batch"

_SECONDS = 600.0  # the starter looks every minute, and a task takes one or two to start
_POLL_SECONDS = 5.0
# A worker compares the file with what it has read until it has deleted the message, which takes it moments.
_SETTLE_SECONDS = 10.0


def through(aws: Aws, outputs: Mapping[str, Any], baked: str, wait: MakeWait) -> Result:
    """
    Return the counts of a file of one row, which a worker has scored.

    Raises:
        SmokeTestFailed: There are no results in time, or the row was rejected.
        Untestable: Files are not scored when they arrive, or no file can be made.
    """
    batch = outputs["batch"]
    if not batch["notification"]:
        raise Untestable("it scores intervals alone, and a run would write the results of a real one")
    variables = _variables(aws, batch)
    example = example_of(settings_of(variables), baked, lambda: aws("s3"))
    source = Location.parse(f"{batch['input']}smoke-{uuid.uuid4()}{_ending(batch['notification']['filter_suffix'])}")
    target = Location.parse(variables["BATCH_OUTPUT_KEYED"].replace("{key}", source.key))
    waiting = wait(_SECONDS)
    aws("s3").put_object(Bucket=source.bucket, Key=source.key, Body=_file(example, source))
    try:
        summary = _summary(aws, batch, target, waiting)
        waiting.sleep(_SETTLE_SECONDS)
    except BaseException:
        waiting.tell(f"{source} stays, since its message is in the queue: remove it, and {target}*, when it is scored")
        raise
    for location in (source, *locations_written(target)):
        aws("s3").delete_object(Bucket=location.bucket, Key=location.key)
    return Result(PART, f"{summary.rows} row, {summary.predicted} predicted by {summary.model} {summary.model_version}")


def _variables(aws: Aws, batch: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables of the worker's task."""
    [container] = aws("ecs").describe_task_definition(taskDefinition=batch["task_definitions"]["worker"])[
        "taskDefinition"
    ]["containerDefinitions"]
    return {variable["name"]: variable["value"] for variable in container["environment"]}


def _ending(filter_suffix: str) -> str:
    """Return how a file's name must end to be scored, and to tell its format."""
    if any(filter_suffix.endswith(suffix) for suffix in SUFFIXES):
        return filter_suffix
    if filter_suffix:
        raise Untestable(f"input.suffix {filter_suffix!r} tells no format: wanted one of {', '.join(SUFFIXES)}")
    return ".ndjson"


def _file(example: Example, source: Location) -> bytes:
    """Return the bytes of a file that holds the row of *example*."""
    match source.format:
        case Format.NDJSON:
            return example.event(source.stem) + b"\n"
        case Format.CSV:
            text = io.StringIO()
            writer = csv.DictWriter(text, list(example.row), lineterminator="\n")
            writer.writeheader()
            writer.writerow(example.row)
            data = text.getvalue().encode()
            return gzip.compress(data) if source.suffix.endswith(".gz") else data
        case Format.PARQUET:
            import pyarrow as pa  # noqa: PLC0415 (only this format needs it)
            from pyarrow import parquet  # noqa: PLC0415

            file = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist([dict(example.row)]), file)
            return file.getvalue()


def _summary(aws: Aws, batch: Mapping[str, Any], target: Location, wait: Wait) -> Summary:
    """Wait for the commit mark of the results, and return it if it counts one row, predicted."""
    mark = target.sibling(SUMMARY)
    s3 = aws("s3")
    while True:
        if s3.list_objects_v2(Bucket=mark.bucket, Prefix=mark.key).get("KeyCount"):
            document = s3.get_object(Bucket=mark.bucket, Key=mark.key)["Body"].read()
            break
        try:
            wait.pause(_POLL_SECONDS, lambda: f"waiting for {mark}: {_queue(aws, batch)}")
        except TimeUp:
            raise SmokeTestFailed(_where_to_look(aws, batch, mark, wait)) from None
    summary = decode_summary(document)
    if summary is None or (summary.rows, summary.predicted) != (1, 1):
        raise SmokeTestFailed(
            f"{mark} does not count one row, predicted: {document.decode()}; {target.sibling(REJECTED)} says why"
        )
    return summary


def _queue(aws: Aws, batch: Mapping[str, Any]) -> str:
    """Return how many files wait and are worked on, and how many tasks there are."""
    waits, worked_on = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
    counts = aws("sqs").get_queue_attributes(QueueUrl=batch["queue"]["url"], AttributeNames=[waits, worked_on])
    tasks = aws("ecs").list_tasks(cluster=batch["cluster"])["taskArns"]
    return (
        f"{counts['Attributes'][waits]} files wait, {counts['Attributes'][worked_on]} are worked on, "
        f"{len(tasks)} tasks run"
    )


def _where_to_look(aws: Aws, batch: Mapping[str, Any], mark: Location, wait: Wait) -> str:
    starter = batch["starter"]["function_name"]
    return (
        f"no results came at {mark} within {wait.seconds:.0f} s: {seen(lambda: _queue(aws, batch))}. Look at the "
        f"starter's log: aws logs tail /aws/lambda/{starter} --since 15m; at the tasks' log: aws logs tail "
        f"{batch['log_group']} --since 15m; at the queue {batch['dead_letter_queue']['name']}; and, where another owns "
        "the input bucket, whether its notifications go to the queue"
    )
