"""When a call is tried again: which errors are transient, and how long to wait."""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

# Source: the "Errors" sections of PutRecords, GetRecords, PutObject and ReceiveMessage, "Common Errors" of each, and
# botocore.retries.standard, whose lists of throttled and transient error codes a test compares with this one.
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
    """Whether another try can mend *error*; every other one is for an operator."""
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
    """Whether the service refuses what the request holds, so that a part of it may do."""
    code = error.response.get("Error", {}).get("Code")
    return code in _INVALID or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _TOO_LARGE


# Full jitter. Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
_BACKOFF_BASE_SECONDS = 0.05
_BACKOFF_CAP_SECONDS = 2.0


Answer = TypeVar("Answer")


def _unfinished(futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
    # An infinite deadline is no timeout that a lock can take.
    return wait(futures, timeout=min(seconds, threading.TIMEOUT_MAX)).not_done


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The clock, the wait, the dice and the workers of a sink; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    """Makes so many workers."""
    unfinished: Callable[[Collection[Future[Any]], float], Collection[Future[Any]]] = _unfinished
    """Waits for calls, at most so many seconds; those that did not end in time."""

    def wait(self, attempt: int, deadline: float) -> bool:
        """Sleep before attempt number *attempt* + 1; False, without sleeping, if the deadline would come first."""
        delay = self.uniform(0, min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16)))
        if self.clock() + delay >= deadline:
            return False
        self.sleep(delay)
        return True

    def attempts(self, deadline: float) -> Iterator[int]:
        """Yield the numbers of attempts, from 0: the next one after a wait, none if the deadline would come first."""
        attempt = 0
        yield attempt
        while self.wait(attempt, deadline):
            attempt += 1
            yield attempt

    def persist(self, ask: Callable[[], Answer], passes: Callable[[Exception], bool], seconds: float) -> Answer:
        """
        Return the answer to *ask*, which is asked again after each error that *passes*, for some *seconds*.

        Raises:
            Exception: The last error that passes, and any other at once.
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
