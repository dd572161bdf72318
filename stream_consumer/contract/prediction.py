"""
The prediction event: the record on the output stream.

    >>> from stream_consumer.contract.envelope import Envelope, predicted_type
    >>> made = Prediction("rides", "7", predicted_type(Envelope())(21.5, 256), "shardId-000000000000:1")
    >>> encode_prediction(made)
    b'{"model":"rides","version":"7","prediction":{"ride_duration":21.5,"ride_id":256},"event_id":"shardId-000000000000:1"}'
"""

import functools
from typing import Any

import msgspec

from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.record import LONGEST_ID


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """
    A prediction event.

    ``event_id`` is the same on every redelivery, so a reader keeps the first of each. The field is None after a direct
    invocation without an event id, and in foreign records without this field.
    """

    model: str
    version: str
    prediction: Any
    """A struct of :func:`predicted_type`. ``value`` is any JSON value, and all floats in ``value`` are finite."""
    event_id: str | None = None

    @property
    def value(self) -> Any:
        return self.prediction.value

    @property
    def id(self) -> int | str | None:
        """The event's own identifier. An event without an identifier has its event id here."""
        return getattr(self.prediction, "id", self.event_id)

    @property
    def partition_key(self) -> str:
        try:
            return str(self.prediction.id)
        except AttributeError:  # a direct invocation without an event id has no order to keep
            return (self.event_id or "direct")[:LONGEST_ID]


encode_prediction = msgspec.json.Encoder().encode
"""Return the data of the output record: compact JSON in UTF-8, with the fields in the contract's order."""


@functools.cache
def prediction_type(envelope: Envelope) -> Any:
    """Return the type of a prediction event in *envelope*, with the types of all its fields."""
    fields: list[Any] = [("prediction", predicted_type(envelope)), ("event_id", str | None, None)]
    return msgspec.defstruct("Prediction", fields, bases=(Prediction,), frozen=True, gc=False)


@functools.cache
def _decoder(envelope: Envelope) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(prediction_type(envelope))


def decode_prediction(data: bytes, envelope: Envelope = Envelope()) -> Prediction:  # noqa: B008 (frozen)
    """
    Return the prediction in *data*, in the form of *envelope*.

    Raises:
        ValueError: *data* is not a prediction event. ``msgspec.DecodeError`` names the path.
    """
    try:
        decoded: Prediction = _decoder(envelope).decode(data)
    except RecursionError:  # not a decode error, so a reader would fail at the same bytes forever
        raise msgspec.DecodeError("JSON is nested too deeply to be read") from None
    return Prediction(decoded.model, decoded.version, decoded.prediction, decoded.event_id)
