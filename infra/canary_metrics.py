"""
The metrics of each version of a function, from its log group.

The rule: the function's normal logs are enough. CloudWatch's metrics do not distinguish versions, but Lambda names each
log stream after its version: ``YYYY/MM/DD/[8]…``, or ``YYYY/MM/DD/function[8]…`` in a log group of the user's own. The
day in the name is the environment's first day, so no prefix finds all streams of a version.

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
_LATE_MS = 120_000  # a line may become readable so much later than its successors
_EMF = '"CloudWatchMetrics"'
_MAIN, _OF_CHALLENGER = "RecordsReceived", "ChallengerCompared"


class MetricLines:
    """The metrics lines of one function that were read so far."""

    def __init__(self, logs: Any, function_name: str, began_ms: int) -> None:
        """Read lines from *began_ms* (Unix milliseconds) on, with the client *logs*."""
        self._logs = logs
        self._group = f"/aws/lambda/{function_name}"
        self._began = self._newest = began_ms
        self._seen: set[str] = set()
        self._lines: dict[str, list[tuple[int, Line]]] = {}

    def read(self) -> None:
        """Read the lines since the last call."""
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
        """Return the line of each batch of *version* since *since_ms*."""
        return [line for at, line in self._lines.get(version, ()) if _MAIN in line and at >= since_ms]

    def compared(self, version: str) -> list[Line]:
        """Return the lines of the challenger of *version* with compared records."""
        return [line for _, line in self._lines.get(version, ()) if line.get(_OF_CHALLENGER)]

    def challenges(self, version: str) -> list[Line]:
        """Return all lines of the challenger of *version*."""
        return [line for _, line in self._lines.get(version, ()) if _OF_CHALLENGER in line]

    def first(self, version: str) -> int:
        """Return the time of the first line of *version*, in Unix milliseconds. Without a line, the beginning."""
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
