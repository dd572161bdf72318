"""Retrying calls: transient errors, and the wait between two tries."""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

# Source: the sections "Errors" and "Common Errors" of PutRecords, GetRecords, PutObject and ReceiveMessage, and
# botocore.retries.standard. A test compares this list with botocore's throttled and transient error codes.
_TRANSIENT = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
# Source: RFC 9110, "Request Timeout", and RFC 6585, "Too Many Requests".
_TRY_AGAIN = frozenset({408, 429})
_SERVER_ERROR = 500


def is_transient(error: ClientError) -> bool:
    """Whether a retry can succeed after *error*. All other errors need an operator."""
    code = error.response.get("Error", {}).get("Code")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _TRANSIENT or status in _TRY_AGAIN or status >= _SERVER_ERROR


# Source: "Errors" of PutRecords, "Common Errors", and RFC 9110, "Content Too Large".
_INVALID = frozenset(
    {
        "InvalidArgumentException",
        "InvalidParameterValue",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)
_TOO_LARGE = 413


def is_invalid(error: ClientError) -> bool:
    """Whether the service refuses the content of the request, so that a part of the content may be accepted."""
    code = error.response.get("Error", {}).get("Code")
    return code in _INVALID or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _TOO_LARGE


# Full jitter. Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
_BACKOFF_BASE_SECONDS = 0.05
_BACKOFF_CAP_SECONDS = 2.0


Answer = TypeVar("Answer")


def _unfinished(futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
    # A lock does not accept an infinite timeout.
    return wait(futures, timeout=min(seconds, threading.TIMEOUT_MAX)).not_done


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The clock, the wait, the random numbers and the workers of a sink. Tests replace them."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    """Makes an executor with a number of workers."""
    unfinished: Callable[[Collection[Future[Any]], float], Collection[Future[Any]]] = _unfinished
    """Waits for calls for at most a number of seconds. Returns the unfinished calls."""

    def wait(self, attempt: int, deadline: float) -> bool:
        """Sleep before attempt number *attempt* + 1. Return False without sleeping if the deadline comes first."""
        delay = self.uniform(0, min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16)))
        if self.clock() + delay >= deadline:
            return False
        self.sleep(delay)
        return True

    def attempts(self, deadline: float) -> Iterator[int]:
        """Yield the numbers of attempts from 0, with waits between them, until *deadline* comes before the next."""
        attempt = 0
        yield attempt
        while self.wait(attempt, deadline):
            attempt += 1
            yield attempt

    def persist(self, ask: Callable[[], Answer], passes: Callable[[Exception], bool], seconds: float) -> Answer:
        """
        Return the answer to *ask*. Retry after each error for which *passes* is true, for up to *seconds*.

        Raises:
            Exception: The last error, once *seconds* are over. An error for which *passes* is false, at once.
        """
        failure: Exception | None = None
        for _ in self.attempts(self.clock() + seconds):
            try:
                return ask()
            except Exception as error:
                if not passes(error):
                    raise
                failure = error
        raise failure or AssertionError("an attempt has an answer or an error")
