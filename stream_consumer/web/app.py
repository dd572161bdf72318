"""
The ASGI application: the model behind its paths.

The rule: a path reads the request, asks the batcher and writes the answer. Only the core decides on ride events.
"""

import contextlib
import importlib.metadata
import importlib.resources
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stream_consumer.contract.record import Record
from stream_consumer.inference import Decider
from stream_consumer.model import Model
from stream_consumer.web import endpoints, mlflow_format
from stream_consumer.web.answer import Answer, Gate, Receive, Scope, Send
from stream_consumer.web.batching import Batcher, Limits
from stream_consumer.web.endpoints import Scoring, logged
from stream_consumer.web.metrics import MEDIA_TYPE, Metrics
from stream_consumer.web.model_call import Called, Decide, inline_items
from stream_consumer.web.openapi import document
from stream_consumer.web.predict_format import example_rows
from stream_consumer.web.problems import Kind, Problem, escaped_json
from stream_consumer.web.settings import WebSettings
from stream_consumer.web.waiting import CallFailed, NotDecided

Handler = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger(__name__)

# Largest number of items in a shared call. A larger call would delay each request by more than a call's overhead.
_CALL_ITEMS = 1_000
# Without an example, the server is not ready for this time after a model call that failed on every event.
_BROKEN_SECONDS = 10.0

# The page needs only its own files and this server, and may load nothing else.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = ((b"content-security-policy", _POLICY), (b"referrer-policy", b"no-referrer"))
_PAGE = {"/docs": ("page.html", b"text/html"), "/docs/page.css": ("page.css", b"text/css")} | {
    f"/docs/{script}": (script, b"text/javascript") for script in ("fields.js", "page.js")
}


class WebApp:
    """An ASGI application that serves a model."""

    def __init__(
        self, model: Model, settings: WebSettings, decide: Decide, inline: int, metrics_directory: Path | None = None
    ) -> None:
        """*inline* is :attr:`Limits.inline_items`. *metrics_directory* is the directory of :func:`share_metrics`."""
        self._model = model
        self._example = example_records(model)
        self._draining = False
        self._metrics = Metrics(
            queued=lambda: self._batcher.queued,
            model=model.name,
            version=model.version,
            digest=model.digest,
            shared=metrics_directory,
        )
        limits = Limits(min(settings.max_items, _CALL_ITEMS), settings.queue_items, settings.timeout_ms / 1000, inline)
        self._batcher = Batcher(decide, limits, observe=self._called)
        self._gate = gate = Gate(settings.tokens, settings.max_body_bytes)
        self._document = escaped_json(document(model, settings))
        self._predict = Scoring(
            "/predict",
            endpoints.predict(self._batcher, settings.max_items),
            gate=gate,
            accepted=(mlflow_format.JSON,),
            metrics=self._metrics,
        )
        invoke = Scoring(
            "/invocations",
            endpoints.invoke(self._batcher, model.schema, settings.max_items),
            gate=gate,
            accepted=(mlflow_format.JSON, mlflow_format.CSV),
            metrics=self._metrics,
            refusal=mlflow_format.refusal,
        )
        self._others = Starlette(
            routes=[
                Route("/predict", self._predict, methods=["POST"]),
                Route("/invocations", invoke, methods=["POST"]),
                Route("/ping", self._ready),
                Route("/health", self._ready),
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                Route("/metrics", self._private(self._tell_metrics)),
                Route("/version", self._private(self._tell_version)),
                Route("/openapi.json", self._describe),
                Route("/", _to_page),
                *(Route(path, _page(*file)) for path, file in _PAGE.items()),
            ],
            exception_handlers={HTTPException: _no_such_thing, Problem: _refuse},
        )
        # Starlette would redirect clients, with body and token, to any host that their request named.
        self._others.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's routing costs a third of a prediction. docs/web.md has the figures.
        if scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            await self._others(scope, receive, send)

    def drain(self) -> None:
        """Report that the server is not ready. Requests that still arrive are answered."""
        self._draining = True

    def refresh_metrics(self) -> None:
        self._metrics.refresh()

    @property
    def stuck(self) -> bool:
        """Whether the current model call has lasted longer than any request waits for an answer."""
        return self._batcher.stuck

    def _called(self, called: Called) -> None:
        with contextlib.suppress(Exception):  # a failure to count must not lose the answers
            self._metrics.called(called)
        if isinstance(called.result, Exception):
            _log.error("a model call failed: %s", logged(called.result))

    async def _alive(self, _: Request) -> Response:
        return _json(HTTPStatus.OK, {"status": "alive"})

    async def _ready(self, _: Request) -> Response:
        reasons = {
            "the server is shutting down": self._draining,
            "as many events wait for the model as may": self._batcher.full,
            "the model call that runs does not end": self._batcher.stuck,
        }
        reason = "; ".join(reason for reason, holds in reasons.items() if holds)
        if not reason and await self._broken():
            # The error itself goes to the log.
            reason = "the latest model call failed on every event"
        if reason:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "not ready", "reason": reason})
        return _json(HTTPStatus.OK, {"status": "ready"})

    async def _broken(self) -> bool:
        """
        Return whether the model fails.

        After a failed call, the example is predicted to find out if the model has recovered.

        Load balancers send no events to a server that is not ready. Without an example, only an event can show that the
        model has recovered. Such a server is therefore ready again a few seconds after the last failure.
        """
        if self._batcher.failed_at is not None and self._example:
            with contextlib.suppress(NotDecided, CallFailed):
                await self._batcher.outcomes(self._example)
            return self._batcher.failed_at is not None
        return self._batcher.failed_within(_BROKEN_SECONDS)

    async def _tell_metrics(self, _: Request) -> Response:
        return _response(Answer(HTTPStatus.OK, self._metrics.text(), MEDIA_TYPE.encode()))

    async def _tell_version(self, _: Request) -> Response:
        facts = {
            "package": _installed("stream-consumer"),
            "model": self._model.name,
            "model_version": self._model.version,
            "model_digest": self._model.digest,
            "scikit_learn": _installed("scikit-learn"),
        }
        return _json(HTTPStatus.OK, facts)

    async def _describe(self, _: Request) -> Response:
        return _response(Answer(HTTPStatus.OK, self._document))

    def _private(self, handler: Handler) -> Handler:
        async def authorized(request: Request) -> Response:
            self._gate.authorize(request.scope["headers"])
            return await handler(request)

        return authorized


