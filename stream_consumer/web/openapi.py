"""
The OpenAPI 3.1 document, made from the model's signature.

The rule: the schema of a ride event is made from the struct that decodes the event. The document therefore cannot
promise more than the core accepts.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.prediction import prediction_type
from stream_consumer.model import Model
from stream_consumer.outputs import Output
from stream_consumer.web.examples import example_bodies, example_row
from stream_consumer.web.mlflow_format import CSV, JSON
from stream_consumer.web.predict_format import ItemError
from stream_consumer.web.problems import MEDIA_TYPE, Kind
from stream_consumer.web.settings import WebSettings

Json = dict[str, Any]

# Problems that any path with a body may return.
_BODY_REFUSALS = (
    Kind.UNDECODABLE,
    Kind.UNAUTHORIZED,
    Kind.BODY_TOO_LARGE,
    Kind.TOO_MANY_ITEMS,
    Kind.MEDIA_TYPE,
    Kind.MODEL_BROKEN,
    Kind.QUEUE_FULL,
    Kind.TIMED_OUT,
)


def document(model: Model, settings: WebSettings) -> Json:
    """Return the description of the server, as JSON."""
    envelope = model.schema.envelope
    (event_ref, prediction, error), components = msgspec.json.schema_components(
        [model.schema.event_type, prediction_type(envelope), ItemError], ref_template="#/components/schemas/{name}"
    )
    components["Predicted"]["properties"][envelope.prediction] = _value(model.output)
    row = _row(components[event_ref["$ref"].rpartition("/")[2]], components, model.schema)
    # By reference: generators of test requests fail on alternatives of a body that repeat the row in full.
    components["Row"] = row
    refs = {
        "event": event_ref,
        "prediction": prediction,
        "error": error,
        "row": _ref("Row"),
        "values": row["properties"],
    }
    refs["value"] = _value(model.output)
    security: Json = {"security": [{"bearer": []}]} if settings.tokens else {}
    paths = {
        "/predict": {"post": _predict(model, settings, refs) | security},
        "/invocations": {"post": _invocations(model, settings, refs) | security},
        "/ping": {"get": _status("Whether predictions can be had, as SageMaker and MLflow ask", "ping")},
        "/health": {"get": _status("Whether predictions can be had, as MLflow's clients ask", "health")},
        "/readyz": {"get": _status("Whether predictions can be had now", "ready")},
        "/healthz": {"get": _status("Whether the process is alive", "alive", ready=False)},
        "/metrics": {
            "get": _get("Metrics, as Prometheus reads them", "metrics", "text/plain", {"type": "string"}, settings)
            | security
        },
        "/version": {
            "get": _get("What is served, and with which library", "version", JSON, _VERSION, settings) | security
        },
        "/openapi.json": {"get": _get("This document", "openapi", JSON, {"type": "object"})},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model.name} {model.version}",
            "version": model.version,
            "summary": "Events in, predictions out.",
        },
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": _PROBLEM, "ScoringError": _SCORING_ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _predict(model: Model, settings: WebSettings, refs: Mapping[str, Json]) -> Json:
    events = {"type": "array", "items": refs["event"], "maxItems": settings.max_items}
    either = {"type": "array", "items": {"anyOf": [refs["prediction"], refs["error"]]}}
    examples: Json = {}
    if row := example_row(model):
        one, *several = (json.loads(model.schema.event(row, number)) for number in (256, 1, 2))
        examples = {"one": {"summary": "one event", "value": one}, "list": {"summary": "a list", "value": several}}
    answers = {
        "200": _content(
            "A prediction event, or a list of them in order", JSON, _any(refs["prediction"], _list(refs["prediction"]))
        ),
        "207": _content("A list in order, with an error for each item that has no prediction", JSON, either),
    }
    return {
        "operationId": "predict",
        "summary": "Predict one event, or a list of them",
        "requestBody": _body({JSON: {"schema": _any(refs["event"], events), "examples": examples}}),
        "responses": answers | _refusals((*_BODY_REFUSALS, Kind.INVALID_ITEM), MEDIA_TYPE, "Problem"),
    }


def _invocations(model: Model, settings: WebSettings, refs: Mapping[str, Json]) -> Json:
    bodies = {media_type: example_bodies(model, media_type) for media_type in (JSON, CSV)}
    content = {
        JSON: {"schema": _formats(settings.max_items, refs["row"], refs["values"]), "examples": bodies[JSON]},
        CSV: {"schema": _TEXT, "examples": bodies[CSV]},
    }
    predictions = _object({"predictions": _list(refs["value"])})
    return {
        "operationId": "invocations",
        "summary": "Predict rows, in MLflow's scoring protocol",
        "requestBody": _body(content),
        "responses": {"200": _content("Predictions, in order", JSON, predictions)}
        | _refusals(_BODY_REFUSALS, JSON, "ScoringError"),
    }


def _formats(max_items: int, record: Json, values: Mapping[str, Json]) -> Json:
    """
    Describe the protocol's JSON.

    A schema cannot express that columns have the same length, so the description does.
    """
    row = {"type": "array", "prefixItems": list(values.values()), "items": False, "minItems": len(values)}
    scalars = values.values() if len(values) == 1 else ()
    lists = [{"type": "array", "items": item, "maxItems": max_items} for item in (record, row, *scalars)]
    split = _object({"columns": {"const": list(values)}, "data": lists[1]})
    either = _any(*lists)
    formats = {"dataframe_records": lists[0], "dataframe_split": split, "instances": either, "inputs": either}
    described = "`inputs` and `instances` may also be one row by name, or an object of columns of one length."
    return {"oneOf": [_object({name: content}) for name, content in formats.items()], "description": described}


_VALUES: dict[str, Json] = {
    "boolean": {"type": "boolean"},
    "long": {"type": "integer"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "json": {},
}


def _value(output: Output | None) -> Json:
    """Describe a prediction. Any value is allowed if the model has not predicted yet."""
    if output is None:
        return {}
    if not output.names:
        return _VALUES[output.kinds[0]]
    required = {name: _VALUES[kind] for name, kind in output.members() if name not in output.optional}
    optional = {name: _any(_VALUES[kind], {"type": "null"}) for name, kind in output.members() if name not in required}
    return _object(required, optional)


def _row(whole: Json, components: Mapping[str, Json], schema: EventSchema) -> Json:
    """Return the schema of the model's input: a component of the event, or the event without its identifier."""
    if schema.envelope.entity:
        described: Json = components[whole["properties"][schema.envelope.entity]["$ref"].rpartition("/")[2]]
        return described
    names = [column.name for column in schema.columns]
    return whole | {
        "properties": {name: whole["properties"][name] for name in names},
        "required": [name for name in whole["required"] if name in names],
    }


