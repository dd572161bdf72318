"""
Service calls that end by a deadline.

The rule: an error of the service is a value here, never an exception.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004
from botocore.parsers import ResponseParserError

from stream_consumer.aws.retry import Patience, is_transient

if TYPE_CHECKING:
    from concurrent.futures import Executor

# Errors whose message quotes what was refused; reasons are logged, and no log carries a payload.
_QUOTING = frozenset({"SerializationException", "ValidationException"})


class Failure(NamedTuple):
    reason: str
    transient: bool


OUT_OF_TIME = "the deadline came before an answer"


class Calls:
    """Service calls in worker threads, so that a hanging one cannot outlive the deadline."""

    def __init__(self, in_flight: int, patience: Patience) -> None:
        self.in_flight = in_flight
        self._patience = patience
        self._pool: Executor | None = None

    def run(self, calls: Sequence[Callable[[], Any]], deadline: float) -> list[Any]:
        """Return for each call its result or the :class:`Failure` it met, in order; start none after *deadline*."""
        if self._patience.clock() >= deadline:
            return [Failure(OUT_OF_TIME, transient=False)] * len(calls)
        # Made on first use: a SnapStart snapshot must not hold threads.
        self._pool = self._pool or self._patience.executor(self.in_flight)
        futures = [self._pool.submit(attempt, call) for call in calls]
        late = self._patience.unfinished(futures, max(0.0, deadline - self._patience.clock()))
        if late:
            # The abandoned calls end by their own timeouts; the next write must not queue behind them.
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        return [Failure(OUT_OF_TIME, transient=False) if call in late else call.result() for call in futures]


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"].get("Code", "Unknown")
        return Failure(code if code in _QUOTING else str(error), is_transient(error))
    except (ConnectionError, HTTPClientError, ResponseParserError) as error:
        return Failure(f"{type(error).__name__}: {error}", transient=True)
    except BotoCoreError as error:  # no credentials, no region: for an operator
        return Failure(f"{type(error).__name__}: {error}", transient=False)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not cost us our place; it may quote a payload)
        return Failure(type(error).__name__, transient=False)
