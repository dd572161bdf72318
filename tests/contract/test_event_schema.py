"""The wire contract's bytes, both ways; what decodes is in test_verdicts.py."""

import math
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters, encode_dead_letters
from stream_consumer.contract.prediction import Prediction, decode_prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.contract.stream_arn import kinesis_stream
from tests.rides import ARRIVAL, STREAM_ARN, RideDuration

EVENT_ID = "shardId-000000000000:49630081666084879290581185630324770398608704880802529282"
MODEL = "ride_duration_prediction_model"

PREDICTIONS = {
    "the example of the contract": (
        Prediction(MODEL, "Test123", RideDuration(21.294545348333408, 256), EVENT_ID),
        (
            b'{"model":"ride_duration_prediction_model","version":"Test123",'
            b'"prediction":{"ride_duration":21.294545348333408,"ride_id":256},'
            b'"event_id":"shardId-000000000000:49630081666084879290581185630324770398608704880802529282"}'
        ),
    ),
    "a string ride_id stays a string": (
        Prediction("m", "1", RideDuration(5.0, "256"), EVENT_ID),
        (
            b'{"model":"m","version":"1","prediction":{"ride_duration":5.0,"ride_id":"256"},'
            b'"event_id":"shardId-000000000000:49630081666084879290581185630324770398608704880802529282"}'
        ),
    ),
    "a direct invocation names no event": (
        Prediction("m", "1", RideDuration(0.1, -9223372036854775808), None),
        b'{"model":"m","version":"1","prediction":{"ride_duration":0.1,"ride_id":-9223372036854775808},"event_id":null}',
    ),
    "text beyond the basic plane is not escaped, control characters are": (
        Prediction("m", "1", RideDuration(-1e-7, "🚕\n\x00"), "s:1.999"),
        (
            b'{"model":"m","version":"1","prediction":{"ride_duration":-1e-7,"ride_id":"\xf0\x9f\x9a\x95\\n\\u0000"},'
            b'"event_id":"s:1.999"}'
        ),
    ),
}

LETTER = DeadLetter.of(
    Record(b'{"ride":', EVENT_ID, "49630", "1", ARRIVAL, STREAM_ARN),
    InvalidRecord(Reason.SCHEMA, "$.ride.trip_distance", "Expected `float`, got `str`"),
)
DEAD_LETTERS: dict[str, tuple[list[DeadLetter], bytes]] = {
    "the example of the contract": (
        [LETTER],
        (
            b'{"event_id":"shardId-000000000000:49630081666084879290581185630324770398608704880802529282",'
            b'"reason":"schema","path":"$.ride.trip_distance","detail":"Expected `float`, got `str`",'
            b'"stream":"ride_events","shard":"shardId-000000000000","sequence_number":"49630","partition_key":"1",'
            b'"arrival":"2026-11-21T01:02:03.456Z","data":"eyJyaWRlIjo=",'
            b'"stream_arn":"arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"}\n'
        ),
    ),
    "a direct invocation leaves out everything but the data": (
        [DeadLetter.of(Record(b"\x00\xff\n"), InvalidRecord(Reason.UNDECODABLE, "$", "no"))],
        (
            b'{"event_id":null,"reason":"undecodable","path":"$","detail":"no","stream":null,"shard":null,'
            b'"sequence_number":null,"partition_key":null,"arrival":null,"data":"AP8K"}\n'
        ),
    ),
    "no letters": ([], b""),
}


