"""
See rides through what was applied: its streams, its buckets, its function's settings and its mapping's parameters.

The function runs as Lambda runs it, in workers of the local platform; only the image is missing.
"""

import base64
import json
import math
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema, TensorSpec
from sklearn.linear_model import LinearRegression

from infra.clients import Aws
from infra.smoke.verify import verify
from infra.smoke.wait import Wait
from infra.tests.terraform import ACCOUNT, CheckFailed
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.on_failure import S3Destination
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction, unlogged
from stream_consumer.models.loading import load_model
from stream_consumer.models.signing import Statement, sign

_HANDLER = "stream_consumer.lambda_function.lambda_handler"
_EXAMPLE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def through(aws: Aws, outputs: Mapping[str, Any], endpoint: str) -> str:
    """
    Put a ride and an event that is none; return what came of them.

    Raises:
        CheckFailed: The event did not become a dead letter where Terraform says, or another ride was tried.
        SmokeTestFailed: The ride's prediction did not come.
    """
    [consumer] = outputs["consumers"].values()
    function = aws("lambda").get_function_configuration(
        FunctionName=consumer["function_name"], Qualifier=consumer["alias"]
    )
    mapping = aws("lambda").get_event_source_mapping(UUID=consumer["mapping_id"])
    with worker(function, endpoint, outputs["region"]) as environment:
        consuming = _mapping(aws, environment, mapping)
        thread = threading.Thread(target=consuming.run)
        thread.start()
        try:
            aws("kinesis").put_record(
                StreamName=outputs["input_stream"], Data=b'{"ride": 1, "ride_id": 2}', PartitionKey="2"
            )
            [result] = verify(outputs, only=outputs["consumers"], wait=lambda _: Wait(60))
            consuming.drain()
            thread.join()
        finally:
            consuming.stop()
            thread.join()
    letter = _dead_letter(aws("s3"), consumer["dead_letters"])
    minutes = json.loads(result.answer)["prediction"]["ride_duration"]
    if not math.isclose(minutes, 21.0):
        raise CheckFailed(f"the model's example is predicted as {minutes} min, not 21: another event was put")
    return f"a ride of {minutes:.1f} min predicted; a malformed event kept as dead letter ({letter['reason']})"


def worker(
    function: Mapping[str, Any], endpoint: str, region: str, log: Callable[[str], object] = unlogged
) -> RuntimeFunction:
    """Return the applied *function* in workers of the local platform; *log* is told what it writes."""
    settings = function["Environment"]["Variables"]
    command = function.get("ImageConfigResponse", {}).get("ImageConfig", {}).get("Command") or [_HANDLER]
    credentials = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint}
    config = FunctionConfig(
        handler=command[0],
        name=function["FunctionName"],
        timeout_seconds=function["Timeout"],
        memory_mb=function["MemorySize"],
        region=region,
    )
    return RuntimeFunction(
        config, environment={**settings, **credentials, "AWS_REGION": region}, environments=2, log=log
    )


def _mapping(aws: Aws, environment: RuntimeFunction, applied: Mapping[str, Any]) -> EventSourceMapping:
    config = MappingConfig(
        stream_name=applied["EventSourceArn"].partition("/")[2],
        starting_position=applied["StartingPosition"],
        batch_size=applied["BatchSize"],
        maximum_batching_window_in_seconds=applied["MaximumBatchingWindowInSeconds"],
        parallelization_factor=applied["ParallelizationFactor"],
        maximum_retry_attempts=applied["MaximumRetryAttempts"],
        maximum_record_age_in_seconds=applied["MaximumRecordAgeInSeconds"],
        bisect_batch_on_function_error=applied["BisectBatchOnFunctionError"],
        report_batch_item_failures="ReportBatchItemFailures" in applied["FunctionResponseTypes"],
    )
    bucket = applied["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2]
    pace = Pace(poll_seconds=0.1, retry_seconds=0.1)
    return EventSourceMapping(
        aws("kinesis"), environment, config, on_failure=S3Destination(aws("s3"), bucket), pace=pace
    )


def upload_model(s3: Any, location: str) -> None:
    """Train a model with a reference and put it at *location*, where operators put theirs before they deploy."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    with tempfile.TemporaryDirectory() as scratch:
        _save_model(Path(scratch) / "unsigned")
        directory = Path(scratch) / "model"
        said = Statement([{"ride": _EXAMPLE, "ride_id": 1}], reference=rides(5_000, seed=1))
        sign(Path(scratch) / "unsigned", directory, said, lambda folder: load_model(str(folder)))
        for file in directory.rglob("*"):
            if file.is_file():
                s3.upload_file(str(file), bucket, f"{prefix}/{file.relative_to(directory)}")


def rides(count: int, seed: int) -> list[dict[str, Any]]:
    """Return so many events of the same city."""
    generator = np.random.default_rng(seed)
    zones, miles = generator.integers(1, 9, (count, 2)), generator.gamma(2.0, 1.5, count)
    return [
        {"ride": {"PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": distance}, "ride_id": number}
        for number, ((pickup, dropoff), distance) in enumerate(zip(zones.tolist(), miles.tolist(), strict=True))
    ]


def _save_model(directory: Path) -> None:
    rides = np.array([[130, 205, 3.66], [66, 33, 1.2], [74, 41, 9.0]])
    model = LinearRegression().fit(rides, [21.0, 8.0, 33.0])
    columns: list[ColSpec | TensorSpec] = [
        ColSpec("long", "PULocationID"),
        ColSpec("long", "DOLocationID"),
        ColSpec("double", "trip_distance"),
    ]
    signature = ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec("double")]))
    mlflow.sklearn.save_model(model, directory, signature=signature, input_example=_EXAMPLE)


def _dead_letter(s3: Any, location: str) -> dict[str, Any]:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    objects: Sequence[Mapping[str, Any]] = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
    if len(objects) != 1:
        raise CheckFailed(f"{len(objects)} objects under {location}, not one dead letter")
    line: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=objects[0]["Key"])["Body"].read())
    if base64.b64decode(line["data"]) != b'{"ride": 1, "ride_id": 2}':
        raise CheckFailed(f"the dead letter holds {line['data']}, not the bytes that were put")
    return line
