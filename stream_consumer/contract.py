"""
The wire contract: bytes ↔ values, and nothing else.

The rule: no I/O, and no exception for the fault of one record. Whatever bytes a producer sends,
:meth:`EventSchema.decode` answers with an event or with an :class:`InvalidRecord` that says why, the same every time.

The model's MLflow signature is the schema of ``ride``: the structs that decode it are made when the model is loaded.
"""

import binascii
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from stream_consumer import kpl
from stream_consumer.errors import ModelError, NotAKinesisEvent

# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry": 1 to 256 Unicode characters.
RIDE_ID = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(min_length=1, max_length=256)]

# Deeper JSON is refused before it is parsed: where a parser's own recursion limit strikes depends on the caller's
# stack, and the verdict on a record must not.
MAX_NESTING = 64


class Reason(StrEnum):
    """Why a record is a dead letter."""

    UNDECODABLE = "undecodable"
    """Not JSON in UTF-8."""
    SCHEMA = "schema"
    """JSON of another shape: missing, mistyped, null, or a ride_id that Kinesis would refuse as partition key."""
    BOUNDS = "bounds"
    """The right shape with a value outside the bounds that the model declares."""
    UNSCORABLE = "unscorable"
    """The model refuses the row, or its prediction is not finite."""


class InvalidRecord(msgspec.Struct, frozen=True):
    """The fault of one record: why, where (a JSON path), and the detail."""

    reason: Reason
    path: str
    detail: str


class Record(msgspec.Struct, frozen=True, gc=False):
    """
    One event as it came: a Kinesis record, or one user record of a KPL aggregate.

    A direct invocation may leave everything but ``data`` out; what is unknown is None.
    """

    data: bytes
    event_id: str | None = None
    sequence_number: str | None = None
    partition_key: str | None = None
    arrival: float | None = None
    """Approximate arrival in Kinesis, Unix seconds."""
    stream_arn: str | None = None

    @property
    def shard(self) -> str | None:
        return self.event_id.partition(":")[0] if self.event_id else None

    @property
    def stream(self) -> str | None:
        return self.stream_arn.rpartition("/")[2] if self.stream_arn else None


def records_from_lambda(event: Mapping[str, Any]) -> list[Record]:
    """
    Return the records of Lambda's *event* in order, KPL aggregates unfolded.

    Sub-records of an aggregate share its sequence number; their event id is the aggregate's with ``.<index>`` appended.
    A corrupt aggregate stays one record and is found undecodable later.

    Raises:
        NotAKinesisEvent: The event is of another shape. No record is at fault: the caller is.
    """
    try:
        items = event["Records"]
        records = [_record(item) for item in items]
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise NotAKinesisEvent(
            f"the event is not Kinesis': {type(error).__name__}: {error}; "
            'wanted {"Records": [{"kinesis": {"data": "<base64>"}}, …]}'
        ) from None
    if any(record.data.startswith(kpl.MAGIC) for record in records):
        return [part for record in records for part in _unfolded(record)]
    return records


def _record(item: Mapping[str, Any]) -> Record:
    kinesis = item["kinesis"]
    return Record(
        binascii.a2b_base64(kinesis["data"]),
        item.get("eventID"),
        kinesis.get("sequenceNumber"),
        kinesis.get("partitionKey"),
        kinesis.get("approximateArrivalTimestamp"),
        item.get("eventSourceARN"),
    )


def _unfolded(record: Record) -> Iterable[Record]:
    if not record.data.startswith(kpl.MAGIC):
        return [record]
    try:
        parts = kpl.unfold(record.data)
    except kpl.CorruptAggregate:
        return [record]
    return [
        msgspec.structs.replace(
            record, data=data, partition_key=key, event_id=f"{record.event_id}.{index}" if record.event_id else None
        )
        for index, (key, data) in enumerate(parts)
    ]


class Column(msgspec.Struct, frozen=True):
    """One column of the model's signature, with the bounds that the model declares for it (inclusive)."""

    name: str
    type: str
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None


class Event(Protocol):
    """A decoded ride event: ``ride`` is a struct made from the signature, read by :attr:`EventSchema.fields`."""

    ride: Any
    ride_id: int | str


# MLflow's column types and the range that the type itself sets. Source: mlflow.types.DataType.
_TYPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "boolean": (bool, {}),
    "integer": (int, {"ge": -(2**31), "le": 2**31 - 1}),
    "long": (int, {"ge": -(2**63), "le": 2**63 - 1}),
    "float": (float, {}),
    "double": (float, {}),
    "string": (str, {}),
    "binary": (bytes, {}),
    "datetime": (datetime, {}),
}
NUMERIC = frozenset({"boolean", "integer", "long", "float", "double"})


