"""Names: those on which infra and the code must agree, and those that two environments may not share."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import stream_consumer
from infra.state import Resource
from infra.tests.interface_roles import is_of_an_interface
from infra.tests.monitors import is_of_the_monitor
from infra.tests.terraform import CheckFailed
from stream_consumer.kafka_settings import FIELDS as KAFKA_FIELDS
from stream_consumer.monitor.settings import FIELDS as MONITOR_FIELDS
from stream_consumer.settings import FIELDS
from stream_consumer.telemetry import Metric

_NAMESPACE = "StreamConsumer"
_POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
_SETTINGS = {field.variable for field in (*FIELDS.values(), *KAFKA_FIELDS.values())} | _POWERTOOLS


def agree(found: Iterable[Resource]) -> str:
    """
    Return how many names of what was applied the code knows.

    Raises:
        CheckFailed: Names those that it does not.
    """
    settings: set[str] = set()
    of_interfaces: set[str] = set()
    of_monitor: set[str] = set()
    metrics: set[str] = set()
    for resource in found:
        values = resource.values
        if resource.kind == "aws_cloudwatch_metric_alarm":
            over = [metric for query in values["metric_query"] for metric in query["metric"]]
            metrics.update(metric["metric_name"] for metric in (values, *over) if metric["namespace"] == _NAMESPACE)
        elif resource.kind == "aws_cloudwatch_dashboard":
            metrics.update(_shown(json.loads(values["dashboard_body"])))
        elif is_of_an_interface(resource):
            of_interfaces.update(_given(resource))
        elif resource.kind == "aws_lambda_function":
            (of_monitor if is_of_the_monitor(resource) else settings).update(_given(resource))
    unknown = settings - _SETTINGS
    unknown |= of_monitor - _SETTINGS - {field.variable for field in MONITOR_FIELDS.values()}
    unknown |= metrics - {metric.label for metric in Metric}
    unknown |= of_interfaces - _written() - _POWERTOOLS
    if unknown or not (settings and metrics and of_interfaces and of_monitor):
        raise CheckFailed(f"the code knows nothing of {', '.join(sorted(unknown)) or 'any of them'}")
    counted = f"{len(settings)} settings, {len(of_interfaces)} of the interfaces, {len(of_monitor)} of the monitor"
    return f"{counted} and {len(metrics)} metrics that the code knows"


def known(settings: Iterable[str]) -> int:
    """
    Return how many *settings* of a consumer there are.

    Raises:
        CheckFailed: Names those of which the code knows nothing.
    """
    given = set(settings)
    if unknown := given - _SETTINGS:
        raise CheckFailed(f"the code knows nothing of {', '.join(sorted(unknown))}")
    return len(given)


def apart(dev: Iterable[Resource], prod: Iterable[Resource]) -> str:
    """
    Return how many names each of two environments has for itself, both made from the same variables.

    Raises:
        CheckFailed: Names the resources that both would make in one account.
    """
    ours, theirs = set(_named(dev)), set(_named(prod))
    if both := ours & theirs:
        listed = "\n".join(sorted(" ".join(name) for name in both))
        raise CheckFailed(f"dev and prod in one account would both make:\n{listed}")
    if not ours or len(ours) != len(theirs):
        raise CheckFailed(f"dev has {len(ours)} names and prod {len(theirs)}, from the same variables")
    kinds = {kind for kind, *_ in ours}
    return f"{len(ours)} names of {len(kinds)} kinds, none shared by dev and prod"


# What names a resource within its account; some are named within another, as an alias within its function.
_NAMING = ("alarm_name", "bucket", "dashboard_name", "family", "function_name", "group_name", "name", "role", "rule")


def _named(found: Iterable[Resource]) -> Iterator[tuple[str, ...]]:
    for resource in found:
        if naming := [str(resource.values[name]) for name in _NAMING if resource.values.get(name)]:
            yield resource.kind, *naming


def _given(resource: Resource) -> Iterator[str]:
    if resource.kind == "aws_lambda_function":
        yield from resource.values["environment"][0]["variables"]
    elif resource.kind == "aws_ecs_task_definition":
        for container in json.loads(resource.values["container_definitions"]):
            yield from (variable["name"] for variable in container["environment"])


def _written() -> set[str]:
    """Return every name that stands in the code as an environment variable's would."""
    package = Path(stream_consumer.__file__).parent
    return {name for file in package.rglob("*.py") for name in re.findall(r'"([A-Z][A-Z_]+)"', file.read_text("utf-8"))}


def _shown(dashboard: Mapping[str, Any]) -> Iterator[str]:
    for widget in dashboard["widgets"]:
        for metric in widget["properties"].get("metrics", ()):
            if metric[0] == _NAMESPACE:
                yield metric[1]
            elif isinstance(metric[0], dict):
                yield from re.findall(r'MetricName="(\w+)"', metric[0]["expression"])
