"""
Read the window from Lambda's event of a Kinesis mapping with a tumbling window. The records are left out.

Source: AWS Lambda developer guide, "Implementing stateful Kinesis Data Streams processing in Lambda", example
``KinesisTimeWindowEvent``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from stream_consumer.errors import NotAKinesisEvent


class Span(msgspec.Struct, frozen=True):
    """The time range of a window. *start* is inclusive and *end* is exclusive."""

    start: datetime
    end: datetime


class WindowEvent(
    msgspec.Struct,
    frozen=True,
    rename={
        "span": "window",
        "shard": "shardId",
        "stream_arn": "eventSourceARN",
        "is_final": "isFinalInvokeForWindow",
        "is_terminated_early": "isWindowTerminatedEarly",
    },
):
    """An invocation within the window of a shard."""

    span: Span
    shard: str
    stream_arn: str
    is_final: bool
    is_terminated_early: bool
    state: Any = msgspec.field(default_factory=dict)
    """The previous invocation's return value. An empty object in the first invocation of a window."""


def window_from_lambda(event: Mapping[str, Any]) -> WindowEvent:
    """
    Return the window of Lambda's *event*.

    Raises:
        NotAKinesisEvent: The event has another shape. The mapping is at fault, not a record.
    """
    try:
        return msgspec.convert(event, WindowEvent)
    except msgspec.ValidationError as error:
        raise NotAKinesisEvent(
            f"this is not the event of a Kinesis mapping with a tumbling window: {error}; set TumblingWindowInSeconds"
        ) from None
