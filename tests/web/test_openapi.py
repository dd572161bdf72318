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


def test_a_model_without_an_example_is_described_all_the_same() -> None:
    model = ServedModel(example=())
    examples = described(model)["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["one"]["value"] == {"ride": {}, "ride_id": 256}


@pytest.mark.parametrize("kind", ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"])
def test_every_type_of_a_signature_can_be_described(kind: str) -> None:
    schema = EventSchema([Column("one", kind)])
    model = ServedModel(columns=schema.columns)
    assert "one" in described(model)["components"]["schemas"]["Ride"]["properties"]
