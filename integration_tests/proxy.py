"""
A loopback HTTP proxy in front of an AWS endpoint that fails as AWS does: for real clients, before real emulators.

The rule: a request without a scripted fault passes unchanged, unless a shard's throughput is used up. Faults are
scripted for an operation (``PutRecords``, ``PutObject``) and met by its next requests, one each, in order.
"""

import base64
import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self, cast
from urllib.parse import urlsplit

from integration_tests.faults import THROTTLED, Fault, HashRange, Rejected, Throughput, open_shards, shard_of

SLOW_SECONDS = 1.0
_UPSTREAM_SECONDS = 60.0
_CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection"}


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        target = self.headers.get("X-Amz-Target", "")
        if target:
            return target.rpartition(".")[2]
        return {"PUT": "PutObject", "GET": "GetObject"}.get(self.method, self.method)


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultProxy:
    """
    Context manager: while it is open, ``url`` is *upstream* with faults.

    Attributes:
        url: What a client takes for the endpoint.
        met: How often each fault was met, and ``"entry"`` for each entry that a shard's throughput rejected.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._script: defaultdict[str, deque[Fault | Rejected]] = defaultdict(deque)
        self._throughput: dict[str, Throughput] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._local = threading.local()
        self.met: Counter[Fault | str] = Counter()
        self.on_fault: Callable[[Fault], None] = lambda _: None
        """Called when the service has acted, or not, and before the client learns anything."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def script(self, operation: str, *faults: Fault | Rejected) -> None:
        """Let the next requests of *operation* meet *faults*, one each."""
        with self._lock:
            self._script[operation].extend(faults)

    def unmet(self) -> list[Fault | Rejected]:
        """Return the faults that no request has met yet."""
        with self._lock:
            return [fault for faults in self._script.values() for fault in faults]

    def limit(self, stream: str, throughput: Throughput) -> None:
        """Hold each shard of *stream* to *throughput*."""
        with self._lock:
            self._throughput[stream] = throughput

    def unlimit(self, stream: str) -> None:
        with self._lock:
            self._throughput.pop(stream, None)

    def next_fault(self, operation: str) -> Fault | Rejected | None:
        with self._lock:
            faults = self._script[operation]
            fault = faults.popleft() if faults else None
            if fault is not None:
                self.met[fault if isinstance(fault, Fault) else "rejected"] += 1
            return fault

    def wait_for_the_end(self) -> None:
        """Hang, as long as the proxy is open."""
        self._closing.wait()

    def forward(self, request: Request, fault: Fault | Rejected | None = None) -> Answer:
        """Pass a request on, less the entries of PutRecords that *fault* or a used-up shard rejects."""
        if request.operation != "PutRecords":
            return self._send(request)
        entries = json.loads(request.body)
        rejected = dict.fromkeys(fault.positions, fault.code) if isinstance(fault, Rejected) else {}
        rejected |= self._over_throughput(entries, rejected)
        return self._partly(request, entries, rejected) if rejected else self._send(request)

    def _over_throughput(self, entries: Mapping[str, Any], rejected: Mapping[int, str]) -> dict[int, str]:
        stream = entries.get("StreamName") or entries["StreamARN"].rpartition("/")[2]
        throughput = self._throughput.get(stream)
        if throughput is None:
            return {}
        shards = self._shards(stream)
        over = {}
        with self._lock:
            for at, entry in enumerate(entries["Records"]):
                shard_id = shard_of(entry["PartitionKey"], entry.get("ExplicitHashKey"), shards)
                size = len(base64.b64decode(entry["Data"])) + len(entry["PartitionKey"].encode())
                if at not in rejected and not throughput.admits(shard_id, size):
                    over[at] = THROTTLED
                    self.met["entry"] += 1
        return over

    def _shards(self, stream: str) -> list[HashRange]:
        headers = {
            "X-Amz-Target": "Kinesis_20131202.ListShards",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20210101/us-east-1/kinesis/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "X-Amz-Date": "20210101T000000Z",
        }
        answer = self._send(Request("POST", "/", headers, json.dumps({"StreamName": stream}).encode()))
        return open_shards(json.loads(answer.body)["Shards"])

    def _partly(self, request: Request, entries: Mapping[str, Any], rejected: Mapping[int, str]) -> Answer:
        """Put the entries that are not rejected, and answer for all of them in order."""
        records = entries["Records"]
        accepted = [entry for at, entry in enumerate(records) if at not in rejected]
        results: Iterator[Any] = iter(())
        answer = Answer(200, [("Content-Type", "application/x-amz-json-1.1")], b"")
        if accepted:
            answer = self._send(request._replace(body=json.dumps({**entries, "Records": accepted}).encode()))
            if answer.status != http.HTTPStatus.OK:
                return answer
            results = iter(json.loads(answer.body)["Records"])
        merged = [
            {"ErrorCode": rejected[at], "ErrorMessage": f"{rejected[at]} for the entry at {at}"}
            if at in rejected
            else next(results)
            for at in range(len(records))
        ]
        failed = sum(bool(result.get("ErrorCode")) for result in merged)  # some emulators write null
        return answer._replace(body=json.dumps({"FailedRecordCount": failed, "Records": merged}).encode())

    def _send(self, request: Request) -> Answer:
        """Send over this thread's own connection; one that the upstream has closed meanwhile is opened again."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _CONNECTION_HEADERS}
        for last_try in (False, True):
            connection = self._connection()
            try:
                connection.request(request.method, request.path, request.body, headers)
                response = connection.getresponse()
                return Answer(response.status, response.getheaders(), response.read())
            except (ConnectionError, http.client.RemoteDisconnected):
                connection.close()
                if last_try:
                    raise
        raise AssertionError("unreachable")

    def hang_up(self) -> None:
        """Close the calling thread's connection to the upstream."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            host, port = self._upstream.hostname, self._upstream.port
            assert host
            self._local.connection = http.client.HTTPConnection(host, port, timeout=_UPSTREAM_SECONDS)
        return cast("http.client.HTTPConnection", self._local.connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many faults are for; print nothing."""


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def finish(self) -> None:
        self.proxy.hang_up()
        with contextlib.suppress(OSError):  # the client has gone first
            super().finish()

    def _serve(self) -> None:
        request = Request(self.command, self.path, dict(self.headers.items()), self._body())
        fault = self.proxy.next_fault(request.operation)
        if isinstance(fault, Fault):
            answer = self.proxy.forward(request) if fault.reaches_the_service else None
            self.proxy.on_fault(fault)
            self._fail(fault, answer)
        else:
            self._reply(self.proxy.forward(request, fault))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 (the base class's names)

    def _fail(self, fault: Fault, answer: Answer | None) -> None:
        match fault:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                self._reset()
            case Fault.HANGING:
                self.proxy.wait_for_the_end()
                self._reset()
            case Fault.TRUNCATED:
                assert answer
                self._reply(answer, of_the_body=0.5)
                self.close_connection = True
            case Fault.SLOW:
                assert answer
                time.sleep(SLOW_SECONDS)
                self._reply(answer)
            case _:
                self._reply(_ERRORS[fault])

    def _reply(self, answer: Answer, of_the_body: float = 1.0) -> None:
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() not in _CONNECTION_HEADERS]
        lines += [f"Content-Length: {len(answer.body)}", "", ""]
        body = b"" if self.command == "HEAD" else answer.body[: round(len(answer.body) * of_the_body)]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body)

    def _reset(self) -> None:
        """End the connection with RST, as a host that crashed does, not with an orderly FIN."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Requests are not logged."""


def _error(status: int, code: str) -> Answer:
    """Return an error that Kinesis' and S3's clients both understand."""
    body = json.dumps({"__type": code, "message": f"{code}, by the proxy"}).encode()
    return Answer(status, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], body)


_ERRORS = {
    Fault.SERVER_ERROR: _error(500, "InternalFailure"),
    Fault.UNAVAILABLE: _error(503, "ServiceUnavailable"),
    Fault.THROTTLED: _error(400, THROTTLED),
    Fault.DENIED: _error(400, "AccessDeniedException"),
}
