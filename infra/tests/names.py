"""Names on which infra and the handler must agree, and nobody would notice: environment variables and metrics."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.tests.terraform import CheckFailed, Resource
from stream_consumer.settings import FIELDS
from stream_consumer.telemetry import Metric

_NAMESPACE = "StreamConsumer"
_POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}


def agree(found: Iterable[Resource]) -> str:
    """
    Return how many names of what was applied the handler knows.

    Raises:
        CheckFailed: Names those that it does not.
    """
    settings: set[str] = set()
    metrics: set[str] = set()
    for resource in found:
        values = resource.values
        if resource.kind == "aws_lambda_function":
            settings.update(values["environment"][0]["variables"])
        elif resource.kind == "aws_cloudwatch_metric_alarm" and values["namespace"] == _NAMESPACE:
            metrics.add(values["metric_name"])
        elif resource.kind == "aws_cloudwatch_dashboard":
            metrics.update(_shown(json.loads(values["dashboard_body"])))
    unknown = settings - {field.variable for field in FIELDS.values()} - _POWERTOOLS
    unknown |= metrics - {metric.label for metric in Metric}
    if unknown or not (settings and metrics):
        raise CheckFailed(f"the handler knows nothing of {', '.join(sorted(unknown)) or 'any of them'}")
    return f"{len(settings)} settings and {len(metrics)} metrics that the handler knows"


def _shown(dashboard: Mapping[str, Any]) -> Iterator[str]:
    for widget in dashboard["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if metric[0] == _NAMESPACE:
                yield metric[1]
