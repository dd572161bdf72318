"""
Example bodies of requests, made from the model's input example.

The rule: each body is parsed like a client's, and a refused body is not offered.
"""

import csv
import io
import json
from typing import Any

import msgspec

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.model import Model
from stream_consumer.web import mlflow_format
from stream_consumer.web.mlflow_format import CSV
from stream_consumer.web.predict_format import example_rows
from stream_consumer.web.problems import Problem

# An event that consists of its row alone.
_ROW = Envelope(entity="", id="")


def example_row(model: Model) -> dict[str, Any]:
    """Return the first row of the model's example that makes a valid event. Empty if no row does."""
    for row in example_rows(model):
        if not isinstance(model.schema.decode(model.schema.event(row, 1)), InvalidRecord):
            return row
    return {}


def example_bodies(model: Model, media_type: str) -> dict[str, Any]:
    """Return bodies of the protocol that the server answers with predictions."""
    row: dict[str, Any] = json.loads(_ROW.event(example_row(model), 0))
    rows = [[row.get(column.name) for column in model.schema.columns]]
    if media_type == CSV:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([row, row.values()])
        bodies: dict[str, tuple[Any, bytes]] = {"csv": (text.getvalue(), text.getvalue().encode())}
    else:
        split = {"columns": list(row), "data": [list(row.values())]}
        forms = {"dataframe_records": [row], "dataframe_split": split, "inputs": rows}
        bodies = {name: ({name: form}, msgspec.json.encode({name: form})) for name, form in forms.items()}
    return {name: {"value": value} for name, (value, body) in bodies.items() if row and _reads(model, body, media_type)}


def _reads(model: Model, body: bytes, media_type: str) -> bool:
    try:
        [record] = mlflow_format.records(body, media_type, model.schema, 1)
    except Problem:
        return False
    return not isinstance(model.schema.decode(record.data), InvalidRecord)
