"""A record as received, and the fault that turns a record into a dead letter."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from stream_consumer.contract.stream_arn import stream_name

# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry": 1 to 256 Unicode characters.
LONGEST_ID = 256
LARGEST_ID = 2**63 - 1
STRING_ID = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
RIDE_ID = Annotated[int, Meta(ge=-(2**63), le=LARGEST_ID)] | STRING_ID


class Reason(StrEnum):
    """Why a record is a dead letter."""

    UNDECODABLE = "undecodable"
    """Not JSON in UTF-8."""
    SCHEMA = "schema"
    """JSON of another shape: a value missing, mistyped or null, or a ride_id that Kinesis refuses as partition key."""
    BOUNDS = "bounds"
    """The right shape, with a value outside the bounds that the model declares."""
    UNSCORABLE = "unscorable"
    """The model refuses the row, its prediction is not finite, or the output refuses the prediction."""


class InvalidRecord(msgspec.Struct, frozen=True):
    """The fault of a record: the reason, the location as a JSON path, and the detail."""

    reason: Reason
    path: str
    detail: str


class Header(msgspec.Struct, frozen=True):
    """A header of a Kafka record. Several headers of a record may have the same name."""

    name: str
    value: bytes | None


class KafkaOrigin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The position of a record in Kafka, with the metadata of its value."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    timestamp: int | None = None
    """Milliseconds since 1970, set by the producer or the broker."""
    timestamp_type: str | None = None
    headers: list[Header] = []
    key_schema: dict[str, str] | None = None
    """Lambda's description of the schema in a schema registry."""
    value_schema: dict[str, str] | None = None
    null_value: bool = False


class Record(msgspec.Struct, frozen=True, gc=False):
    """
    An event as received: a Kinesis record, a user record of a KPL aggregate, or a Kafka record.

    A direct invocation may leave out everything but ``data``. Unknown values are None.
    """

    data: bytes
    event_id: str | None = None
    sequence_number: str | None = None
    partition_key: str | None = None
    arrival: float | None = None
    """Approximate arrival in Kinesis, or the timestamp in Kafka, Unix seconds."""
    stream_arn: str | None = None
    """The stream, or the topic with its cluster."""
    kafka: KafkaOrigin | None = None
    """None for a record of Kinesis."""
    fault: InvalidRecord | None = None
    """The fault that the source already found, if any."""

    @property
    def lane(self) -> str | None:
        """
        The records to keep in order with this record: those of its Kafka partition.

        A Kinesis batch is a single lane, since its mapping takes a single checkpoint.
        """
        return self.shard if self.kafka else None

    @property
    def shard(self) -> str | None:
        return self.event_id.partition(":")[0] if self.event_id else None

    @property
    def stream(self) -> str | None:
        return stream_name(self.stream_arn) if self.stream_arn else None
