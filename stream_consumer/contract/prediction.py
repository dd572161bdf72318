"""The prediction event: the record on the output stream."""

import msgspec


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


_prediction_encoder = msgspec.json.Encoder()
_decode_prediction = msgspec.json.Decoder(Prediction).decode


def encode_prediction(prediction: Prediction) -> bytes:
    """Return the output record's data: compact JSON in UTF-8, fields in the contract's order."""
    return _prediction_encoder.encode(prediction)


def decode_prediction(data: bytes) -> Prediction:
    """
    Return the prediction that *data* holds.

    Raises:
        ValueError: Not a prediction event (``msgspec.DecodeError`` names the path).
    """
    return _decode_prediction(data)
