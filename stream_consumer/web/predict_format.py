"""
The bodies of ``/predict``: convert requests into records and outcomes into answers, without I/O.

The rule: a list is split, not decoded. Each item keeps its own bytes, and only the core decides on the item.
"""

import contextlib
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from stream_consumer.contract.dead_letter import encodable
from stream_consumer.contract.diagnosis import instead_of_text
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.model import Model
from stream_consumer.web.model_call import Outcome
from stream_consumer.web.problems import Kind, Problem, escaped_json

read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class ItemError(msgspec.Struct, frozen=True):
    """Why the item at ``index`` has no prediction. ``path`` is a JSON path within the item."""

    index: int
    reason: Reason
    path: str
    detail: str

    @classmethod
    def of(cls, index: int, fault: InvalidRecord) -> "ItemError":
        return cls(index, fault.reason, fault.path, encodable(fault.detail))


def example_rows(model: Model) -> list[dict[str, Any]]:
    """Return the rows of the model's example by column name, without missing values."""
    names = [column.name for column in model.schema.columns]
    rows = [zip(names, row, strict=True) for row in zip(*model.example, strict=True)]
    return [{name: value for name, value in row if value is not None} for row in rows]


def split(body: bytes, max_items: int) -> tuple[list[Record], bool]:
    """
    Return the records of *body* in order, and whether *body* is a list.

    Raises:
        Problem: *body* begins like a list and is not a list, or has more than *max_items* items.
    """
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return [Record(body)], False
    with naming(body, "application/json"):
        return [Record(bytes(item)) for item in limited(decoded(body, read_items), max_items)], True


def decoded(body: bytes, decode: Any) -> Any:
    """
    Return *body*, decoded by *decode*.

    Raises:
        Problem: *body* is not JSON, or has another shape.
    """
    try:
        return decode(body)
    except RecursionError:
        raise Problem(Kind.UNDECODABLE, "JSON is nested too deeply to be read") from None
    except ValueError as error:
        raise Problem(Kind.UNDECODABLE, str(error)) from None


@contextlib.contextmanager
def naming(body: bytes, media_type: str) -> Iterator[None]:
    """
    Replace a problem with an unreadable *body* by a problem that names the format of *body*, if known.

    Raises:
        Problem: The original problem, or the more specific one.
    """
    try:
        yield
    except Problem as problem:
        instead = instead_of_text(body) if problem.kind is Kind.UNDECODABLE else None
        if instead is None:
            raise
        raise Problem(Kind.UNDECODABLE, f"the body is {instead}; wanted {media_type} in UTF-8") from None


def limited(items: list[Any], max_items: int) -> list[Any]:
    """
    Return *items*.

    Raises:
        Problem: There are more than *max_items*.
    """
    if len(items) > max_items:
        raise Problem(Kind.TOO_MANY_ITEMS, f"more than the {max_items:,} items that are decided in one request")
    return items


def answer_one(outcome: Outcome) -> bytes:
    """
    Return the prediction event.

    Raises:
        Problem: The ride event is invalid.
    """
    if isinstance(outcome, Prediction):
        return encode_prediction(outcome)
    error = ItemError.of(0, outcome)
    kind = Kind.UNDECODABLE if error.reason is Reason.UNDECODABLE else Kind.INVALID_ITEM
    raise Problem(kind, error.detail, reason=error.reason, path=error.path, index=error.index)


def answer_list(outcomes: Sequence[Outcome]) -> tuple[HTTPStatus, bytes]:
    """
    Return a prediction event or an error for each item, in order.

    The status is 207 if at least one item has an error.
    """
    entries = [
        outcome if isinstance(outcome, Prediction) else ItemError.of(index, outcome)
        for index, outcome in enumerate(outcomes)
    ]
    if any(isinstance(entry, ItemError) for entry in entries):
        return HTTPStatus.MULTI_STATUS, escaped_json(entries)
    return HTTPStatus.OK, _encode(entries)
