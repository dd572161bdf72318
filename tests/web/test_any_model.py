"""Models of any prediction and any event, through ``/predict``, ``/invocations``, the document and its examples."""

import json
from typing import Any, NamedTuple

import pytest

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column
from stream_consumer.outputs import Output
from stream_consumer.web.app import WebApp
from tests.web.client import ServedModel, app, ask, post

COLUMNS = (Column("tenure", "long", minimum=0.0), Column("plan", "string"))


class Churn(ServedModel):
    """Predicts of customers whatever its function says."""

    def __init__(self, predicted: Any, envelope: Envelope, columns: tuple[Column, ...] = COLUMNS) -> None:
        example = {"tenure": [3], "plan": ["basic"], "customer": ["c-0"]}
        super().__init__(
            lambda tenure, *_: predicted(tenure),
            columns=columns,
            envelope=envelope,
            example=[example[column.name] for column in columns],
        )
        self.__dict__["output"] = Output.of(self.values(self.example))


def label(tenure: int) -> str:
    return "stays" if tenure > 2 else "leaves"


def probabilities(tenure: int) -> dict[str, float]:
    return {"leaves": 1 / (1 + tenure), "stays": tenure / (1 + tenure)}


NESTED = Envelope(entity="customer", id="number", prediction="churn")
FLAT = Envelope(entity="", id="number", prediction="churn")
NAMELESS = Envelope(entity="customer", id="", prediction="churn")
BARE = Envelope(entity="", id="", prediction="churn")
SENT = {
    NESTED: b'{"customer": {"tenure": 1, "plan": "basic"}, "number": 7}',
    FLAT: b'{"tenure": 1, "plan": "basic", "number": 7}',
    NAMELESS: b'{"customer": {"tenure": 1, "plan": "basic"}}',
    BARE: b'{"tenure": 1, "plan": "basic"}',
}


class Kind(NamedTuple):
    """A kind of model: what it predicts of a tenure, what it says of 1, and the JSON Schema of that."""

    predicted: Any
    value: bytes
    schema: Any


NUMBERS = {"leaves": {"type": "number"}, "stays": {"type": "number"}}
LABEL = Kind(label, b'"leaves"', {"type": "string"})
PROBABILITIES = Kind(
    probabilities,
    b'{"leaves":0.5,"stays":0.5}',
    {"type": "object", "required": ["leaves", "stays"], "properties": NUMBERS},
)
BOOLEAN = Kind(lambda tenure: tenure > 2, b"false", {"type": "boolean"})
EVERY = pytest.mark.parametrize("envelope", SENT, ids=["nested", "flat", "without an id", "flat without an id"])
KINDS = pytest.mark.parametrize("kind", [LABEL, PROBABILITIES, BOOLEAN], ids=["label", "probabilities", "boolean"])


@EVERY
@KINDS
def test_an_event_becomes_its_prediction_byte_for_byte(envelope: Envelope, kind: Kind) -> None:
    reply = post(app(Churn(kind.predicted, envelope)), SENT[envelope])
    identifier = b',"number":7' if envelope.id else b""
    expected = b'{"model":"ride-duration","version":"7","prediction":{"churn":%b%b},"event_id":null}'
    assert (reply.status, reply.body) == (200, expected % (kind.value, identifier))


@EVERY
@KINDS
@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"inputs": [[1, "basic"]]}', "application/json"),
        (b'{"instances": [{"plan": "basic", "tenure": 1, "number": 9}]}', "application/json"),
        (b'{"dataframe_split": {"columns": ["plan", "tenure"], "data": [["basic", 1]]}}', "application/json"),
        (b"plan,tenure\nbasic,1\n", "text/csv"),
    ],
)
def test_rows_become_their_predictions(envelope: Envelope, kind: Kind, body: bytes, media_type: str) -> None:
    reply = post(app(Churn(kind.predicted, envelope)), body, "/invocations", {"content-type": media_type})
    assert (reply.status, reply.body) == (200, b'{"predictions":[%b]}' % kind.value)


@EVERY
@KINDS
def test_the_document_says_what_is_predicted_and_its_examples_succeed(envelope: Envelope, kind: Kind) -> None:
    application = app(Churn(kind.predicted, envelope))
    document = ask(application, "GET", "/openapi.json").json
    assert document["components"]["schemas"]["Predicted"]["properties"]["churn"] == kind.schema
    answer = document["paths"]["/invocations"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["predictions"] == {"type": "array", "items": kind.schema}
    assert set(statuses_of_examples(application, document)) == {200}


def test_the_document_says_which_members_some_predictions_lack() -> None:
    model = Churn(probabilities, NESTED)
    model.__dict__["output"] = Output.of([{"stays": 1}, {"stays": 0.5, "why": "price"}])
    document = ask(app(model), "GET", "/openapi.json").json
    assert document["components"]["schemas"]["Predicted"]["properties"]["churn"] == {
        "type": "object",
        "required": ["stays"],
        "properties": {"stays": {"type": "number"}, "why": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    }


def statuses_of_examples(application: WebApp, document: Any) -> list[int]:
    return [
        post(
            application,
            (value if isinstance(value := example["value"], str) else json.dumps(value)).encode(),
            path,
            {"content-type": media_type},
        ).status
        for path in ("/predict", "/invocations")
        for media_type, media in document["paths"][path]["post"]["requestBody"]["content"].items()
        for example in media.get("examples", {}).values()
    ]


def test_an_identifier_that_is_a_column_keeps_its_value() -> None:
    columns = (*COLUMNS, Column("customer", "string"))
    envelope = Envelope(entity="", id="customer", prediction="churn")
    application = app(Churn(label, envelope, columns))
    event = b'{"tenure": 1, "plan": "basic", "customer": "c-1"}'
    assert post(application, event).json["prediction"] == {"churn": "leaves", "customer": "c-1"}
    for body in (b'{"instances": [%b]}' % event, b'{"inputs": [[1, "basic", "c-1"]]}'):
        assert post(application, body, "/invocations").json == {"predictions": ["leaves"]}
    document = ask(application, "GET", "/openapi.json").json
    assert set(statuses_of_examples(application, document)) == {200}


@EVERY
@pytest.mark.parametrize("row", [b"7", b'"text"', b"null", b"true"])
def test_a_row_that_is_no_object_is_the_rows_fault(envelope: Envelope, row: bytes) -> None:
    reply = post(app(Churn(label, envelope)), b'{"dataframe_records": [%b]}' % row, "/invocations")
    assert (reply.status, reply.json["errors"][0]["reason"]) == (400, "schema")
    assert reply.json["errors"][0]["detail"].startswith("Expected `object`, got `")


@EVERY
def test_a_model_that_fails_on_all_rows_is_told_apart_from_rows_at_fault(envelope: Envelope) -> None:
    def fails(_: int) -> float:
        raise ValueError("shape")

    broken = ServedModel(lambda tenure, _: fails(tenure), columns=COLUMNS, envelope=envelope, healthy=False)
    reply = post(app(broken), SENT[envelope])
    assert (reply.status, reply.json["type"]) == (500, "urn:stream-consumer:problem:model-broken")
    reply = post(app(broken), b'{"inputs": [[1, "basic"]]}', "/invocations")
    assert (reply.status, reply.json["error_code"]) == (500, "INTERNAL_ERROR")
    odd = ServedModel(lambda tenure, _: fails(tenure), columns=COLUMNS, envelope=envelope)
    reply = post(app(odd), SENT[envelope])
    assert (reply.status, reply.json["reason"], reply.json["path"]) == (422, "unscorable", envelope.path)
