"""Which errors of AWS another try can mend."""

from typing import Any

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from stream_consumer.aws.retry import is_transient
from tests.fakes import client_error

# Whose stubs leave the lists out.
_CHECKERS: tuple[Any, ...] = (ThrottledRetryableChecker, TransientRetryableChecker)
BOTOCORE = sorted({*_CHECKERS[0]._THROTTLED_ERROR_CODES, *_CHECKERS[1]._TRANSIENT_ERROR_CODES})  # noqa: SLF001


@pytest.mark.parametrize("code", BOTOCORE)
def test_what_botocore_tries_again_is_tried_again(code: str) -> None:
    """By whatever name a service calls throttling; botocore keeps the list of names that were ever seen."""
    assert is_transient(client_error(code, 400)("PutRecords"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_status_that_asks_for_another_try_is_enough(status: int) -> None:
    """A proxy knows none of AWS's codes."""
    assert is_transient(client_error(str(status), status)("PutRecords"))


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDeniedException", 400), ("403", 403), ("ValidationException", 400)]
)
def test_every_other_error_is_for_an_operator(code: str, status: int) -> None:
    assert not is_transient(client_error(code, status)("PutRecords"))
