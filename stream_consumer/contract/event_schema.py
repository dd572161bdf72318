"""
The event schema: decode the bytes of an event into the values of a model's columns, and encode them again.

The model's MLflow signature is the schema. The structs that decode events are made when the model is loaded.

Example: three records, decoded by the schema of a model with a single column.

    >>> schema = EventSchema([Column("trip_distance", "double")])
    >>> event = schema.decode(b'{"ride": {"trip_distance": 3.66}, "ride_id": 256}')
    >>> [operator.attrgetter(name)(event) for name in schema.fields], schema.id_of()(event)
    ([3.66], 256)
    >>> schema.decode(b'{"ride": {"trip_distance": "far"}, "ride_id": 257}').path
    '$.ride.trip_distance'
    >>> schema.decode(b'{"ride": {"trip_distance": 3.66').reason
    <Reason.UNDECODABLE: 'undecodable'>

Invariant: whatever bytes a producer sends, :meth:`EventSchema.decode` returns an event or an :class:`InvalidRecord`,
and the same bytes give the same answer. The module does no I/O, and the fault of a record is never an exception.
"""

import hashlib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_consumer.contract.diagnosis import diagnose
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.guarded_json import MAX_NESTING, too_deep
from stream_consumer.contract.record import RIDE_ID, STRING_ID, InvalidRecord, Reason
from stream_consumer.errors import ModelError


class Column(msgspec.Struct, frozen=True):
    """A column of the model's signature, with the inclusive bounds that the model declares."""

    name: str
    type: str
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False
    """Whether null is a valid value of a required column."""


Event = Any
"""A decoded event: a struct made from the signature. :attr:`EventSchema.fields` names its values."""


_FLOAT32_MAX = 3.4028234663852886e38

# MLflow's column types, with the range of each type. Source: mlflow.types.DataType.
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
COLUMN_TYPES = tuple(_TYPES)
"""MLflow's column types with an equivalent in JSON."""
NUMERIC = frozenset({"boolean", "integer", "long", "float", "double"})


