"""
One HTTP exchange: who may ask, the body as it arrives, the answer.

The rule: what is refused is refused before it is read. How long a request may take to arrive is the server's to watch.
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

# No answer is anybody's to keep, or to be taken for another type than it says.
COMMON: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))

_BEARER = b"bearer "
_UTF_8 = re.compile(r"charset\s*=\s*\"?utf-?8\"?\s*(;|$)")


class ClientGone(Exception):
    """The client went before its request was whole: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

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
    """What every request has to pass."""

    tokens: tuple[bytes, ...]
    """Any of them lets in; none: everybody may come."""
    max_body_bytes: int

    def authorize(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Let pass, or not.

        Raises:
            Problem: No bearer token of ours is among *headers*.
        """
        if not self.tokens:
            return
        given = next((value for name, value in headers if name == b"authorization"), b"")
        token = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else b""
        # All are compared, and in constant time: how long a refusal takes tells nothing about any of them.
        if not sum([hmac.compare_digest(token, known) for known in self.tokens]):
            raise Problem(
                Kind.UNAUTHORIZED,
                "wanted a header Authorization: Bearer <token> with a token that is valid here",
                headers=((b"www-authenticate", b'Bearer realm="stream-consumer"'),),
            )

    async def body(self, scope: Scope, receive: Receive, accepted: Collection[str]) -> tuple[bytes, str]:
        """
        Return the body and its media type, one of *accepted*.

        Raises:
            Problem: It is of another type, or too large.
            ClientGone: It will never be whole.
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
            # The server drops the rest as it comes: most clients read no answer before all of it is sent, and would be
            # cut off. One that asks first may never send it, and its next request would be taken for it.
            headers=((b"connection", b"close"),) if b"expect" in fields else (),
        )
