"""
The log lines of several functions in one order, once or continuously.

The rule: each line is given once. CloudWatch makes lines readable seconds late and out of order. Following therefore
reads the last seconds again and skips lines that were given.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_OVERLAP_MS = 30_000
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    time: int
    """Milliseconds since 1970, UTC."""
    function: str
    text: str
    id: str


def lines(logs: Any, groups: Mapping[str, str], since: int) -> Iterator[Line]:
    """Yield the lines of *groups*, log groups by function, from *since* (milliseconds) on, oldest first."""
    yield from heapq.merge(
        *(_of_group(logs, function, group, since) for function, group in groups.items()), key=lambda line: line.time
    )


def _of_group(logs: Any, function: str, group: str, since: int) -> Iterator[Line]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    try:
        for event in (event for page in pages for event in page["events"]):
            yield Line(event["timestamp"], function, event["message"].rstrip("\n"), event["eventId"])
    except logs.exceptions.ResourceNotFoundException:  # the function has never run
        return


def follow(read: Callable[[int], Iterator[Line]], since: int, sleep: Callable[[float], None]) -> Iterator[Line]:
    """Yield the lines of *read* from *since* on, then new lines, without end."""
    given: dict[str, int] = {}
    newest = since
    while True:
        for line in read(max(since, newest - _OVERLAP_MS)):
            newest = max(newest, line.time)
            if line.id not in given:
                given[line.id] = line.time
                yield line
        given = {name: time for name, time in given.items() if time >= newest - _OVERLAP_MS}
        sleep(_POLL_SECONDS)
