"""
Convert Lambda's event of a Kafka mapping into records, and name unsettled records in the mapping's own terms.

The rule: a record carries the mapping's name of its partition, ``<topic>-<partition>``. If a response has a name or an
offset from outside the event, Lambda delivers the whole batch again.

Source: AWS Lambda developer guide, "Process Amazon MSK messages with Lambda", "Using Lambda with self-managed Apache
Kafka", and "Configuring error handling controls for Kafka event sources".
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_consumer.contract.dead_letter import encodable
from stream_consumer.contract.record import Header, InvalidRecord, KafkaOrigin, Reason, Record
from stream_consumer.errors import NotAKafkaEvent

# Later times cannot be written as a date. A producer may set any timestamp.
_END_OF_TIME = 253_402_300_800_000

_NULL_VALUE = InvalidRecord(Reason.UNDECODABLE, "$", "the value is null, a tombstone: there is nothing to predict")


def is_kafka_event(event: Mapping[str, Any]) -> bool:
    """Whether *event* has the shape of a Kafka mapping's event, ``records`` by partition."""
    return "records" in event


def records_from_kafka(event: Mapping[str, Any]) -> list[Record]:
    """
    Return the records of Lambda's *event*, partition by partition, in order within each.

    Raises:
        NotAKafkaEvent: The event has another shape. The caller is at fault, not a record.
    """
    try:
        batch = msgspec.convert(event, _KafkaEvent)
    except msgspec.ValidationError as error:
        raise NotAKafkaEvent(
            f"this is not the event of a Kafka mapping: {error}; "
            'wanted {"records": {"topic-0": [{"topic": "topic", "partition": 0, "offset": 15, "value": "<base64>"}]}}'
        ) from None
    brokers = batch.bootstrapServers or ""
    return [
        kafka_record(
            item.value,
            KafkaOrigin(
                item.topic,
                int(item.partition),
                item.offset,
                key=item.key,
                timestamp=item.timestamp,
                timestamp_type=item.timestampType,
                headers=[
                    Header(encodable(name), _octets(value))
                    for each in item.headers or ()
                    for name, value in each.items()
                ],
                key_schema=item.keySchemaMetadata,
                value_schema=item.valueSchemaMetadata,
            ),
            topic_arn(batch.eventSourceArn, item.topic) if batch.eventSourceArn else topic_url(brokers, item.topic),
        )
        for partition in batch.records.values()
        for item in partition
    ]


def kafka_record(value: bytes | None, origin: KafkaOrigin, topic_location: str) -> Record:
    """
    Return the record of *value*.

    Args:
        value: The value in Kafka, None for a tombstone.
        origin: The position of the record in Kafka, with key, timestamp and headers.
        topic_location: The topic with its cluster, from :func:`topic_arn` or :func:`topic_url`.
    """
    known = origin.timestamp is not None and 0 <= origin.timestamp < _END_OF_TIME
    return Record(
        value or b"",
        f"{origin.topic}-{origin.partition}:{origin.offset}",
        str(origin.offset),
        _text(origin.key),
        origin.timestamp / 1000 if known and origin.timestamp is not None else None,
        topic_location,
        msgspec.structs.replace(origin, null_value=True) if value is None else origin,
        _NULL_VALUE if value is None else None,
    )


def item_identifier(record: Record) -> dict[str, Any]:
    """Return the name of *record* in ``batchItemFailures``."""
    origin = record.kafka
    if origin is None:
        raise ValueError(f"{record.event_id} did not come from Kafka")
    return {"partition": f"{origin.topic}-{origin.partition}", "offset": origin.offset}


def topic_arn(cluster_arn: str, topic: str) -> str:
    """
    Return the ARN of *topic* on the cluster of Amazon MSK.

    Source: Service authorization reference, "Apache Kafka APIs for Amazon MSK clusters", resource type ``topic``.
    """
    return f"{cluster_arn.replace(':cluster/', ':topic/', 1)}/{topic}"


def topic_url(brokers: str, topic: str) -> str:
    """Return a URL for *topic* on a cluster without an ARN. The order of *brokers* does not matter."""
    return f"kafka://{','.join(sorted(brokers.split(',')))}/{topic}"


# Java's bytes have a sign.
_Octet = Annotated[int, Meta(ge=-128, le=255)]


# The names of fields are Lambda's.
class _Item(msgspec.Struct, gc=False):
    topic: str
    # A number. Older examples of AWS show a text.
    partition: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^\d{1,9}$")]
    offset: Annotated[int, Meta(ge=0)]
    timestamp: int | None = None
    timestampType: str | None = None  # noqa: N815
    key: bytes | None = None
    value: bytes | None = None
    headers: list[dict[str, list[_Octet] | None]] | None = None
    keySchemaMetadata: dict[str, str] | None = None  # noqa: N815
    valueSchemaMetadata: dict[str, str] | None = None  # noqa: N815


class _KafkaEvent(msgspec.Struct, gc=False):
    records: dict[str, list[_Item]]
    eventSourceArn: str | None = None  # noqa: N815
    bootstrapServers: str | None = None  # noqa: N815


def _octets(value: list[int] | None) -> bytes | None:
    return None if value is None else bytes(octet & 0xFF for octet in value)


def _text(key: bytes | None) -> str | None:
    """Return *key* as text, or None if *key* is not UTF-8. The origin keeps the bytes."""
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
