"""
An alias of a function. The alias points to a single version at a time.

The rule: an invocation ends on the version on which it began. Source: AWS Lambda developer guide, "Create an alias for
a Lambda function".
"""

import threading
from collections import Counter

from stream_consumer.local.runtime.functions import Function, Invocation


class Alias:
    """A function whose version can change while invocations run."""

    def __init__(self, version: Function) -> None:
        self._version = version
        self._changed = threading.Condition()
        self._in_flight: Counter[int] = Counter()

    @property
    def arn(self) -> str:
        return f"{self._version.arn}:live"

    def invoke(self, payload: bytes) -> Invocation:
        with self._changed:
            version = self._version
            self._in_flight[id(version)] += 1
        try:
            return version.invoke(payload)
        finally:
            with self._changed:
                self._in_flight[id(version)] -= 1
                self._changed.notify_all()

    def point_to(self, version: Function) -> None:
        """Give every further invocation to *version*, and wait until none is left on the previous version."""
        with self._changed:
            before, self._version = self._version, version
            self._changed.wait_for(lambda: not self._in_flight[id(before)])
