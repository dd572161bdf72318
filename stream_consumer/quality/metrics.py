"""A day's quality as metrics."""

from stream_consumer.quality.result import DayQuality, Errors
from stream_consumer.telemetry import Metric, Telemetry

MOST_GROUPS = 20
"""Number of groups with metrics of their own, since metrics cost money. The result has all groups."""


def measure(result: DayQuality, report: Telemetry) -> None:
    """Report *result*: a line of metrics for the day, and a line for each of the largest groups."""
    excesses = [one.excess for one in result.versions if one.excess is not None]
    values: list[tuple[Metric, float]] = [
        (Metric.QUALITY_MISSING, result.errors.missing),
        (Metric.QUALITY_LATE, result.errors.late),
        (Metric.QUALITY_RINGS, len(result.rings)),
    ]
    if excesses:
        values.append((Metric.QUALITY_EXCESS, max(excesses)))
    report.measured([*_values(result.errors), *values])
    for one in result.groups[:MOST_GROUPS]:
        report.measured(_values(one.errors), group=one.group or "none")


def _values(errors: Errors) -> list[tuple[Metric, float]]:
    found = {
        Metric.QUALITY_RMSE: errors.rmse,
        Metric.QUALITY_MAE: errors.mae,
        Metric.QUALITY_BIAS: errors.bias,
        Metric.QUALITY_ACCURACY: errors.accuracy,
    }
    return [
        (Metric.QUALITY_JUDGED, errors.judged),
        (Metric.QUALITY_COVERAGE, errors.coverage),
        *((metric, value) for metric, value in found.items() if value is not None),
    ]