class EventSchema:
    """The shape of a ride event, made from the columns of a model's signature."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        # A column may be called anything, a Python attribute may not.
        self.fields = tuple(f"column_{index}" for index in range(len(columns)))
        self._strict = self._decoder(_bounded_type)
        self._unbounded = self._decoder(_plain_type)

    def decode(self, data: bytes) -> Event | InvalidRecord:
        """Return the event that *data* holds, or what is wrong with it."""
        # Most records open two objects; only the suspicious are looked at closely.
        if data.count(b"{") + data.count(b"[") > MAX_NESTING and _too_deep(data):
            return InvalidRecord(Reason.UNDECODABLE, "$", f"JSON nested deeper than {MAX_NESTING} levels")
        try:
            event: Event = self._strict.decode(data)
        except ValueError as error:
            return self._explain(data, error)
        return event

    def _explain(self, data: bytes, error: ValueError) -> InvalidRecord:
        if not isinstance(error, msgspec.ValidationError):
            return InvalidRecord(Reason.UNDECODABLE, "$", _look(data) or str(error))
        reason, fault = Reason.BOUNDS, str(error)
        try:
            self._unbounded.decode(data)
        except msgspec.ValidationError as shape_error:
            # A record with both faults is one of shape: what is mistyped has no value to compare with a bound.
            reason, fault = Reason.SCHEMA, str(shape_error)
        except ValueError as malformed:
            # msgspec stops at the first fault; JSON that breaks off after it is no JSON all the same.
            return InvalidRecord(Reason.UNDECODABLE, "$", str(malformed))
        detail, _, path = fault.partition(" - at `")
        return InvalidRecord(reason, path.removesuffix("`") or "$", detail)

    def _decoder(self, type_of: Any) -> msgspec.json.Decoder[Any]:
        fields = [
            (field, type_of(column), msgspec.field(name=column.name))
            if column.required
            else (field, type_of(column) | None, msgspec.field(name=column.name, default=None))
            for field, column in zip(self.fields, self.columns, strict=True)
        ]
        ride = msgspec.defstruct("Ride", fields, frozen=True, gc=False, kw_only=True)
        event = msgspec.defstruct("RideEvent", [("ride", ride), ("ride_id", RIDE_ID)], frozen=True, gc=False)
        return msgspec.json.Decoder(event)


def _plain_type(column: Column) -> Any:
    try:
        plain, limits = _TYPES[column.type]
    except KeyError:
        raise ModelError(
            f"column {column.name!r} has the type {column.type!r}, which cannot be read from JSON; "
            f"log the model with a signature of {', '.join(_TYPES)}"
        ) from None
    return Annotated[plain, Meta(**limits)] if limits else plain


def _bounded_type(column: Column) -> Any:
    bounds = {key: bound for key, bound in (("ge", column.minimum), ("le", column.maximum)) if bound is not None}
    if not bounds:
        return _plain_type(column)
    plain, limits = _TYPES.get(column.type, (None, {}))
    if plain not in {int, float} or not all(map(math.isfinite, bounds.values())):
        raise ModelError(
            f"column {column.name!r} of type {column.type!r} cannot have the bounds {bounds}; "
            "correct the model's metadata"
        )
    return Annotated[plain, Meta(**(limits | {key: plain(bound) for key, bound in bounds.items()}))]


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def _too_deep(data: bytes) -> bool:
    depth = 0
    for token in _STRUCTURE.finditer(data):
        opening = data[token.start()]
        depth += 1 if opening in b"[{" else -1 if opening in b"]}" else 0
        if depth > MAX_NESTING:
            return True
    return False


def _look(data: bytes) -> str | None:
    """Name the formats that producers send by mistake; None for anything else."""
    if not data:
        return "no data at all"
    if data.startswith(kpl.MAGIC):
        try:
            kpl.unfold(data)
        except kpl.CorruptAggregate as error:
            return str(error)
        return "a KPL aggregate inside a KPL aggregate"
    if data.startswith(b"\x1f\x8b"):
        return "gzip-compressed data; this stream carries plain JSON"
    if data[:2] in {b"\x03\x00", b"\x03\x05"}:
        return "data with a Glue Schema Registry header; this stream carries plain JSON"
    return None


class RideDuration(msgspec.Struct, frozen=True, gc=False):
    """Minutes, finite and not rounded, for one ride."""

    ride_duration: float
    ride_id: int | str


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """
    One prediction event.

    ``event_id`` is the same on every redelivery: keep the first of each. It is None only for a direct invocation that
    named no event.
    """

    model: str
    version: str
    prediction: RideDuration
    event_id: str | None

    @property
    def partition_key(self) -> str:
        return str(self.prediction.ride_id)


_encode = msgspec.json.Encoder().encode
_decode_prediction = msgspec.json.Decoder(Prediction).decode


def encode_prediction(prediction: Prediction) -> bytes:
    """Return the output record's data: compact JSON in UTF-8, fields in the contract's order."""
    return _encode(prediction)


def decode_prediction(data: bytes) -> Prediction:
    """
    Return the prediction that *data* holds.

    Raises:
        ValueError: Not a prediction event (``msgspec.DecodeError`` names the path).
    """
    return _decode_prediction(data)


class DeadLetter(msgspec.Struct, frozen=True):
    """An invalid record, its original bytes intact, with all that is known of where it came from."""

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

    @classmethod
    def of(cls, record: Record, fault: InvalidRecord) -> "DeadLetter":
        return cls(
            record.event_id,
            fault.reason,
            fault.path,
            fault.detail,
            record.stream,
            record.shard,
            record.sequence_number,
            record.partition_key,
            iso_milliseconds(record.arrival) if record.arrival is not None else None,
            record.data,
        )


_decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode


def encode_dead_letters(letters: Sequence[DeadLetter]) -> bytes:
    """Return JSON lines, one a letter, in order."""
    return b"".join(_encode(letter) + b"\n" for letter in letters)


def decode_dead_letters(data: bytes) -> list[DeadLetter]:
    """
    Return the letters of one object, in order.

    Raises:
        ValueError: A line is not a dead letter.
    """
    return [_decode_dead_letter(line) for line in data.splitlines()]


def iso_milliseconds(seconds: float) -> str:
    """Return Unix *seconds* as ``2026-11-21T01:02:03.456Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
