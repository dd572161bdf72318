"""The OpenAPI document: made from the signature, and true."""

import json
from typing import Any

import pytest

from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.web.openapi import document
from tests.web.client import TOKEN, ServedModel, app, ask, post, settings

COLUMNS = (
    Column("payment", "string"),
    Column("tolls", "double", required=False, minimum=0.0),
    Column("zone id", "integer", minimum=1, maximum=265),
    Column("at", "datetime"),
)


def described(model: ServedModel | None = None, **environ: str) -> dict[str, Any]:
    return document(model or ServedModel(), settings(**environ))


def test_the_ride_is_the_models_signature() -> None:
    schemas = described(ServedModel(columns=COLUMNS))["components"]["schemas"]
    assert schemas["Ride"]["properties"] == {
        "payment": {"type": "string"},
        "tolls": {"anyOf": [{"type": "number", "minimum": 0.0}, {"type": "null"}], "default": None},
        "zone id": {"type": "integer", "minimum": 1, "maximum": 265},
        "at": {"type": "string"},
    }
    assert schemas["Ride"]["required"] == ["payment", "zone id", "at"]
    assert schemas["RideEvent"]["required"] == ["ride", "ride_id"]


def test_the_limits_are_those_in_force() -> None:
    body = described(WEB_MAX_ITEMS="7")["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["anyOf"][1]["maxItems"] == 7


def test_what_needs_a_token_says_so_if_there_is_one() -> None:
    paths = described(WEB_TOKEN=TOKEN)["paths"]
    guarded = [path for path, methods in paths.items() for operation in methods.values() if "security" in operation]
    assert guarded == ["/predict", "/invocations", "/metrics", "/version"]
    assert all("401" in operation["responses"] for path in guarded for operation in paths[path].values())
    assert "security" not in str(described()["paths"])


def test_its_examples_are_answered_with_200() -> None:
    application = app()
    paths = ask(application, "GET", "/openapi.json").json["paths"]
    asked = 0
    for path in ("/predict", "/invocations"):
        for media_type, media in paths[path]["post"]["requestBody"]["content"].items():
            for example in media["examples"].values():
                value = example["value"]
                body = value if isinstance(value, str) else json.dumps(value)
                assert post(application, body.encode(), path, {"content-type": media_type}).status == 200
                asked += 1
    assert asked == 6


def test_a_model_without_an_example_is_described_without_examples() -> None:
    paths = described(ServedModel(example=()))["paths"]
    bodies = [paths[path]["post"]["requestBody"]["content"] for path in ("/predict", "/invocations")]
    assert [media["examples"] for body in bodies for media in body.values()] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("example", "bodies"),
    [
        pytest.param(['a, "b"\n', 1.5, 7, 1], 6, id="a text of CSV's own characters"),
        pytest.param(["cash", None, 7, 1], 6, id="an optional value that is missing"),
        pytest.param(["", 1.5, 7, 1], 5, id="a text that no cell of CSV can say"),
        pytest.param(["cash", 1.5, 0, 1], 0, id="a row outside the model's own bounds"),
    ],
)
def test_only_examples_that_succeed_are_offered(example: list[Any], bodies: int) -> None:
    columns = (*COLUMNS[:3], Column("n", "long"))
    application = app(ServedModel(lambda *_: 1.0, columns=columns, example=[[value] for value in example]))
    paths = ask(application, "GET", "/openapi.json").json["paths"]
    statuses = [
        post(
            application,
            (value if isinstance(value := one["value"], str) else json.dumps(value)).encode(),
            path,
            {"content-type": media_type},
        ).status
        for path in ("/predict", "/invocations")
        for media_type, media in paths[path]["post"]["requestBody"]["content"].items()
        for one in media["examples"].values()
    ]
    assert statuses == [200] * bodies


@pytest.mark.parametrize("kind", ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"])
def test_every_type_of_a_signature_can_be_described(kind: str) -> None:
    schema = EventSchema([Column("one", kind)])
    model = ServedModel(columns=schema.columns)
    assert "one" in described(model)["components"]["schemas"]["Ride"]["properties"]
