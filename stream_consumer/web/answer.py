"""
An HTTP exchange: authorization, the body as it arrives, and the answer.

The rule: a refused request is refused before its body is read. The server watches the time for a request to arrive.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from stream_consumer.web.problems import MEDIA_TYPE, Kind, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

# No client may cache an answer or guess another type for it.
COMMON: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

_BEARER = b"bearer "
_UTF_8 = re.compile(r"charset\s*=\s*\"?utf-?8\"?\s*(;|$)")


class ClientGone(Exception):
    """The client disconnected before its request was whole, so nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request."""

    status: HTTPStatus
    body: bytes
    media_type: bytes = b"application/json"
    headers: Headers = ()

    @classmethod
    def of(cls, problem: Problem) -> "Answer":
        return cls(problem.kind.status, problem.body(), MEDIA_TYPE.encode(), problem.headers)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return all headers."""
        length = b"%d" % len(self.body)
        return [(b"content-type", self.media_type), (b"content-length", length), *COMMON, *self.headers]

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.fields()})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, slots=True)
class Gate:
    """The checks that every request must pass."""

    tokens: tuple[bytes, ...]
    """Valid tokens. If empty, every client is admitted."""
    max_body_bytes: int

    def authorize(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Admit or refuse a client.

        Raises:
            Problem: *headers* has no valid bearer token.
        """
        if not self.tokens:
            return
        given = next((value for name, value in headers if name == b"authorization"), b"")
        token = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else b""
        # All tokens are compared, in constant time. The time of a refusal thus reveals nothing about any token.
        if not sum([hmac.compare_digest(token, known) for known in self.tokens]):
            raise Problem(
                Kind.UNAUTHORIZED,
                "wanted a header Authorization: Bearer <token> with a token that is valid here",
                headers=((b"www-authenticate", b'Bearer realm="stream-consumer"'),),
            )

    async def body(self, scope: Scope, receive: Receive, accepted: Collection[str]) -> tuple[bytes, str]:
        """
        Return the body and its media type, a member of *accepted*.

        Raises:
            Problem: The body has another type, or is too large.
            ClientGone: The body will never be whole.
        """
        fields = dict(scope["headers"])
        content_type = fields.get(b"content-type", b"").decode("latin-1").lower()
        media_type, _, parameters = content_type.partition(";")
        if media_type.strip() not in accepted or ("charset" in parameters and not _UTF_8.search(parameters)):
            raise Problem(
                Kind.MEDIA_TYPE, f"Content-Type is {content_type!r}; wanted {' or '.join(accepted)}, in UTF-8"
            )
        length = fields.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            raise self._too_large(int(length), fields)
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.max_body_bytes:
                raise self._too_large(size, fields)
        return b"".join(parts), media_type.strip()

    def _too_large(self, size: int, fields: Mapping[bytes, bytes]) -> Problem:
        return Problem(
            Kind.BODY_TOO_LARGE,
            f"{size:,} bytes or more; at most {self.max_body_bytes:,} are read",
            # The server drops the rest as it arrives. Most clients read no answer before they have sent everything, and
            # closing the connection would cut them off. A client that asks first (Expect) may never send the rest. Its
            # next request would then be mistaken for the rest, so the connection is closed.
            headers=((b"connection", b"close"),) if b"expect" in fields else (),
        )