def _refusals(kinds: Sequence[Kind], media_type: str, schema: str) -> Json:
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(int(kind.status), []).append(kind.title)
    return {str(status): _content(" Or: ".join(every), media_type, _ref(schema)) for status, every in titles.items()}


def _get(summary: str, operation: str, media_type: str, schema: Json, settings: WebSettings | None = None) -> Json:
    responses = {"200": _content(summary, media_type, schema)}
    if settings and settings.tokens:
        responses |= _refusals([Kind.UNAUTHORIZED], MEDIA_TYPE, "Problem")
    return {"operationId": operation, "summary": summary, "responses": responses}


def _status(summary: str, operation: str, *, ready: bool = True) -> Json:
    responses = {"200": _content("It is", JSON, _STATUS)}
    if ready:
        responses["503"] = _content("Not now", JSON, _STATUS)
    return {"operationId": operation, "summary": summary, "responses": responses}


def _body(content: Json) -> Json:
    return {"required": True, "content": content}


def _content(description: str, media_type: str, schema: Json) -> Json:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _any(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


_TEXT: Json = {"type": "string"}
_NULLABLE: Json = {"type": ["string", "null"]}
_STATUS: Json = _object({"status": _TEXT}, {"reason": _TEXT})
_VERSION = _object(
    {"model": _TEXT, "model_version": _TEXT, "model_digest": _TEXT, "package": _NULLABLE, "scikit_learn": _NULLABLE}
)
_PROBLEM = _object(
    {"type": {"type": "string", "enum": [kind.type for kind in Kind]}, "title": _TEXT, "status": {"type": "integer"}}
    | {"detail": _TEXT},
    {"reason": _TEXT, "path": _TEXT, "index": {"type": "integer"}},
)
_SCORING_ERROR = _object({"error_code": _TEXT, "message": _TEXT}, {"errors": _list(_ref("ItemError"))})
