"""
MLflow's scoring protocol, which SageMaker's clients speak as well: rows → ride events, and errors in MLflow's form.

The rule: a row becomes the ride of an event and nothing else is decided here. JSON values keep their own bytes; a cell
of a CSV file becomes the JSON that its column's type reads.

Source: MLflow documentation, "Local Inference Server Specification"; mlflow.pyfunc.scoring_server of 3.17.
"""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from stream_consumer.contract import text_cell
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import Record
from stream_consumer.web.answer import Answer
from stream_consumer.web.batching import Outcome
from stream_consumer.web.predict_format import ItemError, decoded, limited, read_items
from stream_consumer.web.problems import Kind, Problem

JSON, CSV = "application/json", "text/csv"
_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
# Errors named in full; a client that sends thousands of bad rows has seen enough.
_ERRORS_SHOWN = 20
# Source: MLflow, databricks_pb2.ErrorCode.
_ERROR_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
}
_STRING_OR_NAN = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|\bNaN\b', re.DOTALL)


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[msgspec.Raw]]


_read_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_split = msgspec.json.Decoder(_Split).decode
_read_columns = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode


def records(body: bytes, media_type: str, schema: EventSchema, max_items: int) -> list[Record]:
    """
    Return an event for each row of *body*, in order; its id is the row's number.

    Raises:
        Problem: The body is not of the protocol.
    """
    read = _csv_rides if media_type == CSV else _json_rides
    rows = read(body, schema.columns, max_items)
    names = {column.name for column in schema.columns}
    if not schema.envelope.entity and schema.envelope.id in names:  # each row brings its identifier
        return [Record(row) for row in rows]
    # What is no object has no place for an identifier, and is refused as what it is.
    wrap = schema.envelope.wrap
    return [
        Record(wrap(row, number) if schema.envelope.entity or row.startswith(b"{") else row)
        for number, row in enumerate(rows)
    ]


def predictions(outcomes: Sequence[Outcome]) -> bytes:
    """
    Return the prediction of each row.

    Raises:
        Problem: A row is invalid; the protocol has no place for an error beside predictions.
    """
    errors = [ItemError.of(row, outcome) for row, outcome in enumerate(outcomes) if not isinstance(outcome, Prediction)]
    if errors:
        shown = "; ".join(f"row {error.index}: {error.reason} at {error.path}: {error.detail}" for error in errors[:3])
        detail = f"{len(errors):,} of {len(outcomes):,} rows are invalid: {shown}"
        raise Problem(Kind.INVALID_ITEM, detail, errors=errors[:_ERRORS_SHOWN])
    values = [outcome.value for outcome in outcomes if isinstance(outcome, Prediction)]
    return msgspec.json.encode({"predictions": values})


def _json_rides(body: bytes, columns: Sequence[Column], max_items: int) -> list[bytes]:
    members = decoded(_without_nan(body), _read_body)
    given = [name for name in _FORMATS if name in members]
    if len(given) != 1:
        raise Problem(
            Kind.UNDECODABLE, f"wanted a JSON object with one of {', '.join(_FORMATS)}; it has {sorted(members)}"
        )
    content, names = bytes(members[given[0]]), [column.name for column in columns]
    if given == ["dataframe_split"]:
        table = decoded(content, _read_split)
        return [_object(table.columns, row) for row in limited(table.data, max_items)]
    if content.startswith(b"{"):
        by_column = decoded(content, _read_columns)
        if len({len(values) for values in by_column.values()}) > 1:
            raise Problem(Kind.UNDECODABLE, f"the columns of {given[0]} are not of one length")
        if not any(by_column.values()):  # nothing would ever say that the columns are the wrong ones
            raise Problem(Kind.UNDECODABLE, f"the columns of {given[0]} have no rows: {list(by_column)}")
        rows = limited(list(zip(*by_column.values(), strict=True)), max_items)
        return [_object(list(by_column), row) for row in rows]
    rows = limited(decoded(content, read_items), max_items)
    # A row without names has the signature's columns in their order, as an array has.
    return [_object(names, decoded(row, read_items)) if bytes(row).startswith(b"[") else bytes(row) for row in rows]


def _without_nan(body: bytes) -> bytes:
    """Python's ``json`` reads and writes the bare word NaN, and pandas has it for every missing value."""
    return _STRING_OR_NAN.sub(lambda found: found[1] or b"null", body) if b"NaN" in body else body


def _csv_rides(body: bytes, columns: Sequence[Column], max_items: int) -> list[bytes]:
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        # No further than it takes to see that there are too many.
        header, *rows = itertools.islice(filter(None, lines), max_items + 2)
    except (ValueError, csv.Error) as error:
        raise Problem(Kind.UNDECODABLE, f"not CSV in UTF-8 with a header: {error}") from None
    types = {column.name: column.type for column in columns}
    missing = [column.name for column in columns if column.required and column.name not in header]
    # Of the first row of a file without a header nothing else would ever be heard.
    if missing or types.keys().isdisjoint(header):
        raise Problem(
            Kind.UNDECODABLE, f"the first line does not name {missing or 'a column'}; wanted a header of {list(types)}"
        )
    kinds = [types.get(name) for name in header]
    # A row that is too long keeps its further cells, so that it is found out.
    return [
        _object(header, list(map(_cell, row, itertools.chain(kinds, itertools.repeat(None)))))
        for row in limited(rows, max_items)
    ]


def _object(names: Sequence[str], values: Sequence[Any]) -> bytes:
    if len(values) != len(names):
        raise Problem(Kind.UNDECODABLE, f"a row has {len(values)} values for the {len(names)} columns {list(names)}")
    return msgspec.json.encode({name: value for name, value in zip(names, values, strict=True) if value is not None})


def _cell(text: str, kind: str | None) -> Any:
    """An empty cell is a missing value, as pandas reads it."""
    return text_cell.read(text, kind) if text else None


def refusal(problem: Problem) -> Answer:
    """Answer as MLflow's server does: it knows one status for whatever is wrong with a request's rows."""
    status = problem.kind.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    error = {"error_code": _ERROR_CODES.get(status, "BAD_REQUEST"), "message": f"{problem.kind.title} {problem}"}
    return Answer(status, msgspec.json.encode(error | problem.members), headers=problem.headers)
