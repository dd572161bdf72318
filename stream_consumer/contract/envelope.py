"""
The envelope: the names of the fields around a model's input and around its prediction on the wire.

The rule: the defaults are the names of the MLOps Zoomcamp reference solution, and their bytes never change.

    >>> Envelope().event({"trip_distance": 3.66}, 256)
    b'{"ride":{"trip_distance":3.66},"ride_id":256}'
    >>> Envelope(entity="", id="customer", prediction="churn").event({"tenure": 3}, "c-1")
    b'{"tenure":3,"customer":"c-1"}'
"""

import functools
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import msgspec

from stream_consumer.errors import ModelError

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_TOO_LARGE, _TOO_SMALL = msgspec.Raw(b"1e999"), msgspec.Raw(b"-1e999")


class Envelope(msgspec.Struct, frozen=True):
    """Names of the wire format's fields. An empty name means that the field does not exist."""

    entity: str = "ride"
    """The object with the model's input. If empty, the event itself is the input."""
    id: str = "ride_id"
    """The event's own identifier. If empty, only the ``event_id`` identifies a prediction."""
    prediction: str = "ride_duration"
    """The predicted value, beside the identifier."""

    def __post_init__(self) -> None:
        if not self.prediction:
            raise ModelError("PREDICTION_FIELD is empty; a prediction needs a name")
        if self.id and self.id in {self.entity, self.prediction}:
            raise ModelError(
                f"the id field {self.id!r} has the name of the entity field {self.entity!r} or of the prediction field "
                f"{self.prediction!r}; set ID_FIELD, ENTITY_FIELD or PREDICTION_FIELD"
            )

    @property
    def path(self) -> str:
        """JSON path of the model's input."""
        return f"$.{self.entity}" if self.entity else "$"

    def event(self, row: Mapping[str, Any], event_id: Any) -> bytes:
        """
        Return the JSON of an event, as a producer would send the event.

        JSON has neither NaN nor infinities. NaN becomes null and an infinity becomes a number out of range, so that the
        contract gives the same verdict on either.
        """
        values = {name: _sayable(value) for name, value in row.items()}
        wrapped = {self.entity: values} if self.entity else values
        return _encode(wrapped | ({self.id: _sayable(event_id)} if self.id else {}))

    def wrap(self, row: bytes, number: int) -> bytes:
        """Return the JSON of an event around *row*, the bytes of a JSON object, with *number* as its identifier."""
        identifier = b"%s:%d" % (_encode(self.id), number) if self.id else b""
        if self.entity:
            return b"{%s:%s%s%s}" % (_encode(self.entity), row, b"," if identifier else b"", identifier)
        empty = not row[1:-1].strip()
        return row if not identifier else b"%s%s%s}" % (row.rstrip()[:-1], b"" if empty else b",", identifier)


def _sayable(value: Any) -> Any:
    if isinstance(value, (float, Decimal)) and not isfinite(value):
        return None if isnan(value) else _TOO_LARGE if value > 0 else _TOO_SMALL
    return value


@functools.cache
def predicted_type(envelope: Envelope) -> Any:
    """
    Return the struct of a predicted value, with the attributes ``value`` and ``id``.

    An envelope without an id has no ``id``.
    """
    fields: list[Any] = [("value", Any, msgspec.field(name=envelope.prediction))]
    if envelope.id:
        fields.append(("id", int | str, msgspec.field(name=envelope.id)))
    return msgspec.defstruct("Predicted", fields, frozen=True, gc=False)
