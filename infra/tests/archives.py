"""
See that the applied daily run reads what the applied delivery streams write, and rings on the second bad day.

The emulator's Firehose reads no stream, so objects are put under the applied prefixes, in the applied format. The
function runs as Lambda runs it, in a worker of the local platform.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.clients import Aws
from infra.tests.keeping import clear
from infra.tests.terraform import ACCOUNT, CheckFailed
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction

_RIDES = 600
_HOURS = (datetime(2021, 2, 5, 7, tzinfo=UTC), datetime(2021, 2, 6, 7, tzinfo=UTC))
_DELIMITER = [
    {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}
]


def through(aws: Aws, outputs: Mapping[str, Any], endpoint: str) -> str:
    """
    Put two days of rides into the archives, whose predictions are 8 minutes too long, and judge them.

    Raises:
        CheckFailed: A delivery stream writes otherwise than the daily run reads, or the run says otherwise.
    """
    archive = outputs["archive"]
    [(consumer, daily)] = archive["quality"].items()
    for hour in _HOURS:
        for folder, records in _archived(consumer, hour).items():
            prefix = _prefix(aws, archive["delivery_streams"][folder], hour)
            body = gzip.compress("".join(f"{json.dumps(record)}\n" for record in records).encode())
            aws("s3").put_object(Bucket=archive["bucket"], Key=f"{prefix}x.gz", Body=body)
    rings = [_judged(aws, daily, hour, endpoint, outputs["region"]) for hour in _HOURS]
    results = [_result(aws("s3"), f"{daily['results']}/{hour:%Y-%m-%d}.json") for hour in _HOURS]
    if rings != [False, True] or results != [(_RIDES, 8.0, 2)] * 2:
        raise CheckFailed(f"two days of an error of 8 min, registered with 6.5: rings {rings}, results {results}")
    clear(aws("s3"), archive["bucket"])
    return (
        f"{len(archive['delivery_streams'])} delivery streams; two days of an error of 8 min, of which the second rings"
    )


def _archived(consumer: str, hour: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return what was put onto the streams, by the folder of its archive."""
    ids = [f"{hour:%d}-{at}" for at in range(_RIDES)]
    return {
        "events": [{"ride": {"PULocationID": at % 2}, "ride_id": one} for at, one in enumerate(ids)],
        "outcomes": [{"ride_id": one, "ride_duration": 10.0} for one in ids],
        f"predictions/{consumer}": list(_predictions(ids)),
    }


def _predictions(ids: Iterable[str]) -> Iterable[dict[str, Any]]:
    for one in ids:
        prediction = {"ride_duration": 18.0, "ride_id": one}
        yield {"model": "ride-duration", "version": "1", "prediction": prediction, "event_id": f"shardId-0:{one}"}


def _prefix(aws: Aws, name: str, hour: datetime) -> str:
    """Return where the delivery stream *name* puts what arrives in *hour*."""
    described = aws("firehose").describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    target = described["Destinations"][0]["ExtendedS3DestinationDescription"]
    written = (target["CompressionFormat"], target["ProcessingConfiguration"]["Processors"])
    if written != ("GZIP", _DELIMITER) or described["DeliveryStreamType"] != "KinesisStreamAsSource":
        raise CheckFailed(f"{name} is {described['DeliveryStreamType']} and writes {written}")
    prefix: str = target["Prefix"]
    return prefix.replace("!{timestamp:yyyy/MM/dd/HH}", f"{hour:%Y/%m/%d/%H}")


def _judged(aws: Aws, daily: Mapping[str, str], hour: datetime, endpoint: str, region: str) -> bool:
    function = aws("lambda").get_function_configuration(FunctionName=daily["function_name"], Qualifier=daily["alias"])
    target = aws("scheduler").get_schedule(Name=daily["schedule"], GroupName=daily["schedule"])["Target"]
    if not target["Arn"].endswith(f":{daily['function_name']}:{daily['alias']}"):
        raise CheckFailed(f"the schedule {daily['schedule']} starts {target['Arn']}")
    config = FunctionConfig(
        handler=function["ImageConfigResponse"]["ImageConfig"]["Command"][0],
        name=function["FunctionName"],
        timeout_seconds=function["Timeout"],
        memory_mb=function["MemorySize"],
        region=region,
    )
    ours = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": endpoint}
    settings = {**function["Environment"]["Variables"], **ours, "AWS_REGION": region}
    with RuntimeFunction(config, environment=settings, environments=1) as worker:
        event = {**json.loads(target["Input"]), "day": f"{hour:%Y-%m-%d}"}
        said = worker.invoke(json.dumps(event).encode())
    answer: dict[str, Any] = json.loads(said.payload or b"{}")
    if "rings" not in answer:
        raise CheckFailed(f"{hour:%Y-%m-%d} was not judged: {answer}")
    return bool(answer["rings"])


def _result(s3: Any, location: str) -> tuple[int, float, int]:
    """Return the judged predictions, the RMSE and the number of groups of a day."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    result = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return result["errors"]["judged"], result["errors"]["rmse"], len(result["groups"])
