"""
Render records as in Lambda's event, once when they are read.

Source: AWS Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams", example event.
"""

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_consumer.contract.timestamps import iso_seconds
from stream_consumer.local.mapping.tumbling_windows import STATE_LIMIT, Closing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from types_boto3_kinesis.type_defs import RecordTypeDef

    from stream_consumer.local.mapping.tumbling_windows import Window

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Largest size in bytes of a synchronous invocation's event. Source: AWS Lambda developer guide, "Lambda quotas"."""

ROLE_ARN = "arn:aws:iam::000000000000:role/local-event-source-mapping"
"""``invokeIdentityArn``: Lambda names the function's role here. Locally there is no role."""

_EVENT_OVERHEAD = len(b'{"Records":[]}') - 1  # the last record has no comma

WINDOW_OVERHEAD = STATE_LIMIT + 1024
"""
Bytes kept free in a window's event for the state and the other fields.

The state may grow before a retry of the batch.
"""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    sequence_number: str
    partition_key: str
    arrived: float
    """Approximate arrival, in seconds since the epoch, to the millisecond."""
    event: bytes
    """The record's JSON in Lambda's event."""

    @property
    def weight(self) -> int:
        """Bytes of the record in an event, including a comma."""
        return len(self.event) + 1


@dataclass(frozen=True, slots=True)
class ShardSource:
    """The origin of records, as far as Lambda's event shows."""

    stream_arn: str
    shard_id: str

    def record(self, read: "RecordTypeDef") -> StreamRecord:
        """Return a record of GetRecords as Lambda writes records."""
        sequence_number, key = read["SequenceNumber"], read["PartitionKey"]
        arrived = round(read["ApproximateArrivalTimestamp"].timestamp(), 3)
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key,
                "sequenceNumber": sequence_number,
                "data": base64.b64encode(read["Data"]).decode(),
                "approximateArrivalTimestamp": arrived,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard_id}:{sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": ROLE_ARN,
            "awsRegion": self.stream_arn.split(":")[3],
            "eventSourceARN": self.stream_arn,
        }
        return StreamRecord(sequence_number, key, arrived, json.dumps(event, separators=(",", ":")).encode())


def render_event(records: "Iterable[StreamRecord]") -> bytes:
    """Return Lambda's event for *records*, as JSON."""
    return b'{"Records":[' + b",".join(record.event for record in records) + b"]}"


def render_window_event(
    records: "Iterable[StreamRecord]", source: ShardSource, window: "Window", closing: Closing | None
) -> bytes:
    """
    Return Lambda's event for *records* of a tumbling window, as JSON.

    Source: AWS Lambda developer guide, "Implementing stateful Kinesis Data Streams processing in Lambda", example
    ``KinesisTimeWindowEvent``.
    """
    span = {"start": iso_seconds(window.start), "end": iso_seconds(window.end)}
    origin = {"shardId": source.shard_id, "eventSourceARN": source.stream_arn}
    flags = {flag.value: flag is closing for flag in Closing}
    before_state = json.dumps({"window": span}, separators=(",", ":"))[1:-1]
    after_state = json.dumps(origin | flags, separators=(",", ":"))[1:]
    head = f',{before_state},"state":'.encode()
    return render_event(records)[:-1] + head + window.state + f",{after_state}".encode()


def fitting(records: "Iterable[StreamRecord]", most: int, *, reserved: int = 0) -> int:
    """
    Return the number of leading records, up to *most*, that fit into an event of 6 MB less *reserved* bytes.

    The number is at least 1, however large the first record is.
    """
    size, count = _EVENT_OVERHEAD + reserved, 0
    for record in records:
        size += record.weight
        if count == most or (count and size > PAYLOAD_LIMIT):
            break
        count += 1
    return count
