"""The dead letter: an invalid record as a line of JSON."""

from collections.abc import Sequence

import msgspec

from stream_consumer.contract.record import InvalidRecord, KafkaOrigin, Reason, Record
from stream_consumer.contract.timestamps import iso_milliseconds

_letter_encoder = msgspec.json.Encoder()


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """An invalid record, with its original bytes intact and all known facts about its origin."""

    event_id: str | None
    reason: Reason
    path: str
    detail: str
    stream: str | None
    shard: str | None
    sequence_number: str | None
    partition_key: str | None
    arrival: str | None
    """ISO 8601, UTC, milliseconds."""
    data: bytes
    stream_arn: str | None = None
    """ARN as Lambda names the stream, with account and region. None in dead letters from before this field existed."""
    kafka: KafkaOrigin | None = None
    """
    Origin in Kafka, None for Kinesis.

    If set, ``stream`` is the topic's name and ``stream_arn`` is not a stream's ARN.
    """

    @classmethod
    def of(cls, record: Record, fault: InvalidRecord) -> "DeadLetter":
        return cls(
            record.event_id,
            fault.reason,
            fault.path,
            encodable(fault.detail),
            record.stream,
            record.shard,
            record.sequence_number,
            encodable(record.partition_key) if record.partition_key is not None else None,
            iso_milliseconds(record.arrival) if record.arrival is not None else None,
            record.data,
            encodable(record.stream_arn) if record.stream_arn is not None else None,
            record.kafka,
        )


def encodable(text: str) -> str:
    """Replace lone surrogates. Python can read them from JSON, but UTF-8 cannot encode them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text  # the same object, since many sub-records share one long key


_decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode


def encode_dead_letters(letters: Sequence[DeadLetter]) -> bytes:
    """Return the dead letters as JSON lines, in order."""
    return _letter_encoder.encode_lines(letters)


def decode_dead_letters(data: bytes) -> list[DeadLetter]:
    """
    Return the dead letters of an object in S3, in order.

    Raises:
        ValueError: A line is not a dead letter.
    """
    return [_decode_dead_letter(line) for line in data.splitlines()]
