"""The problems that clients can cause or meet, in the format of RFC 9457: ``application/problem+json``."""

from enum import Enum
from http import HTTPStatus
from typing import Any

import msgspec

from stream_consumer.contract.printable import printable
from stream_consumer.errors import StreamConsumerError

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """Every kind of problem: the name (the last part of ``type``), the status and the title."""

    INVALID_ITEM = ("invalid-item", HTTPStatus.UNPROCESSABLE_ENTITY, "The event is invalid.")
    UNDECODABLE = ("undecodable", HTTPStatus.BAD_REQUEST, "The body cannot be read.")
    TOO_MANY_ITEMS = ("too-many-items", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request has more items than allowed.")
    BODY_TOO_LARGE = ("body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than allowed.")
    HEAD_TOO_LARGE = (
        "head-too-large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The headers are larger than allowed.",
    )
    REQUEST_TOO_SLOW = ("request-too-slow", HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.")
    MEDIA_TYPE = (
        "media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of another media type than is read here.",
    )
    UNAUTHORIZED = ("unauthorized", HTTPStatus.UNAUTHORIZED, "A bearer token is needed.")
    NOT_FOUND = ("not-found", HTTPStatus.NOT_FOUND, "There is no such path.")
    METHOD_NOT_ALLOWED = ("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The path has no such method.")
    QUEUE_FULL = ("queue-full", HTTPStatus.SERVICE_UNAVAILABLE, "Too many events wait for the model.")
    TIMED_OUT = ("timed-out", HTTPStatus.SERVICE_UNAVAILABLE, "The request was not decided in time.")
    MODEL_BROKEN = ("model-broken", HTTPStatus.INTERNAL_SERVER_ERROR, "The model fails on every event.")

    def __init__(self, label: str, status: HTTPStatus, title: str) -> None:
        self.label = label
        self.status = status
        self.title = title

    @property
    def type(self) -> str:
        return f"urn:stream-consumer:problem:{self.label}"


class Problem(StreamConsumerError):
    """A request that is answered with a problem. *members* are further members of the JSON object."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), **members: Any
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = headers
        self.members = members

    def body(self) -> bytes:
        problem = {"type": self.kind.type, "title": self.kind.title, "status": self.kind.status, "detail": str(self)}
        return escaped_json(problem | self.members)


def escaped_json(content: object) -> bytes:
    """Return *content* as JSON. No text of a client can control a terminal or a page."""
    return printable(msgspec.json.encode(content).decode()).encode()
