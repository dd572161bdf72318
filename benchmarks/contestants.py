"""
Four ways from Lambda's event to the acknowledged output, each as its own users would write it.

The rule: a contestant is made once, in a process of its own; then it is given an event's JSON and returns the work to
be measured. All parse the JSON as Lambda's runtime client does, and all publish to the same stub, which counts.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

STREAM = "ride_predictions"
OURS, FLOOR = "this project", "floor: predict + boto3, nothing else"
POWERTOOLS, REFERENCE = "Powertools BatchProcessor, per record", "reference: mlflow pyfunc, per record"
PYFUNC = "mlflow pyfunc, per batch"
PER_RECORD = frozenset({POWERTOOLS, REFERENCE})
"""They handle each record by itself, so that one costs the same at any batch size."""

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Setup:
    """What a contestant is given."""

    model: Path
    endpoint_url: str


Work = Callable[[], object]
Contestant = Callable[[bytes], Work]
"""An event's JSON → what is to be measured."""


class Context:
    """Lambda's context, as far as it is asked."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def ours(setup: Setup) -> Contestant:
    """This project, through the handler that Lambda calls."""
    handler, parse, context = initialised(setup), runtime_parse(), Context()
    return lambda payload: lambda: handler(parse(payload), context)


def initialised(setup: Setup) -> Callable[[Any, Any], object]:
    """Do what Lambda does in the init phase; the handler."""
    os.environ |= {
        "MODEL_LOCATION": str(setup.model),
        "PREDICTIONS_STREAM_NAME": STREAM,
        "KINESIS_ENDPOINT_URL": setup.endpoint_url,
        "DEAD_LETTER_BUCKET": "dead-letters-bucket",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1",  # so that the import is the init phase
    }
    from stream_consumer.lambda_function import lambda_handler  # noqa: PLC0415

    return lambda_handler


def reference(setup: Setup) -> Contestant:
    """A pyfunc call and a PutRecord for each record. Source: DataTalksClub/mlops-zoomcamp, 06-best-practices."""
    import mlflow  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(str(setup.model))
    kinesis = _client(setup)
    parse = runtime_parse()

    def consume(event: Any) -> dict[str, Any]:
        predictions = []
        for record in event["Records"]:
            ride_event = json.loads(base64.b64decode(record["kinesis"]["data"]).decode("utf-8"))
            prediction_event = {
                "model": "ride_duration_prediction_model",
                "version": "Test123",
                "prediction": {
                    "ride_duration": float(model.predict(ride_event["ride"])[0]),
                    "ride_id": ride_event["ride_id"],
                },
            }
            kinesis.put_record(
                StreamName=STREAM, Data=json.dumps(prediction_event), PartitionKey=str(ride_event["ride_id"])
            )
            predictions.append(prediction_event)
        return {"predictions": predictions}

    return lambda payload: lambda: consume(parse(payload))


def pyfunc(setup: Setup) -> Contestant:
    """A pyfunc call for a DataFrame of all rides of a batch, and PutRecords."""
    import mlflow  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(str(setup.model))
    kinesis = _client(setup)
    parse = runtime_parse()

    def consume(event: Any) -> None:
        events = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]
        minutes = model.predict(pd.DataFrame([one["ride"] for one in events]))
        entries: Any = [
            {
                "Data": json.dumps(
                    {
                        "model": "ride-duration",
                        "version": "1",
                        "prediction": {"ride_duration": float(predicted), "ride_id": one["ride_id"]},
                    }
                ),
                "PartitionKey": str(one["ride_id"]),
            }
            for one, predicted in zip(events, minutes, strict=True)
        ]
        for first in range(0, len(entries), _CHUNK):
            kinesis.put_records(StreamName=STREAM, Records=entries[first : first + _CHUNK])

    return lambda payload: lambda: consume(parse(payload))


def powertools(setup: Setup) -> Contestant:
    """Powertools' BatchProcessor: a record handler that predicts natively and puts, for each record."""
    from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415
        BatchProcessor,
        EventType,
        process_partial_response,
    )
    from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord  # noqa: PLC0415

    processor = BatchProcessor(event_type=EventType.KinesisDataStreams)
    predict, kinesis, context = native(setup), _client(setup), Context()
    parse = runtime_parse()

    def handle(record: KinesisStreamRecord) -> None:
        event = record.kinesis.data_as_json()
        ride = event["ride"]
        [minutes] = predict([[ride["PULocationID"], ride["DOLocationID"], ride["trip_distance"]]])
        data = {
            "model": "ride-duration",
            "version": "1",
            "prediction": {"ride_duration": float(minutes), "ride_id": event["ride_id"]},
            "event_id": record.event_id,
        }
        kinesis.put_record(StreamName=STREAM, Data=json.dumps(data), PartitionKey=str(event["ride_id"]))

    def consume(event: Any) -> object:
        return process_partial_response(event, record_handler=handle, processor=processor, context=context)  # type: ignore[arg-type]

    return lambda payload: lambda: consume(parse(payload))


def floor(setup: Setup) -> Contestant:
    """scikit-learn's predict on a ready array and boto3's PutRecords on ready entries: no Python between them."""
    import numpy as np  # noqa: PLC0415

    predict, kinesis = native(setup), _client(setup, parameter_validation=False)

    def prepare(payload: bytes) -> Work:
        events = [json.loads(base64.b64decode(item["kinesis"]["data"])) for item in json.loads(payload)["Records"]]
        matrix = np.array([list(event["ride"].values()) for event in events], dtype=np.float64)
        entries = [prediction_entry(event["ride_id"]) for event in events]
        requests: Any = [entries[first : first + _CHUNK] for first in range(0, len(entries), _CHUNK)]

        def work() -> None:
            predict(matrix)
            for request in requests:
                kinesis.put_records(StreamName=STREAM, Records=request)

        return work

    return prepare


CONTESTANTS: dict[str, Callable[[Setup], Contestant]] = {
    OURS: ours,
    FLOOR: floor,
    POWERTOOLS: powertools,
    REFERENCE: reference,
}

ON_FRAMES: dict[str, Callable[[Setup], Contestant]] = {OURS: ours, PYFUNC: pyfunc, REFERENCE: reference}
"""Those that serve a model that was fitted on a DataFrame."""


def prediction_entry(ride_id: int) -> dict[str, Any]:
    """An entry of a PutRecords request, as long as ours are."""
    data = (
        b'{"model":"ride-duration","version":"0123456789ab","prediction":{"ride_duration":21.294545348333408,'
        b'"ride_id":%d},"event_id":"shardId-000000000000:49630081666084879290581185630324770398608704880802529282"}'
    )
    return {"Data": data % ride_id, "PartitionKey": str(ride_id)}


def native(setup: Setup) -> Callable[[Any], Any]:
    """scikit-learn's own predict, on one thread: the environment of a worker says so."""
    from stream_consumer.models.skops_file import load_skops  # noqa: PLC0415

    predict: Callable[[Any], Any] = load_skops(setup.model / "model.skops", str(setup.model), pinned=False).predict
    return predict


def runtime_parse() -> Callable[[bytes], Any]:
    """What ``awslambdaric`` does with an event before it calls the handler."""
    from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller  # noqa: PLC0415

    parse: Callable[[bytes], Any] = LambdaMarshaller().unmarshal_request
    return parse


def _client(setup: Setup, **options: Any) -> "KinesisClient":
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client("kinesis", endpoint_url=setup.endpoint_url, config=Config(**options))
