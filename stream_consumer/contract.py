"""
The wire contract: bytes ↔ values, and nothing else.

The rule: no I/O, and no exception for the fault of one record. Whatever bytes a producer sends,
:meth:`EventSchema.decode` answers with an event or with an :class:`InvalidRecord` that says why, the same every time.

The model's MLflow signature is the schema of ``ride``: the structs that decode it are made when the model is loaded.
"""

import itertools
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
LONGEST_ID = 256
LARGEST_ID = 2**63 - 1
RIDE_ID = Annotated[int, Meta(ge=-(2**63), le=LARGEST_ID)] | Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]

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


def records_from_lambda(event: Mapping[str, Any], *, unfold: bool = True) -> list[Record]:
    """
    Return the records of Lambda's *event* in order, KPL aggregates unfolded unless they are wanted as they came.

    Sub-records of an aggregate share its sequence number; their event id is the aggregate's with ``.<index>`` appended.
    A corrupt aggregate stays one record and is found undecodable later.

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


_FLOAT32_MAX = 3.4028234663852886e38

# MLflow's column types and the range that the type itself sets. Source: mlflow.types.DataType.
_TYPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "boolean": (bool, {}),
    "integer": (int, {"ge": -(2**31), "le": 2**31 - 1}),
    "long": (int, {"ge": -(2**63), "le": 2**63 - 1}),
    "float": (float, {"ge": -_FLOAT32_MAX, "le": _FLOAT32_MAX}),
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

    @property
    def event_type(self) -> Any:
        """The struct that a valid event decodes into; its JSON Schema is the wire contract of this model."""
        return self._strict.type

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
        reason, fault = Reason.BOUNDS, str(error)
        try:
            # msgspec stops at the first fault; JSON that breaks off after it is no JSON all the same.
            data.decode()
            _skim(data)
            # A record with both faults is one of shape: what is mistyped has no value to compare with a bound.
            self._unbounded.decode(data)
        except msgspec.ValidationError as shape_error:
            reason, fault = Reason.SCHEMA, str(shape_error)
        except ValueError as malformed:
            return InvalidRecord(Reason.UNDECODABLE, "$", _look(data) or str(malformed))
        detail, _, path = fault.partition(" - at `")
        return InvalidRecord(reason, path.removesuffix("`") or "$", detail)

    def _decoder(self, type_of: Any) -> msgspec.json.Decoder[Any]:
        fields = [
            (field, type_of(column), msgspec.field(name=column.name))
            if column.required
            else (field, type_of(column) | None, msgspec.field(name=column.name, default=None))
            for field, column in zip(self.fields, self.columns, strict=True)
        ]
        try:
            ride = msgspec.defstruct("Ride", fields, frozen=True, gc=False, kw_only=True)
        except ValueError as error:  # two of one name, or a name that msgspec cannot look for in JSON
            raise ModelError(
                f"the columns {[column.name for column in self.columns]} cannot be read: {error}"
            ) from None
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


def limits_of(column: Column) -> tuple[float, float]:
    """Return the least and the most that *column* takes: its type's own limits hold where a declared bound is wider."""
    limits = _TYPES.get(column.type, (None, {}))[1]
    return (
        max(limits.get("ge", -math.inf), -math.inf if column.minimum is None else column.minimum),
        min(limits.get("le", math.inf), math.inf if column.maximum is None else column.maximum),
    )


def _bounded_type(column: Column) -> Any:
    bounds = [bound for bound in (column.minimum, column.maximum) if bound is not None]
    if not bounds:
        return _plain_type(column)
    plain = _TYPES.get(column.type, (None, {}))[0]
    least, most = limits_of(column)
    if (
        plain not in {int, float}
        or not all(math.isfinite(bound) and plain(bound) == bound for bound in bounds)
        or least > most
    ):
        raise ModelError(
            f"column {column.name!r} of type {column.type!r} cannot have the minimum {column.minimum} and the maximum "
            f"{column.maximum}; correct the model's metadata"
        )
    limits = {key: plain(limit) for key, limit in (("ge", least), ("le", most)) if math.isfinite(limit)}
    return Annotated[plain, Meta(**limits)]


_skim = msgspec.json.Decoder(msgspec.Raw).decode

# Possessive: otherwise the expression's engine remembers every character of a string.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = [1 if byte in b"[{" else -1 for byte in range(256)]


def _too_deep(data: bytes) -> bool:
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    return any(map(MAX_NESTING.__lt__, itertools.accumulate(map(_STEPS.__getitem__, brackets))))


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


_encoder = msgspec.json.Encoder()
_decode_prediction = msgspec.json.Decoder(Prediction).decode


def encode_prediction(prediction: Prediction) -> bytes:
    """Return the output record's data: compact JSON in UTF-8, fields in the contract's order."""
    return _encoder.encode(prediction)


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
            encodable(fault.detail),
            record.stream,
            record.shard,
            record.sequence_number,
            encodable(record.partition_key) if record.partition_key is not None else None,
            iso_milliseconds(record.arrival) if record.arrival is not None else None,
            record.data,
        )


def encodable(text: str) -> str:
    """Replace lone surrogates: Python can read them from JSON, but UTF-8 cannot say them."""
    return text.encode(errors="replace").decode()


_decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode


def encode_dead_letters(letters: Sequence[DeadLetter]) -> bytes:
    """Return JSON lines, one a letter, in order."""
    return _encoder.encode_lines(letters)


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
