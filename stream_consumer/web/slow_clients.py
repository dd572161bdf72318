"""
A connection: uvicorn's protocol, with limits on the time and memory of a client.

The rule: the server waits for a client for at most a fixed time. No request gets two answers, or the answer to another
request.
"""

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stream_consumer.web.answer import Answer
from stream_consumer.web.problems import Kind, Problem

CLOSE = (b"connection", b"close")

# uvicorn limits neither the size of a request's head nor its time. Proxies and browsers stop at some 8 to 64 KB.
_MAX_HEAD_BYTES = 65_536


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with a watch on requests that stay incomplete and on answers that a client does not read."""

    # In seconds of time.monotonic.
    _arriving_since: float | None = None
    _stuck_since: float | None = None
    # Bytes of the arriving request: in its head and trailers so far, and since the last callback of the parser.
    _head_bytes = 0
    _unreported_bytes = 0
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._arriving_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn only marks the latest request as disconnected. An earlier request would go on writing, and fail.
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # Line ends between two requests do not begin a request, but stop uvicorn's own clock.
        self._arriving_since = self._arriving_since or time.monotonic()
        self._unreported_bytes += len(data)
        super().data_received(data)
        if self._unreported_bytes > _MAX_HEAD_BYTES:
            self.refuse(_head_too_large())

    def on_message_begin(self) -> None:
        self._arriving_since, self._head_bytes = time.monotonic(), 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header or, after a chunked body, a trailer."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._unreported_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving_since = None
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        self._unreported_bytes = 0
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise _HeadTooLarge  # the parser stops, and uvicorn answers as below

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.refuse(_head_too_large())
        elif not self._close_after_earlier():
            super().send_400_response(msg)

    def _close_after_earlier(self) -> bool:
        """Close after the answers to earlier whole requests. False if there are no such requests."""
        begun = [self._answering, *(cycle for cycle, _ in reversed(self.pipeline))]
        earlier = [cycle for cycle in begun if cycle and not (cycle.response_complete or cycle.more_body)]
        if not earlier:
            return False
        while self.pipeline and self.pipeline[0][0] is not earlier[-1]:
            self.pipeline.popleft()
        earlier[-1].keep_alive = False
        self.flow.pause_reading()
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def watch(self, seconds: float) -> None:
        """
        Refuse a request that stays incomplete, and cut off a client that does not read its answer.

        Both happen after *seconds*.
        """
        now = time.monotonic()
        if self.transport.is_closing():  # closing lasts until all bytes are sent
            self._stuck_since = self._stuck_since or now
        if now - (self._stuck_since or now) > seconds:
            self.transport.abort()
        elif now - (self._arriving_since or now) > seconds:
            self.refuse(Problem(Kind.REQUEST_TOO_SLOW, f"the request did not arrive whole within {seconds:g} s"))

    def pause_writing(self) -> None:
        self._stuck_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def refuse(self, problem: Problem) -> None:
        """
        Answer the arriving request with *problem* in place of the application, and close.

        If an earlier request still waits for its answer, the arriving request gets none.
        """
        if self._close_after_earlier():
            return
        cycle: RequestResponseCycle | None = self.cycle  # the latest request with a whole head
        arriving = cycle if cycle is not None and cycle.scope is self.scope else None
        if arriving is None:
            due = cycle is None or cycle.response_complete
        else:
            due = not (arriving.response_started or self.pipeline)
        if due and not self.transport.is_closing():
            answer = Answer.of(problem)
            head = b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.status.phrase.encode())
            fields = b"".join(b"%b: %b\r\n" % field for field in (*answer.fields(), CLOSE))
            self.transport.write(head + fields + b"\r\n" + answer.body)
            if arriving is not None:
                arriving.disconnected = True  # the application's answer would be a second one
        self.transport.close()


class _HeadTooLarge(Exception):
    """Stops the parser. Never leaves this module."""


def _head_too_large() -> Problem:
    return Problem(Kind.HEAD_TOO_LARGE, f"at most {_MAX_HEAD_BYTES:,} bytes of headers are read")
