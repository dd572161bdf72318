"""Events and predictions under other names: any field names, an event that is the row itself, events without an id."""

from typing import Any

import pytest

from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.prediction import Prediction, decode_prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.errors import ModelError
from stream_consumer.inference import Decider
from tests.rides import FakeModel

TENURE = [Column("tenure", "long", minimum=0), Column("plan", "string")]
FLAT = Envelope(entity="", id="customer", prediction="churn")
BARE = Envelope(entity="", id="", prediction="churn")


def outcome(envelope: Envelope, data: bytes, columns: list[Column] = TENURE) -> Any:
    model = FakeModel(lambda *row: float(row[0]), columns=columns, envelope=envelope)
    [found] = Decider(model).decide([Record(data, "shard:1")]).outcomes()
    return found if isinstance(found, InvalidRecord) else (encode_prediction(found), found.partition_key)


HEAD = b'{"model":"ride_duration_prediction_model","version":"Test123","prediction":'
ANSWERS: dict[str, tuple[Envelope, bytes, bytes, str]] = {
    "other names": (
        Envelope("customer", "customer_id", "churn"),
        b'{"customer":{"tenure":3,"plan":"x"},"customer_id":"c-1"}',
        b'{"churn":3.0,"customer_id":"c-1"}',
        "c-1",
    ),
    "the event is the row": (FLAT, b'{"tenure":3,"plan":"x","customer":7}', b'{"churn":3.0,"customer":7}', "7"),
    "without an id": (BARE, b'{"tenure":3,"plan":"x"}', b'{"churn":3.0}', "shard:1"),
    "the id is a column, too": (
        Envelope("", "tenure", "churn"),
        b'{"tenure":3,"plan":"x"}',
        b'{"churn":3.0,"tenure":3}',
        "3",
    ),
    "an entity without an id": (Envelope("c", "", "p"), b'{"c":{"tenure":3,"plan":"x"}}', b'{"p":3.0}', "shard:1"),
}


@pytest.mark.parametrize(("envelope", "data", "predicted", "key"), ANSWERS.values(), ids=ANSWERS)
def test_a_prediction_has_the_names_of_its_envelope(
    envelope: Envelope, data: bytes, predicted: bytes, key: str
) -> None:
    made, partition_key = outcome(envelope, data)
    assert made == HEAD + predicted + b',"event_id":"shard:1"}'
    assert partition_key == key
    again = decode_prediction(made, envelope)
    assert (again.value, again.event_id) == (3.0, "shard:1")


FAULTS = {
    "a missing column": (b'{"tenure":3,"customer":7}', Reason.SCHEMA, "$"),
    "a mistyped column": (b'{"tenure":"3","plan":"x","customer":7}', Reason.SCHEMA, "$.tenure"),
    "out of bounds": (b'{"tenure":-1,"plan":"x","customer":7}', Reason.BOUNDS, "$.tenure"),
    "an id that is no key": (b'{"tenure":1,"plan":"x","customer":""}', Reason.SCHEMA, "$.customer"),
    "not an object": (b"[1]", Reason.SCHEMA, "$"),
}


@pytest.mark.parametrize(("data", "reason", "path"), FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_path_in_a_flat_event(data: bytes, reason: Reason, path: str) -> None:
    found = outcome(FLAT, data)
    assert (found.reason, found.path) == (reason, path)


def test_an_id_that_is_a_text_column_must_be_a_partition_key() -> None:
    found = outcome(Envelope("", "plan", "churn"), b'{"tenure":1,"plan":"%b"}' % (b"x" * 257))
    assert (found.reason, found.path) == (Reason.SCHEMA, "$.plan")


@pytest.mark.parametrize("envelope", [Envelope(), FLAT, BARE, Envelope("c", "", "p"), Envelope("", "tenure", "p")])
def test_what_is_encoded_decodes_to_the_same_row(envelope: Envelope) -> None:
    schema = EventSchema(TENURE, envelope)
    row = {"tenure": 3, "plan": "ü"}
    for data in (envelope.event(row, 3), envelope.wrap(b'{"tenure":3,"plan":"\xc3\xbc"}', 3)):
        assert not isinstance(schema.decode(data), InvalidRecord), data


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"prediction": ""}, "PREDICTION_FIELD is empty"),
        ({"id": "ride"}, "ID_FIELD, ENTITY_FIELD or PREDICTION_FIELD"),
        ({"id": "x", "prediction": "x"}, "ID_FIELD, ENTITY_FIELD or PREDICTION_FIELD"),
    ],
)
def test_names_that_cannot_stand_together_are_refused(names: dict[str, str], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Envelope(**names)


def test_a_fractional_or_optional_column_is_no_identifier() -> None:
    with pytest.raises(ModelError, match="an identifier is a required integer or string: set ID_FIELD"):
        EventSchema([Column("amount", "double")], Envelope("", "amount", "p"))


def test_a_field_that_nobody_reads_may_be_nested_as_deeply_as_it_likes() -> None:
    data = HEAD + b'{"ride_duration":1.5,"ride_id":2},"event_id":"e","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(ValueError, match="nested too deeply"):
        decode_prediction(data)


@pytest.mark.parametrize("value", [1.5, 3, True, "stays", {"stays": 0.5, "leaves": 0.5}, [1, "x"]])
def test_any_value_survives_the_wire(value: Any) -> None:
    made = Prediction("m", "1", predicted_type(FLAT)(value, 7), "e")
    again = decode_prediction(encode_prediction(made), FLAT)
    assert again == made
    assert type(again.value) is type(value)