@pytest.mark.parametrize(("value", "data"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_a_prediction_has_exactly_these_bytes(value: Prediction, data: bytes) -> None:
    """Compact JSON, fields in the contract's order; the bytes give the same prediction back."""
    assert encode_prediction(value) == data
    assert decode_prediction(data) == value


@pytest.mark.parametrize(("letters", "data"), DEAD_LETTERS.values(), ids=DEAD_LETTERS)
def test_dead_letters_have_exactly_these_bytes(letters: list[DeadLetter], data: bytes) -> None:
    """One JSON line a letter, the original bytes in base64; the lines give the same letters back."""
    assert encode_dead_letters(letters) == data
    assert decode_dead_letters(data) == letters


def test_a_dead_letter_that_was_written_before_it_kept_the_arn_is_read() -> None:
    [(letters, data)] = [DEAD_LETTERS["the example of the contract"]]
    older = re.sub(rb',"stream_arn":"[^"]*"', b"", data)
    assert older != data
    assert decode_dead_letters(older) == [msgspec.structs.replace(letter, stream_arn=None) for letter in letters]


STREAMS = {
    "a stream": (STREAM_ARN, "ride_events", STREAM_ARN),
    "enhanced fan-out": (f"{STREAM_ARN}/consumer/rides:1700000000", "ride_events", STREAM_ARN),
    "China": ("arn:aws-cn:kinesis:cn-north-1:1:stream/r", "r", "arn:aws-cn:kinesis:cn-north-1:1:stream/r"),
    "DynamoDB": (
        "arn:aws:dynamodb:us-east-1:1:table/T/stream/2026-11-21T01:02:03.456",
        "2026-11-21T01:02:03.456",
        None,
    ),
    "a topic": ("arn:aws:kafka:us-east-1:1:cluster/c/1234", "1234", None),
    "a name": ("ride_events", "ride_events", None),
    "no name": ("arn:aws:kinesis:us-east-1:1:stream/", "", None),
}


@pytest.mark.parametrize(("arn", "name", "stream"), STREAMS.values(), ids=STREAMS)
def test_a_stream_s_name_stands_between_stream_and_the_next_slash(arn: str, name: str, stream: str | None) -> None:
    assert Record(b"", stream_arn=arn).stream == name
    found = kinesis_stream(arn)
    assert (found.arn if found else None) == stream


def test_what_utf_8_cannot_say_does_not_keep_a_dead_letter_from_being_written() -> None:
    """Python reads lone surrogates from JSON, so a partition key or a model's complaint may hold one."""
    record = Record(b"bad", partition_key="a\ud800b")
    letter = DeadLetter.of(record, InvalidRecord(Reason.UNSCORABLE, "$.ride", "ValueError: \udfff"))
    assert (letter.partition_key, letter.detail) == ("a?b", "ValueError: ?")
    assert decode_dead_letters(encode_dead_letters([letter])) == [letter]


@pytest.mark.parametrize(("ride_id", "key"), [(256, "256"), (-1, "-1"), ("256", "256"), ("🚕", "🚕")])
def test_the_partition_key_is_the_ride_id_as_text(ride_id: int | str, key: str) -> None:
    assert Prediction("m", "1", RideDuration(1.0, ride_id), None).partition_key == key


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"null", PREDICTIONS["the example of the contract"][1][:-1], b'{"model":1}', b"\xff"],
    ids=["nothing", "empty object", "null", "truncated", "mistyped", "not utf-8"],
)
def test_what_is_not_a_prediction_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_prediction(data)


@pytest.mark.parametrize(
    "data", [b"\n", b"{}\n", b'{"reason":"other"}\n', DEAD_LETTERS["the example of the contract"][1][:-4]]
)
def test_what_is_not_a_dead_letter_is_a_value_error(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_dead_letters(data)


text = st.text(st.characters(exclude_categories=["Cs"]))
optional_text = st.none() | text
finite = st.floats(allow_nan=False, allow_infinity=False)
ride_ids: st.SearchStrategy[Any] = st.integers(-(2**63), 2**63 - 1) | text
predictions = st.builds(Prediction, text, text, st.builds(RideDuration, finite, ride_ids), optional_text)
dead_letters = st.builds(
    DeadLetter,
    *(optional_text, st.sampled_from(Reason), text, text),
    *(optional_text, optional_text, optional_text, optional_text, optional_text),
    st.binary(),
)


@given(predictions)
def test_any_prediction_survives_the_wire(prediction: Prediction) -> None:
    again = decode_prediction(encode_prediction(prediction))
    assert again == prediction
    assert type(again.prediction.id) is type(prediction.prediction.id)
    assert math.copysign(1, again.prediction.value) == math.copysign(1, prediction.prediction.value)


@given(st.lists(dead_letters))
def test_any_dead_letters_survive_the_wire(letters: list[DeadLetter]) -> None:
    data = encode_dead_letters(letters)
    assert data.count(b"\n") == len(letters)
    assert decode_dead_letters(data) == letters


def test_a_prediction_that_names_no_event_is_read_with_null() -> None:
    """The MLOps Zoomcamp reference solution writes none."""
    data = (Path(__file__).parent.parent / "cases" / "lineage_prediction.json").read_bytes()
    expected = Prediction("ride_duration_prediction_model", "Test123", RideDuration(21.29, 256), None)
    assert decode_prediction(data) == expected
