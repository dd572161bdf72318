"""Preflight, the account: whose credentials, Lambda's concurrency, and the bucket of Terraform's state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError

from infra.preflight import account
from infra.preflight.finding import Finding
from infra.preflight.variables import Asked


class Lambda:
    """An account of Lambda's: its limit, and what each function has reserved."""

    class exceptions:  # noqa: N801 (as boto3 calls it)
        class ResourceNotFoundException(Exception):
            """There is no such function."""

    def __init__(self, limit: int, reserved: Mapping[str, int | None], *, others: int = 0) -> None:
        self.limit, self.reserved = limit, dict(reserved)
        self.others = others

    def get_account_settings(self) -> dict[str, Any]:
        left = self.limit - self.others - sum(filter(None, self.reserved.values()))
        return {"AccountLimit": {"ConcurrentExecutions": self.limit, "UnreservedConcurrentExecutions": left}}

    def get_function_concurrency(self, FunctionName: str) -> dict[str, int]:  # noqa: N803 (as boto3 calls it)
        if FunctionName not in self.reserved:
            raise self.exceptions.ResourceNotFoundException
        reserved = self.reserved[FunctionName]
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


class Forbidden(Lambda):
    """An account whose settings may not be read."""

    def get_account_settings(self) -> dict[str, Any]:
        raise error("AccessDeniedException", "GetAccountSettings")


class Identity:
    """STS: the credentials of an account, or what is wrong with them."""

    def __init__(self, number: str | Exception) -> None:
        self.number = number

    def get_caller_identity(self) -> dict[str, str]:
        if isinstance(self.number, Exception):
            raise self.number
        return {"Account": self.number}


def wanted(number: str | None = None, **concurrency: int) -> Asked:
    return Asked(number, None, concurrency, {})


def error(code: str, operation: str = "GetCallerIdentity") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


_EXPIRED = "the credentials have expired: log in again (aws sso login), or renew the keys"
_OF_ANOTHER = "use credentials of that account (AWS_PROFILE), or another ENV"
_REFUSED = "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: no"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("123456789012", "ok   identity     account 123456789012"),
        (
            "210987654321",
            f"STOP identity     account 210987654321, and the environment is of 123456789012: {_OF_ANOTHER}",
        ),
        (error("ExpiredToken"), f"STOP identity     {_EXPIRED}"),
        (UnauthorizedSSOTokenError(), f"STOP identity     {_EXPIRED}"),
        (
            error("InvalidClientTokenId"),
            f"STOP identity     {_REFUSED}: look at the network, AWS_PROFILE and its credentials",
        ),
    ],
)
def test_credentials_are_those_of_the_environments_account(number: str | Exception, said: str) -> None:
    assert str(account.identity(Identity(number), wanted("123456789012"))) == said


def test_before_its_bootstrap_an_environment_is_of_the_callers_account() -> None:
    assert account.identity(Identity("210987654321"), wanted(None)) == Finding("identity", "account 210987654321")


@pytest.mark.parametrize(
    ("environments", "profiles", "line"),
    [
        ("eu-west-1", "us-east-1", "ok   region       eu-west-1"),
        (None, "us-east-1", "ok   region       us-east-1"),
        (None, None, "STOP region       none: set AWS_REGION, or a region in the profile (aws configure)"),
    ],
)
def test_the_environments_region_counts_before_the_profiles(
    environments: str | None, profiles: str | None, line: str
) -> None:
    assert str(account.region(environments, profiles)) == line


def test_concurrency_within_the_quota_passes() -> None:
    """Lambda keeps 100 unreserved, so of 1,000 there are 900 to be had."""
    found = account.concurrency(Lambda(1000, {}), wanted(a=800, b=100))
    assert str(found) == "ok   concurrency  900 asked for, 900 to be had"


def test_a_new_account_is_told_which_quota_to_raise() -> None:
    """AWS gives new accounts a limit of 10, of which nothing can be reserved."""
    found = account.concurrency(Lambda(10, {}), wanted(a=40, b=1))
    assert str(found) == (
        "STOP concurrency  41 asked for, 0 to be had: raise Concurrent executions (L-B99A9384) in Service Quotas "
        "to 141, or lower reserved_concurrency and provisioned_concurrency (a has most)"
    )
    assert not account.concurrency(Lambda(141, {}), wanted(a=40, b=1)).blocks
    assert account.concurrency(Lambda(140, {}), wanted(a=40, b=1)).blocks


def test_what_the_functions_have_already_is_not_asked_for_again() -> None:
    """The second deployment asks for what the first got; another function's reservation stays its own."""
    again = Lambda(1000, {"a": 500, "b": None}, others=300)
    assert str(account.concurrency(again, wanted(a=500, b=100))) == "ok   concurrency  600 asked for, 600 to be had"
    assert account.concurrency(again, wanted(a=501, b=100)).blocks


def test_without_reservations_no_quota_is_asked() -> None:
    assert str(account.concurrency(Forbidden(10, {}), wanted())) == "ok   concurrency  none is reserved or provisioned"


def test_a_permission_that_only_the_preflight_needs_stops_nothing() -> None:
    found = account.concurrency(Forbidden(10, {}), wanted(a=1))
    assert str(found).startswith("note concurrency  An error occurred (AccessDeniedException)")


def test_without_a_bucket_the_bootstrap_is_named(root: Path) -> None:
    assert str(account.state(root, None)) == "STOP state        there is no backend.hcl: make bootstrap ENV=dev"
    (root / "backend.hcl").write_text('region = "eu-west-1"\n')
    assert str(account.state(root, None)) == "STOP state        backend.hcl names no bucket: make bootstrap ENV=dev"


@pytest.mark.usefixtures("keys")
def test_the_bucket_of_the_state_is_looked_for_in_its_region(root: Path) -> None:
    asked_in = []

    def s3_in(region: str | None) -> Any:
        asked_in.append(region)
        return boto3.client("s3", region)

    (root / "backend.hcl").write_text('# made by make bootstrap\nbucket = "a-state"\nregion = "eu-west-3"\n')
    assert str(account.state(root, s3_in)) == "STOP state        there is no bucket a-state: make bootstrap ENV=dev"
    place = {"LocationConstraint": "eu-west-3"}
    boto3.client("s3", "eu-west-3").create_bucket(Bucket="a-state", CreateBucketConfiguration=place)  # type: ignore[arg-type]
    assert str(account.state(root, s3_in)) == "ok   state        bucket a-state"
    assert asked_in == ["eu-west-3"] * 2


@pytest.mark.parametrize(
    ("more", "verdict"), [("", "STOP"), ('profile = "of-the-state"\n', "note"), ("assume_role = {}\n", "note")]
)
def test_a_bucket_that_is_denied_stops_unless_terraform_goes_there_as_somebody_else(
    root: Path, more: str, verdict: str
) -> None:
    class Denied:
        def head_bucket(self, **_: str) -> None:
            raise error("403", "HeadBucket")

    (root / "backend.hcl").write_text(f'bucket = "a-state"\n{more}')
    assert str(account.state(root, lambda _: Denied())) == (
        f"{verdict} state        access to a-state is denied: use credentials that may read it (AWS_PROFILE)"
    )
