"""What a failed call says of itself: enough for an operator, and nothing of the request."""

from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from stream_consumer.aws.bounded_calls import Failure, attempt
from tests.fakes import ENDPOINT, client_error

PAYLOAD = '{"ride_id": "secret"}'


def failed(error: Exception) -> Failure:
    def call() -> None:
        raise error

    answer = attempt(call)
    assert isinstance(answer, Failure)
    return answer


QUOTING: dict[str, tuple[Exception, str]] = {
    "a service that quotes the request": (
        client_error("InvalidArgumentException", 400, f"Value {PAYLOAD} at records.1")("PutRecords"),
        "PutRecords was answered with InvalidArgumentException (HTTP status 400)",
    ),
    "a proxy that quotes it under a code of AWS's": (
        client_error("AccessDeniedException", 403, f"blocked: {PAYLOAD}")("PutRecords"),
        "PutRecords was answered with AccessDeniedException (HTTP status 403)",
    ),
    "a proxy that quotes it for a code": (
        client_error(PAYLOAD, 403, PAYLOAD)("PutObject"),
        "PutObject was answered with an unreadable error code (HTTP status 403)",
    ),
    "a code that does not end": (
        client_error("x" * 65, 403, PAYLOAD)("PutObject"),
        "PutObject was answered with an unreadable error code (HTTP status 403)",
    ),
    "an answer that is none": (ResponseParserError(f"invalid XML received:\n{PAYLOAD}"), "ResponseParserError"),
    "a status line that is none": (HTTPClientError(error=PAYLOAD), "HTTPClientError"),
    "parameters that botocore refuses": (ParamValidationError(report=PAYLOAD), "ParamValidationError"),
    "an error of our own": (TypeError(PAYLOAD), "TypeError"),
}


@pytest.mark.parametrize(("error", "reason"), QUOTING.values(), ids=QUOTING)
def test_a_reason_never_quotes_the_request(error: Exception, reason: str) -> None:
    """Reasons are logged, and no log carries a payload."""
    assert failed(error).reason == reason


def test_an_error_without_code_and_status_says_so() -> None:
    error: Any = client_error("x", 400)("PutRecords")
    error.response.clear()
    assert failed(error).reason == "PutRecords was answered with None (HTTP status unknown)"


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url=ENDPOINT),
        ConnectionClosedError(endpoint_url=ENDPOINT),
        NoCredentialsError(),
    ],
)
def test_what_an_operator_can_mend_is_told_in_botocores_words(error: Exception) -> None:
    assert failed(error).reason == f"{type(error).__name__}: {error}"
