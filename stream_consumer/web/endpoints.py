"""
The scoring endpoints, as bare ASGI applications for thousands of requests a second.

The rule: whatever happens, the request is answered and counted.
"""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.errors import described
from stream_consumer.scoring import unquoted
from stream_consumer.web import mlflow_format, predict_format
from stream_consumer.web.answer import Answer, ClientGone, Gate, Receive, Scope, Send
from stream_consumer.web.batching import Batcher
from stream_consumer.web.metrics import Metrics
from stream_consumer.web.problems import Kind, Problem
from stream_consumer.web.waiting import CallFailed, NotDecided, QueueFull, TooManyRefused

Score = Callable[[bytes, str], Awaitable[Answer]]
"""Returns the answer for a body and its media type, or raises a problem."""

_log = logging.getLogger(__name__)

# The queue empties in milliseconds, and the header cannot express less than a second.
_RETRY_SOON = ((b"retry-after", b"1"),)


class Scoring:
    """A path that takes a body and answers with predictions."""

    def __init__(  # noqa: PLR0913 (its parts, each named where they are composed)
        self,
        path: str,
        score: Score,
        *,
        gate: Gate,
        accepted: Collection[str],
        metrics: Metrics,
        refusal: Callable[[Problem], Answer] = Answer.of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._score = score
        self._gate = gate
        self._accepted = accepted
        self._metrics = metrics
        self._refusal = refusal
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock()
        try:
            self._gate.authorize(scope["headers"])
            answer = await self._score(*await self._gate.body(scope, receive, self._accepted))
        except ClientGone:
            return
        except Problem as problem:
            answer = self._refusal(problem)
        except Exception as error:  # noqa: BLE001 (what a broken model raises is not its requests' fault)
            answer = self._refusal(_problem(error))
        with contextlib.suppress(Exception):  # a failure to count must not lose the answer
            self._metrics.answered(self._path, answer.status, self._clock() - started)
        await answer.send(send)


def _problem(error: Exception) -> Problem:
    if isinstance(error, NotDecided):
        kind = Kind.QUEUE_FULL if isinstance(error, (QueueFull, TooManyRefused)) else Kind.TIMED_OUT
        return Problem(kind, str(error), headers=_RETRY_SOON)
    # The message may name files and machines, so only the operator sees it. The error of a model call is logged with
    # the call.
    if not isinstance(error, CallFailed):
        _log.error("a request failed: %s", logged(error))
    return Problem(Kind.MODEL_BROKEN, "the model failed; the server's log says how")


def logged(error: Exception) -> str:
    """Return the class and message of *error* in a form for logs, without data of the client."""
    return unquoted(described(error))


def predict(batcher: Batcher, max_items: int) -> Score:
    """Score a ride event or a list of them."""

    async def score(body: bytes, _media_type: str) -> Answer:
        records, is_list = predict_format.split(body, max_items)
        outcomes = await batcher.outcomes(records)
        if is_list:
            return Answer(*predict_format.answer_list(outcomes))
        return Answer(HTTPStatus.OK, predict_format.answer_one(outcomes[0]))

    return score


def invoke(batcher: Batcher, schema: EventSchema, max_items: int) -> Score:
    """Score rows in MLflow's scoring protocol."""

    async def score(body: bytes, media_type: str) -> Answer:
        outcomes = await batcher.outcomes(mlflow_format.records(body, media_type, schema, max_items))
        return Answer(HTTPStatus.OK, mlflow_format.predictions(outcomes))

    return score
