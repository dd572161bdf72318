"""
KPL aggregates: one Kinesis record that carries many user records.

The rule: what :func:`unfold` returns is whole and checked, or it raises. Aggregates do not nest: a sub-record that
looks like an aggregate is handed on as the bytes it is, so no record can unfold without bound.

Source: amazon-kinesis-producer, "KPL Aggregated Record Format". ``aws_kinesis_agg`` on PyPI does the same, but it
alters ``sys.path`` on import, prints payloads when it fails and hands corrupt aggregates on as if they were whole.
"""

import functools
import hashlib
from typing import Any, NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry".
_MAX_KEY = 256
# What a dead letter costs at the most beside its data and its key: measured, tests/contract/test_bounds.py holds it.
_DEAD_LETTER_BYTES = 1_000
# So many times the bytes of Lambda's event may its records take.
_TIMES = 24


class CorruptAggregate(ValueError):
    """The bytes begin like an aggregate and are not one; the message says what is wrong, never what they hold."""


class SubRecord(NamedTuple):
    """One user record of an aggregate."""

    partition_key: str
    data: bytes


def unfold(data: bytes) -> list[SubRecord]:
    """
    Return the user records of an aggregate, in the producer's order, at least one.

    Raises:
        CorruptAggregate: Wrong digest, not the protobuf message, a key index out of range, a key that Kinesis would
            refuse, or no user record at all.
    """
    message = _message(data)
    # Read once: each access to the message's own table makes the key anew, and a small aggregate would fill the memory
    # with copies of one long key.
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
    """Parse the aggregate; what is wrong with it as a whole is found before any record is made of it."""
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
    Return of each of *sub_records* whether it must stay folded, lest the aggregate of *size* bytes fills the memory.

    A user record of six bytes would become a dead letter a hundred times its size, and repeats its key. As long as the
    whole aggregate is worth its records, none must. Beyond that, those must that cost more than they bring.
    """
    if sum(map(_cost, sub_records)) <= _TIMES * (_in_event(size) + _RECORD_BYTES):
        return [False] * len(sub_records)
    return [_cost(part) > _TIMES * _in_event(len(part.data) + _SHORTEST) for part in sub_records]


def _cost(part: SubRecord) -> int:
    return _DEAD_LETTER_BYTES + 3 * len(part.data) + len(part.partition_key.encode())


# Bytes of an empty user record in an aggregate, and of a record without data in Lambda's event.
_SHORTEST, _RECORD_BYTES = 6, 400


def _in_event(size: int) -> int:
    """Return how many bytes of data take in Lambda's event, where they are base64."""
    return size * 4 // 3


def fold(sub_records: list[SubRecord]) -> bytes:
    """Return the aggregate that :func:`unfold` turns back into *sub_records*."""
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
    """Build the message class on first use: most consumers never see an aggregate, and protobuf costs init time."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="kpl.proto", package="stream_consumer.kpl", syntax="proto2")
    record = file.message_type.add(name="Record")
    record.field.add(name="partition_key_index", number=1, type=field.TYPE_UINT64, label=field.LABEL_REQUIRED)
    record.field.add(name="explicit_hash_key_index", number=2, type=field.TYPE_UINT64, label=field.LABEL_OPTIONAL)
    record.field.add(name="data", number=3, type=field.TYPE_BYTES, label=field.LABEL_REQUIRED)
    aggregate = file.message_type.add(name="AggregatedRecord")
    # Strings in the specification. On the wire they are the same, but what protobuf does with bytes that are not UTF-8
    # differs between its implementations.
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
