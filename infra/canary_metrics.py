"""
What each version of a function says of its batches, read off its log group.

The rule: nothing is added to what the function writes. CloudWatch's metrics do not tell versions apart, but Lambda
names each log stream after the version that writes it: ``YYYY/MM/DD/[8]…``, and ``YYYY/MM/DD/function[8]…`` in a log
group that was chosen for the function. The day in the name is the environment's first, so no prefix finds a version.

Sources: AWS Lambda operator guide, "How CloudWatch structures logs". AWS Lambda developer guide, "Configuring
CloudWatch log groups".
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Line = Mapping[str, float]
"""The metrics of one EMF line, by name."""

_VERSION = re.compile(r"\[(\d+)\]")
_LATE_MS = 120_000  # how much later than others a line may become readable
_EMF = '"CloudWatchMetrics"'
_MAIN, _OF_CHALLENGER = "RecordsReceived", "ChallengerCompared"


class MetricLines:
    """The metrics lines of one function, as far as they have been read."""

    def __init__(self, logs: Any, function_name: str, began_ms: int) -> None:
        """Read with the client *logs* what was written since *began_ms*, in Unix milliseconds."""
        self._logs = logs
        self._group = f"/aws/lambda/{function_name}"
        self._began = self._newest = began_ms
        self._seen: set[str] = set()
        self._lines: dict[str, list[tuple[int, Line]]] = {}

    def read(self) -> None:
        """Read what has been written since the last time."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, startTime=max(self._began, self._newest - _LATE_MS), filterPattern=_EMF
        )
        for event in (event for page in pages for event in page["events"]):
            version = _VERSION.search(event["logStreamName"])
            if version and event["eventId"] not in self._seen:
                self._seen.add(event["eventId"])
                self._newest = max(self._newest, event["timestamp"])
                self._lines.setdefault(version[1], []).append((event["timestamp"], _metrics(event["message"])))

    def batches(self, version: str, since_ms: int = 0) -> list[Line]:
        """Return the line of each batch that *version* was given since *since_ms*."""
        return [line for at, line in self._lines.get(version, ()) if _MAIN in line and at >= since_ms]

    def compared(self, version: str) -> list[Line]:
        """Return the lines of the challenger of *version*, of the batches that it was shown."""
        return [line for _, line in self._lines.get(version, ()) if line.get(_OF_CHALLENGER)]

    def challenges(self, version: str) -> list[Line]:
        """Return all lines of the challenger of *version*."""
        return [line for _, line in self._lines.get(version, ()) if _OF_CHALLENGER in line]

    def first(self, version: str) -> int:
        """Return when *version* wrote its first line, in Unix milliseconds; the beginning, if it has written none."""
        return min((at for at, _ in self._lines.get(version, ())), default=self._began)


def _metrics(message: str) -> Line:
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return dict(_numbers(line)) if isinstance(line, dict) else {}


def _numbers(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        number = value[0] if isinstance(value, list) and value else value
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            yield name, number