def web_app(model: Model, settings: WebSettings, metrics_directory: Path | None = None) -> WebApp:
    """Serve *model*. The model first predicts its example, which measures its speed and takes the slow first call."""
    decide = Decider(model).decide
    return WebApp(model, settings, decide, inline_items(decide, example_records(model)), metrics_directory)


def example_records(model: Model) -> list[Record]:
    """Return the events of the model's example."""
    return [Record(model.schema.event(row, number)) for number, row in enumerate(example_rows(model), start=1)]


def _page(file: str, media_type: bytes) -> Handler:
    content = (importlib.resources.files(__package__) / "docs" / file).read_bytes()
    answer = Answer(HTTPStatus.OK, content, media_type + b"; charset=utf-8", _PAGE_HEADERS)

    async def handler(_: Request) -> Response:
        return _response(answer)

    return handler


async def _to_page(_: Request) -> Response:
    # A relative location: a host that the client names must lead nobody elsewhere, and a gateway may have a prefix.
    return _response(Answer(HTTPStatus.TEMPORARY_REDIRECT, b"", b"text/plain", ((b"location", b"docs"),)))


async def _no_such_thing(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
    allow = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        problem = Problem(Kind.METHOD_NOT_ALLOWED, f"wanted {allow}", headers=((b"allow", allow.encode()),))
    else:
        problem = Problem(Kind.NOT_FOUND, "/docs tells which paths there are")
    return _response(Answer.of(problem))


async def _refuse(_: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):  # Starlette calls the handler only for its registered class
        raise problem
    return _response(Answer.of(problem))


def _json(status: HTTPStatus, content: object) -> Response:
    return _response(Answer(status, escaped_json(content)))


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers[:] = answer.fields()
    return response


def _installed(package: str) -> str | None:
    """Return the version of *package*. None in the image, which has the package's files without its metadata."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
