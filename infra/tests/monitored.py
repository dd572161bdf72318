"""
See a window become a profile, and a day be judged, through what was applied for the monitor.

The function runs as Lambda runs it, in a worker of the local platform, with the applied command and settings. Only the
image is missing, and Scheduler's clock: the applied schedule's input is handed over here.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.clients import Aws
from infra.tests.ride import rides, worker
from infra.tests.terraform import CheckFailed

_DAY = "2026-11-21"
_COUNT = 600
_HOURS = (0, 18)
"""Of two windows, which span a whole day."""
_SHARD = "shardId-000000000000"


def through(aws: Aws, outputs: Mapping[str, Any], endpoint: str) -> str:
    """
    Close two windows of the monitor of *outputs*, and judge their day as the schedule does.

    Raises:
        CheckFailed: A profile is not where it should be, or the judgement says something else.
    """
    monitor = outputs["monitor"]
    function = aws("lambda").get_function_configuration(
        FunctionName=monitor["function_name"], Qualifier=monitor["alias"]
    )
    mapping = aws("lambda").get_event_source_mapping(UUID=monitor["mapping_id"])
    said: list[str] = []
    with worker(function, endpoint, outputs["region"], log=said.append) as environment:
        for hour in _HOURS:
            _invoke(environment, _window(hour, mapping["EventSourceArn"]), {"state": {}, "batchItemFailures": []})
        _invoke(environment, _judgement(aws, monitor), {"day": _DAY, "rings": {"day": [], "week": []}})
    bucket, _, prefix = monitor["profiles"].removeprefix("s3://").partition("/")
    listed = aws("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", ())
    keys = [item["Key"] for item in listed]
    wanted = [f"{prefix}/{_DAY}/{_SHARD}-20261121T{hour:02}0000Z.json" for hour in _HOURS]
    if keys != wanted:
        raise CheckFailed(f"the profiles are {keys}, not {wanted}")
    metrics = [json.loads(line) for line in said if '"_aws"' in line]
    windows = [line["MonitorWindows"] for line in metrics if line.get("horizon") == "day" and "MonitorWindows" in line]
    services = {line["service"] for line in metrics}
    if windows != [[len(_HOURS)]] or services != {monitor["function_name"]}:
        raise CheckFailed(f"the day was judged by {windows} windows, in metrics of {services}")
    return f"{len(keys)} windows of {_COUNT} rides in profiles, and their day judged by {monitor['schedule']}"


def _invoke(environment: Any, event: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    invocation = environment.invoke(json.dumps(event).encode())
    if invocation.error or json.loads(invocation.payload) != wanted:
        raise CheckFailed(f"the monitor answers {invocation.error or invocation.payload!r}, not {wanted}")


def _window(hour: int, stream: str) -> dict[str, Any]:
    """Return the final invocation of a window, which may bring records."""
    start = datetime.fromisoformat(f"{_DAY}T{hour:02}:00:00+00:00")
    records = [
        {
            "kinesis": {
                "data": base64.b64encode(json.dumps(event).encode()).decode(),
                "sequenceNumber": f"{at}",
                "partitionKey": f"{at}",
                "approximateArrivalTimestamp": start.timestamp(),
            },
            "eventID": f"{_SHARD}:{at}",
            "eventSourceARN": stream,
        }
        for at, event in enumerate(rides(_COUNT, seed=hour))
    ]
    return {
        "Records": records,
        "window": {"start": start.isoformat(), "end": (start + timedelta(minutes=15)).isoformat()},
        "state": {},
        "shardId": _SHARD,
        "eventSourceARN": stream,
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }


def _judgement(aws: Aws, monitor: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the applied schedule hands over on the morning after the day."""
    schedule = aws("scheduler").get_schedule(Name=monitor["schedule"], GroupName=monitor["function_name"])
    if not schedule["Target"]["Arn"].endswith(f":function:{monitor['function_name']}:{monitor['alias']}"):
        raise CheckFailed(f"the schedule invokes {schedule['Target']['Arn']}")
    morning = datetime.fromisoformat(f"{_DAY}T01:30:00+00:00").astimezone(UTC) + timedelta(days=1)
    text = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", f"{morning:%Y-%m-%dT%H:%M:%SZ}")
    event: dict[str, Any] = json.loads(text)
    return event
