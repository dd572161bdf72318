"""
Service calls with a deadline.

The rule: an error of the service is a value here, never an exception. Logs have the reason but never a payload. The
text of an answer is discarded, since a service or a proxy may quote the request in its answer.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from stream_consumer.aws.retry import RetryPolicy, is_invalid, is_transient

if TYPE_CHECKING:
    from concurrent.futures import Executor

# botocore's own errors. Their text names an endpoint or a source of credentials, never a request or an answer.
_TELLING = (
    BotoConnectionError,
    ConnectionClosedError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ReadTimeoutError,
)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]{0,63}")


class Failure(NamedTuple):
    reason: str
    transient: bool
    invalid: bool = False
    """Whether the service refuses the content of the request."""
    blames_part: bool = False
    """Whether the service names a record of the request as the fault."""


OUT_OF_TIME = "the deadline came before an answer"


class Calls:
    """Service calls in worker threads, so that a hanging call cannot outlive the deadline."""

    def __init__(self, in_flight: int, retry: RetryPolicy) -> None:
        self.in_flight = in_flight
        self._retry = retry
        self._pool: Executor | None = None

    def run(self, calls: Sequence[Callable[[], Any]], deadline: float) -> list[Any]:
        """Return for each call its result or a :class:`Failure`, in order. No call starts after *deadline*."""
        if self._retry.clock() >= deadline:
            return [Failure(OUT_OF_TIME, transient=False)] * len(calls)
        # Made on first use: a SnapStart snapshot must not hold threads.
        self._pool = self._pool or self._retry.executor(self.in_flight)
        futures = [self._pool.submit(attempt, call) for call in calls]
        late = self._retry.unfinished(futures, max(0.0, deadline - self._retry.clock()))
        if late:
            # Abandoned calls end by their own timeouts. The next write must not queue behind them.
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        return [Failure(OUT_OF_TIME, transient=False) if call in late else call.result() for call in futures]

    def persist(self, call: Callable[[], Any], deadline: float) -> tuple[Any, int]:
        """
        Make a *call* until a result, until a :class:`Failure` that is not transient, or until *deadline*.

        Returns:
            The result or the last failure, and the number of retries.
        """
        answer, again = None, 0
        for again in self._retry.attempts(deadline):
            [answer] = self.run([call], deadline)
            if not (isinstance(answer, Failure) and answer.transient):
                return answer, again
        return answer, again


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        invalid = is_invalid(error)
        return Failure(_answered(error), is_transient(error), invalid, invalid and _blames_part(error))
    except (BotoConnectionError, HTTPClientError, ResponseParserError) as error:
        return Failure(_named(error), transient=True)
    except Exception as error:  # noqa: BLE001 (no exception may lose the position in the stream)
        return Failure(_named(error), transient=False)


def _answered(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown")
    said = code if _CODE.fullmatch(code) else "an unreadable error code"
    return f"{error.operation_name} was answered with {said} (HTTP status {status})"


def _blames_part(error: ClientError) -> bool:
    # As recorded: "… at 'records.1.member.partitionKey' failed to satisfy constraint: …".
    return " at 'records." in str(error.response.get("Error", {}).get("Message"))


def _named(error: Exception) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, _TELLING) else name
