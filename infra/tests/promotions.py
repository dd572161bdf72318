"""
See a promotion become a request to GitHub through what was applied: bucket, rule, API destination, connection.

Emulated are S3's event and EventBridge's delivery. GitHub is a receiver on loopback: for as long as the test takes, the
API destination leads there. The emulator's events have no version of the object, which AWS's have.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import Any

from infra.clients import Aws
from infra.release_token import give_token
from infra.tests.terraform import CheckFailed

_CHAMPION = "models/ride-duration/champion.json"
_NOTHING_NEW = ("models/ride-duration/abc.json", "models/tips/champion.json", "releases/dev/2026-11-27.json")
_SECONDS = 30
_TOKEN = "no-secret"  # noqa: S105 (GitHub is a receiver on loopback)
_HEADERS = {
    "Authorization": f"Bearer {_TOKEN}",
    "Accept": "application/vnd.github+json",
    "X-Github-Api-Version": "2022-11-28",
}

Request = tuple[str, Mapping[str, str], Any]
"""Path, headers and body."""


def through(aws: Aws, outputs: Mapping[str, Any], bucket: str) -> str:
    """
    Promote twice in the *bucket* of models, among writes that are no promotions.

    Raises:
        CheckFailed: A promotion did not ask for a release, or something else did.
    """
    give_token(aws, outputs, _TOKEN)
    name = outputs["release_trigger"]["connection"]
    etags: list[str] = []
    bodies: list[Any] = []
    with _github() as (url, requests), _leading_to(aws, name, url):
        for key in (*_NOTHING_NEW, _CHAMPION, *_NOTHING_NEW, _CHAMPION):
            written = aws("s3").put_object(Bucket=bucket, Key=key, Body=f"{len(etags)}".encode())
            if key == _CHAMPION:
                etags.append(written["ETag"].strip('"'))
                bodies.append(_body(requests, outputs["release_trigger"]["repository"]))
        if not requests.empty():
            raise CheckFailed(f"GitHub was asked for more than two releases: {requests.get()}")
    wanted = [_wanted(bucket, etag) for etag in etags]
    seen = [{**body, "client_payload": _told(body["client_payload"])} for body in bodies]
    if seen != wanted:
        raise CheckFailed(f"GitHub was told {seen}, not {wanted}")
    return f"2 of {2 * len(_NOTHING_NEW) + 2} writes asked GitHub for a release, with a token that no state holds"


def _body(requests: "Queue[Request]", repository: str) -> Any:
    try:
        path, headers, body = requests.get(timeout=_SECONDS)
    except Empty:
        raise CheckFailed(f"GitHub was not asked for a release within {_SECONDS} s of a promotion") from None
    got = {header: headers.get(header) for header in _HEADERS}
    if (path, got) != (f"/repos/{repository}/dispatches", _HEADERS):
        raise CheckFailed(f"GitHub was asked at {path} with {got}")
    return body


def _wanted(bucket: str, etag: str) -> dict[str, Any]:
    told = {"environment": "dev", "model": "ride-duration", "champion": f"s3://{bucket}/{_CHAMPION}", "etag": etag}
    return {"event_type": "champion", "client_payload": told}


def _told(payload: Mapping[str, str]) -> dict[str, str]:
    """Leave out the event's id, and the version that the emulator does not know."""
    if not payload["event"] or "version" not in payload:
        raise CheckFailed(f"GitHub was told {payload}: an id of the event and a version are wanted")
    return {name: value for name, value in payload.items() if name not in {"event", "version"}}


@contextmanager
def _leading_to(aws: Aws, name: str, url: str) -> Iterator[None]:
    """Let the API destination *name* lead to *url*, and afterwards to where it led before."""
    events = aws("events")
    before = events.describe_api_destination(Name=name)["InvocationEndpoint"]
    events.update_api_destination(Name=name, InvocationEndpoint=before.replace("https://api.github.com", url))
    try:
        yield
    finally:
        events.update_api_destination(Name=name, InvocationEndpoint=before)


@contextmanager
def _github() -> "Iterator[tuple[str, Queue[Request]]]":
    """Answer as GitHub does to a dispatch; give the URL and the requests as they come."""
    requests: Queue[Request] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            requests.put((self.path, {name.title(): value for name, value in self.headers.items()}, body))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
