"""
What an environment costs a month while no event comes, from its plan and that of its bootstrap.

Prices are of us-east-1, November 2026, from the price pages of AWS; `stream-consumer capacity` reckons with the
same ones of streams. Left out are the image in the registry, logs, objects and messages, which are cents.
"""

from collections.abc import Iterable, Mapping

from infra.state import Resource
from stream_consumer.operate.capacity import HOURS_A_MONTH, SECONDS_A_MONTH, Prices

_PRICES = Prices()
_LONG_RETENTION_SHARD_HOUR = 0.020  # beyond 24 hours, up to 7 days
_FAN_OUT_SHARD_HOUR = 0.015
_SHARD_METRIC = 0.30
_ALARM_METRIC = 0.10
_COMPOSITE_ALARM = 0.50
_DASHBOARD = 3.00
_KEY = 1.00
_PROVISIONED_GIGABYTE_SECOND = 0.0000033334  # arm64
_SNAPSHOT_GIGABYTE_SECOND = 0.0000015046


def idle_bill(found: Iterable[Resource]) -> dict[str, float]:
    """Return dollars a month by what costs them."""
    bill = {"streams": 0.0, "enhanced fan-out": 0.0, "provisioned concurrency": 0.0, "SnapStart": 0.0, "alarms": 0.0}
    by_kind: dict[str, list[Resource]] = {}
    for resource in found:
        by_kind.setdefault(resource.kind, []).append(resource)
    bill["key"] = len(by_kind.get("aws_kms_key", [])) * _KEY
    streams = by_kind.get("aws_kinesis_stream", [])
    bill["streams"] = sum(_stream(stream) for stream in streams)
    [shards] = [stream.values["shard_count"] or 0 for stream in streams if ".module.input." in stream.address]
    fan_out = len(by_kind.get("aws_kinesis_stream_consumer", []))
    bill["enhanced fan-out"] = fan_out * shards * HOURS_A_MONTH * _FAN_OUT_SHARD_HOUR
    sizes = {item.address.rpartition(".aws_")[0]: item for item in by_kind.get("aws_lambda_function", [])}
    for item in by_kind.get("aws_lambda_provisioned_concurrency_config", []):
        gigabytes = _gigabytes(sizes[item.address.rpartition(".aws_")[0]])
        environments = item.values["provisioned_concurrent_executions"]
        bill["provisioned concurrency"] += gigabytes * environments * SECONDS_A_MONTH * _PROVISIONED_GIGABYTE_SECOND
    for item in sizes.values():
        if item.values["snap_start"]:
            bill["SnapStart"] += _gigabytes(item) * SECONDS_A_MONTH * _SNAPSHOT_GIGABYTE_SECOND
    metrics = sum(_metrics(alarm) for alarm in by_kind.get("aws_cloudwatch_metric_alarm", []))
    composites = len(by_kind.get("aws_cloudwatch_composite_alarm", []))
    bill["alarms"] = metrics * _ALARM_METRIC + composites * _COMPOSITE_ALARM
    bill["dashboard"] = len(by_kind.get("aws_cloudwatch_dashboard", [])) * _DASHBOARD
    return bill


def table(bills: Mapping[str, Mapping[str, float]]) -> str:
    """Return the bills, by environment, as a table in whole dollars."""
    head = ["| $ a month, idle |" + "".join(f" {name} |" for name in bills), "| --- |" + " ---: |" * len(bills)]
    kinds = list(next(iter(bills.values())))
    rows = [f"| {kind} |" + "".join(f" {bill[kind]:.0f} |" for bill in bills.values()) for kind in kinds]
    total = "| **all** |" + "".join(f" **{sum(bill.values()):.0f}** |" for bill in bills.values())
    return "\n".join([*head, *rows, total])


def _stream(stream: Resource) -> float:
    values = stream.values
    if values["stream_mode_details"][0]["stream_mode"] == "ON_DEMAND":
        return HOURS_A_MONTH * _PRICES.on_demand_hour
    hourly = _PRICES.shard_hour + (_LONG_RETENTION_SHARD_HOUR if values["retention_period"] > 24 else 0)  # noqa: PLR2004 (hours in the price)
    metrics: float = len(values["shard_level_metrics"] or ()) * _SHARD_METRIC
    shards: int = values["shard_count"]
    return shards * (HOURS_A_MONTH * hourly + metrics)


def _gigabytes(function: Resource) -> float:
    size: int = function.values["memory_size"]
    return size / 1024


def _metrics(alarm: Resource) -> int:
    queries = alarm.values.get("metric_query") or ()
    return sum(1 for query in queries if query["metric"]) or 1
