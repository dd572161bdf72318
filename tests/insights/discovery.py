"""
The fields that CloudWatch Logs Insights finds in the lines of a Lambda function.

Source: Amazon CloudWatch Logs user guide, "Supported logs and discovered fields".
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MOST_FIELDS = 200
"""Of a JSON line; the fields behind these are not discovered."""

_REPORT = {
    "@duration": (r"\tDuration: ([0-9.]+) ms", 1.0),
    "@billedDuration": (r"\tBilled Duration: ([0-9.]+) ms", 1.0),
    "@initDuration": (r"\tInit Duration: ([0-9.]+) ms", 1.0),
    "@memorySize": (r"\tMemory Size: ([0-9]+) MB", 1e6),
    "@maxMemoryUsed": (r"\tMax Memory Used: ([0-9]+) MB", 1e6),
}


def discovered(message: str, *, stream: str, timestamp: float) -> dict[str, Any]:
    """Return the fields of a line of a Lambda function's log group."""
    fields: dict[str, Any] = {"@message": message, "@logStream": stream, "@timestamp": timestamp}
    if message.startswith("{"):
        flat = list(_flat(json.loads(message), ""))
        return fields | dict(flat[:MOST_FIELDS])
    if found := re.match(r"(START|REPORT|END) RequestId: (\S+)", message):
        fields |= {"@type": found[1], "@requestId": found[2]}
        for name, (pattern, factor) in _REPORT.items():
            if value := re.search(pattern, message):
                fields[name] = float(value[1]) * factor
    return fields


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
