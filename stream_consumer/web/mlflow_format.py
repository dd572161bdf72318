"""
MLflow's scoring protocol: convert rows into ride events, and errors into MLflow's form.

SageMaker's clients use the same protocol.

The rule: a row becomes an event, and nothing else is decided here. JSON values keep their bytes, except those that
MLflow's server accepts and the contract does not. A cell of a CSV file becomes JSON of its column's type.

Source: MLflow documentation, "Local Inference Server Specification", and mlflow.pyfunc.scoring_server of 3.17.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from stream_consumer.contract import text_cell
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import Record
from stream_consumer.web.answer import Answer
from stream_consumer.web.model_call import Outcome
from stream_consumer.web.predict_format import ItemError, decoded, limited, naming, read_items
from stream_consumer.web.problems import Kind, Problem, escaped_json

JSON, CSV = "application/json", "text/csv"
_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_BY_COLUMN = frozenset({"instances", "inputs"})
# Errors described in full. A client with thousands of bad rows learns enough from these.
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


_read_split = msgspec.json.Decoder(_Split).decode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_columns = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode
# Values that MLflow accepts and the contract does not: whole numbers with a decimal point, and line ends, perhaps in
# base64.
_WHOLE = re.compile(rb"(-?\d+)\.0+")
_LENIENT = re.compile(rb"\.0+(?!\d)|\\[nr]")
_LINE_ENDS = re.compile(rb"\\[nr]")


def records(body: bytes, media_type: str, schema: EventSchema, max_items: int) -> list[Record]:
    """
    Return an event for each row of *body*, in order. The id of an event is its row number.

    Raises:
        Problem: The body does not follow the protocol.
    """
    read = _csv_rows if media_type == CSV else _json_rows
    body = body.removeprefix(codecs.BOM_UTF8)
    with naming(body, media_type):
        decoded(body, bytes.decode)  # parsers skip unread fields, whatever bytes they hold
        rows = read(body, schema.columns, max_items)
    names = {column.name for column in schema.columns}
    if not schema.envelope.entity and schema.envelope.id in names:  # each row has its own identifier
        return [Record(row) for row in rows]
    # A row that is not an object cannot hold an identifier, and the contract refuses the row unchanged.
    wrap = schema.envelope.wrap
    return [
        Record(wrap(row, number) if schema.envelope.entity or row.startswith(b"{") else row)
        for number, row in enumerate(rows)
    ]


def predictions(outcomes: Sequence[Outcome]) -> bytes:
    """
    Return the prediction of each row.

    Raises:
        Problem: A row is invalid. The protocol cannot express errors beside predictions.
    """
    errors = [ItemError.of(row, outcome) for row, outcome in enumerate(outcomes) if not isinstance(outcome, Prediction)]
    if errors:
        shown = "; ".join(f"row {error.index}: {error.reason} at {error.path}: {error.detail}" for error in errors[:3])
        detail = f"{len(errors):,} of {len(outcomes):,} rows are invalid: {shown}"
        raise Problem(Kind.INVALID_ITEM, detail, errors=errors[:_ERRORS_SHOWN])
    values = [outcome.value for outcome in outcomes if isinstance(outcome, Prediction)]
    return msgspec.json.encode({"predictions": values})


def _json_rows(body: bytes, columns: Sequence[Column], max_items: int) -> list[bytes]:
    name, content = _content(_without_nan(body))
    kinds = {column.name: column.type for column in columns}
    if name == "dataframe_split":
        table = decoded(content, _read_split)
        rows = limited(table.data, max_items)
        return [_row(table.columns, row, kinds) for row in rows]
    if content.startswith(b"{") and name in _BY_COLUMN:
        return _transposed(content, kinds, max_items)
    lenient = bool(_LENIENT.search(content))
    return [_listed(bytes(row), kinds, lenient=lenient) for row in limited(decoded(content, read_items), max_items)]


def _content(body: bytes) -> tuple[str, bytes]:
    """Return the name and value of the single member of the protocol in *body*."""
    if body.lstrip().startswith(b"["):
        raise Problem(Kind.UNDECODABLE, 'the body is a list; wanted {"dataframe_records": [row, …]} around it')
    members = decoded(body, _read_object)
    given = [name for name in _FORMATS if name in members]
    if len(given) == 1:
        return given[0], bytes(members[given[0]])
    if {"columns", "data"} <= members.keys():
        raise Problem(
            Kind.UNDECODABLE,
            'the body is of the protocol of MLflow 1; wanted {"dataframe_split": …} around it, as since MLflow 2.0',
        )
    raise Problem(Kind.UNDECODABLE, f"wanted a JSON object with one of {', '.join(_FORMATS)}; it has {sorted(members)}")


def _transposed(content: bytes, kinds: Mapping[str, str], max_items: int) -> list[bytes]:
    """Return the rows of an object of columns, or of a single row."""
    row = decoded(content, _read_object)
    if row and not any(bytes(value).startswith(b"[") for value in row.values()):
        return [_row(list(row), list(row.values()), kinds)]
    by_column = decoded(content, _read_columns)
    if len({len(values) for values in by_column.values()}) > 1:
        raise Problem(Kind.UNDECODABLE, f"the columns {list(by_column)} are not of one length")
    if not any(by_column.values()):  # without rows, wrong columns would go unnoticed
        raise Problem(Kind.UNDECODABLE, f"the columns have no rows: {list(by_column)}")
    rows = limited(list(zip(*by_column.values(), strict=True)), max_items)
    return [_row(list(by_column), row, kinds) for row in rows]


def _listed(row: bytes, kinds: Mapping[str, str], *, lenient: bool) -> bytes:
    """Return a row of a list as an object. A row without names has the signature's columns in their order."""
    if row.startswith(b"["):
        return _row(list(kinds), decoded(row, read_items), kinds)
    if row.startswith(b"{"):
        if not lenient:
            return row
        members = decoded(row, _read_object)
        return _row(list(members), list(members.values()), kinds)
    return _row(list(kinds), [msgspec.Raw(row)], kinds) if len(kinds) == 1 else row


