"""
What is asked of AWS: a proxy on loopback before an emulator, which notes each call by its operation's name.

The rule: it changes neither request nor answer. Which operation of a REST service a request is, botocore's models say.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_SERVICES = {"apigateway": "apigatewayv2", "monitoring": "cloudwatch"}
_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}


@contextmanager
def recording(calls: set[str], upstream: str) -> Iterator[str]:
    """Pass requests on to *upstream*, and add each to *calls*, such as ``s3:PutObject``; yield the proxy's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if call := called(self.command, self.path, dict(self.headers.items()), body):
                calls.add(call)
            connection = HTTPConnection(urlsplit(upstream).netloc)
            try:
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _pass_on  # noqa: N815 (the base class's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def called(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return service and operation of a request; None for one that is not signed, and so is not AWS's."""
    scope = _SCOPE.search(headers.get("Authorization", ""))
    if not scope:
        return None
    service = _SERVICES.get(scope[1], scope[1])
    if target := headers.get("X-Amz-Target"):
        return f"{service}:{target.rpartition('.')[2]}"
    if b"Action=" in body[:4096] and "x-www-form-urlencoded" in headers.get("Content-Type", ""):
        return f"{service}:{parse_qs(body.decode())['Action'][0]}"
    parts = urlsplit(url)
    asked = {*parse_qs(parts.query, keep_blank_values=True), *(name.lower() for name in headers)}
    for wanted_method, path, needed, operation in _templates(service):
        if wanted_method == method and needed <= asked and path.fullmatch(parts.path):
            return f"{service}:{operation}"
    raise LookupError(f"{service} has no operation {method} {url}")


@cache
def _templates(service: str) -> list[tuple[str, re.Pattern[str], set[str], str]]:
    """Return method, path, what query and headers must have, and operation: those that need most first."""
    model: Any = botocore.session.get_session().get_service_model(service)
    found = []
    for operation in map(model.operation_model, model.operation_names):
        if operation.deprecated:
            continue  # a later one has the same request
        http = operation.http
        path, _, query = http["requestUri"].partition("?")
        parts = re.split(r"(\{[^}]+\})", path.rstrip("/") or "/")
        pattern = "".join(
            re.escape(part) if part[:1] != "{" else (".+" if part.endswith("+}") else "[^/]+") for part in parts
        )
        needed = {*parse_qs(query, keep_blank_values=True), *_required(operation)}
        found.append((http["method"], re.compile(f"{pattern}/?"), needed, operation.name))
    return sorted(found, key=lambda item: (-len(item[2]), len(item[1].pattern)))


def _required(operation: Any) -> Iterator[str]:
    """Yield the names in query and headers by which a request is told from another of the same path."""
    shape = operation.input_shape
    for member in shape.required_members if shape else ():
        sent = shape.members[member].serialization
        if sent.get("location") in {"querystring", "header"}:
            yield sent["name"] if sent["location"] == "querystring" else sent["name"].lower()
