"""
The outcome event: the true value for an event that was predicted earlier.

An outcome has the form of a prediction without its model: the identifier, and the value under the prediction's name.

    >>> decode_outcome(b'{"ride_id":256,"ride_duration":21.5}').value
    21.5
"""

import functools
from typing import Any

import msgspec

from stream_consumer.contract.envelope import Envelope, predicted_type


@functools.cache
def _decoder(envelope: Envelope) -> msgspec.json.Decoder[Any]:
    # An event without its own identifier is identified by its event id.
    return msgspec.json.Decoder(predicted_type(msgspec.structs.replace(envelope, id=envelope.id or "event_id")))


def decode_outcome(data: bytes, envelope: Envelope = Envelope()) -> Any:  # noqa: B008 (frozen)
    """
    Return a struct with the ``value`` and the ``id`` of the outcome in *data*, in the form of *envelope*.

    Raises:
        ValueError: *data* is not an outcome.
    """
    try:
        return _decoder(envelope).decode(data)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply to be read") from None