def _row(names: Sequence[str], values: Sequence[msgspec.Raw], kinds: Mapping[str, str]) -> bytes:
    # A row that is too long keeps its further values, so that the check on the length finds them.
    known = itertools.chain(map(kinds.get, names), itertools.repeat(None))
    return _object(names, list(map(_value, values, known)))


def _value(value: msgspec.Raw, kind: str | None) -> msgspec.Raw:
    """Return a value in the form of the contract: 130.0 as an integer, base64 without line ends."""
    if kind in {"integer", "long"} and (whole := _WHOLE.fullmatch(value)):
        return msgspec.Raw(whole[1])
    return msgspec.Raw(_LINE_ENDS.sub(b"", value)) if kind == "binary" else value


def _without_nan(body: bytes) -> bytes:
    """
    Return *body* with null for NaN.

    Python's ``json`` reads and writes the bare word, and pandas uses it for missing values.
    """
    return _STRING_OR_NAN.sub(lambda found: found[1] or b"null", body) if b"NaN" in body else body


def _csv_rows(body: bytes, columns: Sequence[Column], max_items: int) -> list[bytes]:
    try:
        lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        # Read only as far as needed to see that there are too many rows.
        table = list(itertools.islice(filter(None, lines), max_items + 2))
    except (ValueError, csv.Error) as error:
        raise Problem(Kind.UNDECODABLE, f"not CSV in UTF-8 with a header: {error}") from None
    if not table:
        raise Problem(Kind.UNDECODABLE, "not CSV in UTF-8 with a header: it is empty")
    header, *rows = table
    types = {column.name: column.type for column in columns}
    missing = [column.name for column in columns if column.required and column.name not in header]
    # In a file without a header, the first row would otherwise be lost unnoticed.
    if missing or types.keys().isdisjoint(header):
        raise Problem(
            Kind.UNDECODABLE, f"the first line does not name {missing or 'a column'}; wanted a header of {list(types)}"
        )
    kinds = [types.get(name) for name in header]
    # A row that is too long keeps its further cells, so that the check on the length finds them.
    return [
        _object(header, list(map(text_cell.read, row, itertools.chain(kinds, itertools.repeat(None)))))
        for row in limited(rows, max_items)
    ]


def _object(names: Sequence[str], values: Sequence[Any]) -> bytes:
    if len(values) != len(names):
        raise Problem(Kind.UNDECODABLE, f"a row has {len(values)} values for the {len(names)} columns {list(names)}")
    return msgspec.json.encode(dict(zip(names, values, strict=True)))


def refusal(problem: Problem) -> Answer:
    """Answer in the form of MLflow's server, which has a single status for all faults of a request's rows."""
    status = problem.kind.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    message = str(problem) if problem.kind is Kind.INVALID_ITEM else f"{problem.kind.title} {problem}"
    error = {"error_code": _ERROR_CODES.get(status, "BAD_REQUEST"), "message": message}
    return Answer(status, escaped_json(error | problem.members), headers=problem.headers)