class EventSchema:
    """The shape of an event, made from the columns of a model's signature and the names of its envelope."""

    def __init__(self, columns: Sequence[Column], envelope: Envelope = Envelope()) -> None:  # noqa: B008 (frozen)
        self.columns = tuple(columns)
        self.envelope = envelope
        # A column may have any name, a Python attribute may not.
        self._names = tuple(f"column_{index}" for index in range(len(columns)))
        self.fields = tuple(f"row.{name}" for name in self._names) if envelope.entity else self._names
        """Dotted attribute names of the columns' values in a decoded event, in the order of the columns."""
        self._id_column = self._column_of_ids()
        self._strict = self._decoder(_bounded_type)
        self._unbounded = self._decoder(_plain_type)

    @property
    def event_type(self) -> Any:
        """The struct of a valid event. Its JSON Schema is the wire contract of this model."""
        return self._strict.type

    @property
    def digest(self) -> str:
        """SHA-256 over the columns and the envelope's names, the parts of a schema that settings can change."""
        return hashlib.sha256(msgspec.json.encode((self.columns, self.envelope))).hexdigest()

    def id_of(self) -> Callable[[Event], int | str] | None:
        """Return a function from a decoded event to its identifier. None if events have no identifier."""
        if not self.envelope.id:
            return None
        return operator.attrgetter("id" if self._id_column is None else self._names[self._id_column])

    def decode(self, data: bytes) -> Event | InvalidRecord:
        """Return the event in *data*, or the fault of *data*."""
        # Most records open two objects. Only a suspicious record is searched for its depth.
        if data.count(b"{") + data.count(b"[") > MAX_NESTING and too_deep(data):
            return InvalidRecord(Reason.UNDECODABLE, "$", f"JSON nested deeper than {MAX_NESTING} levels")
        try:
            if not data.isascii():  # msgspec accepts any bytes in a skipped field
                data.decode()
            event: Event = self._strict.decode(data)
        except ValueError as error:
            return self._explain(data, error)
        return event

    def event(self, row: Mapping[str, Any], identifier: int | str) -> bytes:
        """
        Return the event around *row*, as a producer would send the event.

        *identifier* is the event's id, unless a column of *row* is the id.
        """
        key = "" if self.envelope.entity else self.envelope.id
        return self.envelope.event(row, row.get(key, identifier))

    def _explain(self, data: bytes, error: ValueError) -> InvalidRecord:
        reason, fault = Reason.BOUNDS, str(error)
        try:
            # msgspec stops at the first fault. If the JSON breaks off behind this fault, the record is undecodable all
            # the same.
            data.decode()
            _skim(data)
            # A record with both faults has the wrong shape: a mistyped value cannot be compared with a bound.
            self._unbounded.decode(data)
        except msgspec.ValidationError as shape_error:
            reason, fault = Reason.SCHEMA, str(shape_error)
        except ValueError as malformed:
            return InvalidRecord(Reason.UNDECODABLE, "$", diagnose(data) or str(malformed))
        detail, _, path = fault.partition(" - at `")
        return InvalidRecord(reason, path.removesuffix("`") or "$", (not path and diagnose(data)) or detail)

    def _column_of_ids(self) -> int | None:
        """
        Return the index of the column that is also the id.

        Only an event that is itself the model's input can have such a column.
        """
        if self.envelope.entity or not self.envelope.id:
            return None
        for at, column in enumerate(self.columns):
            if column.name == self.envelope.id:
                if not column.required or column.type not in {"integer", "long", "string"}:
                    raise ModelError(
                        f"the id field {column.name!r} is a column of type {column.type!r}; an identifier is a "
                        "required integer or string: set ID_FIELD"
                    )
                return at
        return None

    def _decoder(self, type_of: Any) -> msgspec.json.Decoder[Any]:
        named = zip(self._names, self.columns, strict=True)
        fields: list[Any] = [_struct_field(name, column, type_of(column)) for name, column in named]
        envelope, identifier = self.envelope, []
        if self._id_column is not None:
            if self.columns[self._id_column].type == "string":  # an identifier is a partition key
                fields[self._id_column] = (self._names[self._id_column], STRING_ID, msgspec.field(name=envelope.id))
        elif envelope.id:
            identifier = [("id", RIDE_ID, msgspec.field(name=envelope.id))]
        # Names of components in the OpenAPI document, in which no other characters are allowed.
        entity = re.sub(r"\W", "_", envelope.entity or "row", flags=re.ASCII).capitalize()
        try:
            if envelope.entity:
                row = msgspec.defstruct(entity, fields, frozen=True, gc=False, kw_only=True)
                fields = [("row", row, msgspec.field(name=envelope.entity))]
            event = msgspec.defstruct(f"{entity}Event", [*fields, *identifier], frozen=True, gc=False, kw_only=True)
        except ValueError as error:  # two columns of the same name, or a name that msgspec cannot look for in JSON
            raise ModelError(
                f"the columns {[column.name for column in self.columns]} cannot be read: {error}"
            ) from None
        return msgspec.json.Decoder(event)


def _struct_field(name: str, column: Column, type_: Any) -> tuple[str, Any, Any]:
    """Return the field *name* of a struct for *column*, whose values have *type_*."""
    if not column.required:
        return name, type_ | None, msgspec.field(name=column.name, default=None)
    return name, type_ | None if column.nullable else type_, msgspec.field(name=column.name)


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
    """
    Return the least and the greatest valid value of *column*.

    Where a declared bound is wider, the type's own limit holds.
    """
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


def counted(names: Sequence[str]) -> str:
    """
    Return the text with which messages refer to columns by *names*.

        >>> counted(["fee"]), counted(["fee", "plan"])
        ("the column 'fee'", "the columns 'fee', 'plan'")
    """
    return f"the column{'' if len(names) == 1 else 's'} {', '.join(map(repr, names))}"
