"""
What must hold for any bytes that a producer sends; the fuzzer looks for bytes for which it does not.

The first byte of an input chooses how the rest reaches the consumer: as a record, as the body of an aggregate with the
right digest, or as the user records of an aggregate.
"""

import hashlib
from collections.abc import Iterator

from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters, encode_dead_letters
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.prediction import Prediction, decode_prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord
from tests.rides import RIDE_COLUMNS, RideDuration, kinesis_event

SCHEMA = EventSchema(RIDE_COLUMNS)
RAW, SEALED, FOLDED = b"\x00", b"\x01", b"\x02"


def record_of(fuzzed: bytes) -> bytes:
    """Return the data of the Kinesis record that an input stands for."""
    kind, rest = fuzzed[:1], fuzzed[1:]
    if kind == SEALED:
        return kpl.MAGIC + rest + hashlib.md5(rest, usedforsecurity=False).digest()
    if kind == FOLDED:
        return kpl.fold([SubRecord("key", part) for part in rest.split(b"\n")])
    return rest


def check(fuzzed: bytes) -> None:
    """Raise if the bytes are neither an event nor a dead letter, or not always the same one."""
    data = record_of(fuzzed)
    verdicts = list(_verdicts(data))
    if not verdicts:
        raise AssertionError("the record is gone")
    if verdicts != list(_verdicts(data)):
        raise AssertionError("another verdict the second time")


def _verdicts(data: bytes) -> Iterator[object]:
    records = records_from_lambda(kinesis_event([data]))
    if sum(len(record.data) for record in records) > len(data):
        raise AssertionError("more bytes than came")
    for record in records:
        event = SCHEMA.decode(record.data)
        if isinstance(event, InvalidRecord):
            letter = DeadLetter.of(record, event)
            if decode_dead_letters(encode_dead_letters([letter])) != [letter] or letter.data != record.data:
                raise AssertionError("the dead letter does not hold the record")
            yield letter
        else:
            prediction = Prediction("m", "1", RideDuration(1.0, event.id), record.event_id)
            if decode_prediction(encode_prediction(prediction)) != prediction:
                raise AssertionError("the prediction does not survive the wire")
            if not 1 <= len(prediction.partition_key.encode().decode()) <= 256:
                raise AssertionError("Kinesis would refuse the whole request for this key")
            yield prediction
