"""The application as a client has it, without a server: a request in, the reply out."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream_consumer.inference import Decider
from stream_consumer.web.app import WebApp
from stream_consumer.web.settings import WebSettings
from tests.rides import FakeModel
from tests.web.loop import run

TOKEN = "a-token-of-ours-0001"  # noqa: S105 (opens nothing)
JSON = {"content-type": "application/json"}


class ServedModel(FakeModel):
    """A fake model with what serving tells of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        told = {"name": "ride-duration", "version": "7"}
        example = () if "columns" in options else ([130], [205], [3.66])
        super().__init__(*arguments, **{"example": example} | told | options)


def settings(**environ: str) -> WebSettings:
    return WebSettings.of({"MODEL_LOCATION": "unused"} | environ)


def app(model: ServedModel | None = None, inline: int = 100, /, **environ: str) -> WebApp:
    served = model or ServedModel()
    return WebApp(served, settings(**environ), Decider(served).decide, inline)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert "json" in self.headers["content-type"]
        return json.loads(self.body)


@dataclass
class Request:
    """One request; its body may come in several parts, and the client may go before the last."""

    method: str
    path: str
    parts: Sequence[bytes] = (b"",)
    headers: Mapping[str, str] = field(default_factory=dict)
    goes: bool = False

    async def of(self, application: WebApp) -> Reply | None:
        """Return the reply; None if there was none."""
        coming: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": self.goes or at < len(self.parts)}
            for at, part in enumerate(self.parts, start=1)
        ]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return coming.pop(0) if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await asyncio.sleep(0)
            sent.append(message)

        path, _, query = self.path.partition("?")
        scope = {
            "type": "http",
            "method": self.method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
        }
        await application(scope, receive, send)
        if not sent:
            return None
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        assert int(headers["content-length"]) == len(body) or self.method == "HEAD"
        return Reply(sent[0]["status"], headers, body)


def ask(application: WebApp, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = JSON) -> Reply:
    reply = run(Request(method, path, (body,), headers).of(application))
    assert reply is not None
    return reply


def post(application: WebApp, body: bytes, path: str = "/predict", headers: Mapping[str, str] = JSON) -> Reply:
    return ask(application, "POST", path, body, headers)
