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
        CorruptAggregate: Wrong digest, not the protobuf message, a key index out of range, or no user record at all.
    """
    body = data[len(MAGIC) : -_DIGEST_BYTES]
    if (
        len(data) < len(MAGIC) + _DIGEST_BYTES
        or hashlib.md5(body, usedforsecurity=False).digest() != data[-_DIGEST_BYTES:]
    ):
        raise CorruptAggregate("KPL aggregate whose MD5 digest does not match its content")
    try:
        message = _aggregated_record().FromString(body)
        keys = message.partition_key_table
        sub_records = [SubRecord(keys[record.partition_key_index], record.data) for record in message.records]
    except IndexError:
        raise CorruptAggregate("KPL aggregate with a partition key index out of range") from None
    except Exception as error:  # noqa: BLE001 (see below)
        # protobuf raises DecodeError, and UnicodeDecodeError for a key that is not UTF-8: they share no narrower class.
        raise CorruptAggregate(f"KPL aggregate that is not a valid message ({type(error).__name__})") from None
    if not sub_records:
        raise CorruptAggregate("KPL aggregate without a single user record")
    return sub_records


def fold(sub_records: list[SubRecord]) -> bytes:
    """Return the aggregate that :func:`unfold` turns back into *sub_records*."""
    keys = list(dict.fromkeys(sub_record.partition_key for sub_record in sub_records))
    index = {key: position for position, key in enumerate(keys)}
    message = _aggregated_record()(
        partition_key_table=keys,
        records=[{"partition_key_index": index[key], "data": data} for key, data in sub_records],
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
    aggregate.field.add(name="partition_key_table", number=1, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    aggregate.field.add(name="explicit_hash_key_table", number=2, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
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
