"""
Convert Lambda's event of a Kinesis mapping into records.

Source: AWS Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams", example event.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_consumer.contract import kpl
from stream_consumer.contract.record import Record
from stream_consumer.errors import NotAKinesisEvent


def records_from_lambda(event: Mapping[str, Any], *, unfold: bool = True) -> list[Record]:
    """
    Return the records of Lambda's *event* in order. KPL aggregates are unfolded, unless *unfold* is False.

    Sub-records of an aggregate share its sequence number. Their event id is that of the aggregate with ``.<index>``
    appended. A corrupt aggregate stays a single record, and decoding later finds the record undecodable. User records
    whose dead letters would fill the memory stay folded in an aggregate, under the index of the first of them.

    Raises:
        NotAKinesisEvent: The event has another shape. The caller is at fault, not a record.
    """
    try:
        items = msgspec.convert(event, _LambdaEvent).Records
    except msgspec.ValidationError as error:
        raise NotAKinesisEvent(
            f"this is not the event of a Kinesis mapping: {error}; "
            'wanted {"Records": [{"kinesis": {"data": "<base64>"}}, …]}'
        ) from None
    records = [
        Record(
            item.kinesis.data,
            item.eventID,
            item.kinesis.sequenceNumber,
            item.kinesis.partitionKey,
            item.kinesis.approximateArrivalTimestamp,
            item.eventSourceARN,
        )
        for item in items
    ]
    if unfold and any(record.data.startswith(kpl.MAGIC) for record in records):
        return [part for record in records for part in _unfolded(record)]
    return records


# The names of fields are Lambda's. msgspec checks the types and decodes the base64 faster than code that reads each
# field.
class _Kinesis(msgspec.Struct, gc=False):
    data: bytes
    sequenceNumber: str | None = None  # noqa: N815
    partitionKey: str | None = None  # noqa: N815
    # The latest time that a datetime can hold.
    approximateArrivalTimestamp: Annotated[float, Meta(ge=0, lt=253_402_300_800)] | None = None  # noqa: N815


class _LambdaRecord(msgspec.Struct, gc=False):
    kinesis: _Kinesis
    eventID: str | None = None  # noqa: N815
    eventSourceARN: str | None = None  # noqa: N815


class _LambdaEvent(msgspec.Struct, gc=False):
    Records: list[_LambdaRecord]


def _unfolded(record: Record) -> Iterable[Record]:
    if not record.data.startswith(kpl.MAGIC):
        return [record]
    try:
        parts = kpl.unfold(record.data)
    except kpl.CorruptAggregate:
        return [record]
    crumbs = kpl.crumbs(parts, len(record.data))
    unfolded = [_part(record, at, *part) for at, part in enumerate(parts) if not crumbs[at]]
    if any(crumbs):
        first = crumbs.index(True)
        folded = kpl.fold([part for part, crumb in zip(parts, crumbs, strict=True) if crumb])
        # The records before the first crumb are all unfolded, so the index in the list is also that of the user record.
        unfolded.insert(first, _part(record, first, record.partition_key, folded))
    return unfolded


def _part(record: Record, index: int, key: str | None, data: bytes) -> Record:
    event_id = f"{record.event_id}.{index}" if record.event_id else None
    return msgspec.structs.replace(record, data=data, partition_key=key, event_id=event_id)
