"""
The outcome event: what became true of an event that was predicted.

It has the form of a prediction without its model: the identifier, and the value under the prediction's name.

    >>> decode_outcome(b'{"ride_id":256,"ride_duration":21.5}').value
    21.5
"""

import functools
from typing import Any

import msgspec

from stream_consumer.contract.envelope import Envelope, predicted_type


@functools.cache
def _decoder(envelope: Envelope) -> msgspec.json.Decoder[Any]:
    # Without an identifier of its own, an event is known by its event id.
    return msgspec.json.Decoder(predicted_type(msgspec.structs.replace(envelope, id=envelope.id or "event_id")))


def decode_outcome(data: bytes, envelope: Envelope = Envelope()) -> Any:  # noqa: B008 (frozen)
    """
    Return a struct with the ``value`` and the ``id`` of the outcome that *data* holds in *envelope*.

    Raises:
        ValueError: *data* is no outcome.
    """
    try:
        return _decoder(envelope).decode(data)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply to be read") from None
