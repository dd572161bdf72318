"""
KPL aggregates: Kinesis records that carry many user records each.

The rule: :func:`unfold` returns a whole and checked result, or raises. Aggregates do not nest. A sub-record with the
bytes of an aggregate stays bytes, so no record can unfold without bound.

Source: amazon-kinesis-producer, "KPL Aggregated Record Format". The package ``aws_kinesis_agg`` on PyPI does the same,
but alters ``sys.path`` on import, prints payloads on failure and accepts corrupt aggregates as whole.
"""

import functools
import hashlib
from typing import Any, NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry".
_MAX_KEY = 256
# Largest size of a dead letter without its data and key. Measured, and held by tests/contract/test_bounds.py.
_DEAD_LETTER_BYTES = 1_000
# Largest ratio of the memory of unfolded records to the bytes of Lambda's event.
_TIMES = 24


class CorruptAggregate(ValueError):
    """The bytes begin like an aggregate but are not. The message has the fault, never the content."""


class SubRecord(NamedTuple):
    """A user record of an aggregate."""

    partition_key: str
    data: bytes


def unfold(data: bytes) -> list[SubRecord]:
    """
    Return the user records of an aggregate, at least one, in the producer's order.

    Raises:
        CorruptAggregate: Wrong digest, invalid protobuf message, key index out of range, key refused by Kinesis, or no
            user record at all.
    """
    message = _message(data)
    # Read the keys once. Each access to the message's own table makes a new copy, and a small aggregate would fill the
    # memory with copies of one long key.
    try:
        keys = [key.decode() for key in message.partition_key_table]
        sub_records = [SubRecord(keys[record.partition_key_index], record.data) for record in message.records]
    except UnicodeDecodeError:
        raise CorruptAggregate("KPL aggregate with a partition key that is not UTF-8") from None
    except IndexError:
        raise CorruptAggregate("KPL aggregate with a partition key index out of range") from None
    if max(map(len, keys)) > _MAX_KEY:
        raise CorruptAggregate(f"KPL aggregate with a partition key of more than {_MAX_KEY} characters")
    return sub_records


def _message(data: bytes) -> Any:
    """Parse the aggregate. Faults of the whole aggregate are found before any record is made."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 (see _aggregated_record)

    body = data[len(MAGIC) : -_DIGEST_BYTES]
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    if len(data) < len(MAGIC) + _DIGEST_BYTES or digest != data[-_DIGEST_BYTES:]:
        raise CorruptAggregate("KPL aggregate whose MD5 digest does not match its content")
    try:
        message = _aggregated_record().FromString(body)
    except DecodeError:
        raise CorruptAggregate("KPL aggregate that is not a valid message") from None
    if not message.IsInitialized():
        raise CorruptAggregate("KPL aggregate with a user record that lacks its key or its data")
    if not message.records:
        raise CorruptAggregate("KPL aggregate without a single user record")
    return message


def crumbs(sub_records: list[SubRecord], size: int) -> list[bool]:
    """
    Return for each of *sub_records* whether the record must stay folded, to bound the memory of its dead letters.

    *size* is the size of the aggregate in bytes. A dead letter of a user record of six bytes is a hundred times as
    large, and repeats the key. If the aggregate as a whole stays within the allowed ratio, no record must stay folded.
    Otherwise each record above the ratio must.
    """
    if sum(map(_cost, sub_records)) <= _TIMES * (_in_event(size) + _RECORD_BYTES):
        return [False] * len(sub_records)
    return [_cost(part) > _TIMES * _in_event(len(part.data) + _SHORTEST) for part in sub_records]


def _cost(part: SubRecord) -> int:
    return _DEAD_LETTER_BYTES + 3 * len(part.data) + len(part.partition_key.encode())


# Bytes of an empty user record in an aggregate, and of a record without data in Lambda's event.
_SHORTEST, _RECORD_BYTES = 6, 400


def _in_event(size: int) -> int:
    """Return the size of *size* bytes of data in Lambda's event, encoded as base64."""
    return size * 4 // 3


def fold(sub_records: list[SubRecord]) -> bytes:
    """Return an aggregate of *sub_records*. :func:`unfold` is the inverse."""
    keys = list(dict.fromkeys(sub_record.partition_key for sub_record in sub_records))
    index = {key: position for position, key in enumerate(keys)}
    message = _aggregated_record()(
        partition_key_table=[key.encode() for key in keys],
        records=({"partition_key_index": index[key], "data": data} for key, data in sub_records),
    )
    body: bytes = message.SerializeToString()
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


@functools.cache
def _aggregated_record() -> Any:
    """Build the message class on first use. Most consumers never see an aggregate, and protobuf costs init time."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="kpl.proto", package="stream_consumer.kpl", syntax="proto2")
    record = file.message_type.add(name="Record")
    record.field.add(name="partition_key_index", number=1, type=field.TYPE_UINT64, label=field.LABEL_REQUIRED)
    record.field.add(name="explicit_hash_key_index", number=2, type=field.TYPE_UINT64, label=field.LABEL_OPTIONAL)
    record.field.add(name="data", number=3, type=field.TYPE_BYTES, label=field.LABEL_REQUIRED)
    aggregate = file.message_type.add(name="AggregatedRecord")
    # The specification has strings. The bytes on the wire are the same, but protobuf's implementations differ in their
    # treatment of bytes that are not UTF-8.
    aggregate.field.add(name="partition_key_table", number=1, type=field.TYPE_BYTES, label=field.LABEL_REPEATED)
    aggregate.field.add(name="explicit_hash_key_table", number=2, type=field.TYPE_BYTES, label=field.LABEL_REPEATED)
    aggregate.field.add(
        name="records",
        number=3,
        type=field.TYPE_MESSAGE,
        type_name=".stream_consumer.kpl.Record",
        label=field.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("stream_consumer.kpl.AggregatedRecord"))
