"""
The status of a deployed environment: alarms, versions, mappings, and the metrics of the last minutes or days.

The rule: the number of calls does not grow with the window, and no call changes anything.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stream_consumer.operate.deployment import ALIAS, Function, function

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients

# Source: Amazon CloudWatch API reference, "GetMetricData": queries of a request.
_MOST_QUERIES = 500

_OF_LAMBDA = {"invocations": "Sum", "errors": "Sum", "throttles": "Sum", "iterator_age": "Maximum"}
_NAMES = {
    "invocations": "Invocations",
    "errors": "Errors",
    "throttles": "Throttles",
    "iterator_age": "IteratorAge",
    "dead_letters": "DeadLetters",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """A metric alarm."""

    name: str
    state: str
    """ALARM, OK or INSUFFICIENT_DATA."""
    reason: str
    """Its meaning and the first thing to do, as in the alarm's mail."""


@dataclass(frozen=True, slots=True)
class Status:
    """One function, and its metrics of the window."""

    function: Function
    numbers: Mapping[str, float | None]
    """Values by the keys of the metrics. None if CloudWatch has no value. ``iterator_age`` is in milliseconds."""

    @property
    def is_reading(self) -> bool:
        """Whether each event source mapping is enabled."""
        return all(source.state == "Enabled" for source in self.function.sources)


def statuses(clients: "Clients", names: Sequence[str], window: timedelta, now: datetime) -> list[Status]:
    """
    Return the status of the functions *names*, with the metrics of the *window* before *now*.

    Raises:
        UsageError: A function does not exist.
    """
    functions = [function(clients, name) for name in names]
    numbers = _numbers(clients.cloudwatch, functions, window, now)
    return [Status(one, {key: numbers.get((one.name, key)) for key in _NAMES}) for one in functions]


def _numbers(
    cloudwatch: Any, functions: Sequence[Function], window: timedelta, now: datetime
) -> dict[tuple[str, str], float]:
    period = math.ceil(window.total_seconds() / 60) * 60
    keys, queries = list[tuple[str, str]](), list[dict[str, Any]]()
    for one in functions:
        for key, statistic, metric in _metrics(one):
            queries.append(
                {"Id": f"m{len(keys)}", "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}
            )
            keys.append((one.name, key))
    found: dict[tuple[str, str], float] = {}
    for first in range(0, len(queries), _MOST_QUERIES):
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries[first : first + _MOST_QUERIES], StartTime=now - window, EndTime=now
        )
        for result in (result for page in pages for result in page["MetricDataResults"]):
            at = keys[int(result["Id"][1:])]
            if result["Values"]:  # a window may touch two periods
                together = max if at[1] == "iterator_age" else sum
                found[at] = together([*result["Values"], found.get(at, 0.0)])
    return found


def _metrics(one: Function) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield key, statistic and metric of each number. The metrics are the alias's, since callers invoke the alias."""
    dimensions = {"FunctionName": one.name} | ({"Resource": f"{one.name}:{ALIAS}"} if one.has_alias else {})
    for key, statistic in _OF_LAMBDA.items():
        yield key, statistic, _metric("AWS/Lambda", _NAMES[key], dimensions)
    yield "dead_letters", "Sum", _metric("StreamConsumer", _NAMES["dead_letters"], {"service": one.service})


def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def alarms(cloudwatch: Any, prefixes: Sequence[str]) -> list[Alarm]:
    """Return the metric alarms with a prefix of *prefixes*. Composite alarms only repeat them."""
    pages = (
        page
        for prefix in prefixes
        for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    )
    found = {one["AlarmName"]: one for page in pages for one in page["MetricAlarms"]}
    return [Alarm(name, found[name]["StateValue"], found[name].get("AlarmDescription", "")) for name in sorted(found)]
