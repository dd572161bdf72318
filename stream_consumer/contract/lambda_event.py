"""
Lambda's event from a Kinesis mapping → records.

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
    Return the records of Lambda's *event* in order, KPL aggregates unfolded unless they are wanted as they came.

    Sub-records of an aggregate share its sequence number; their event id is the aggregate's with ``.<index>`` appended.
    A corrupt aggregate stays one record and is found undecodable later. User records that would fill the memory, each
    as a dead letter of its own, stay one aggregate, which has the index of the first of them.

    Raises:
        NotAKinesisEvent: The event is of another shape. No record is at fault: the caller is.
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


# Lambda's own names. msgspec checks the types and decodes the base64, in less time than reading the fields by hand.
class _Kinesis(msgspec.Struct, gc=False):
    data: bytes
    sequenceNumber: str | None = None  # noqa: N815
    partitionKey: str | None = None  # noqa: N815
    # No later than a datetime can say.
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
        # Before it come as many records as there are user records before the first crumb.
        unfolded.insert(first, _part(record, first, record.partition_key, folded))
    return unfolded


def _part(record: Record, index: int, key: str | None, data: bytes) -> Record:
    event_id = f"{record.event_id}.{index}" if record.event_id else None
    return msgspec.structs.replace(record, data=data, partition_key=key, event_id=event_id)
