"""
Checks of the AWS account: the caller's identity, Lambda's concurrency, the bucket of Terraform's state.

The rule: a missing permission that only the preflight needs is not a fault. Terraform reports its own.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from infra.preflight.finding import Finding, stop
from infra.preflight.variables import Asked

UNRESERVED = 100
"""Lambda's minimum for functions without reservation. Source: AWS Lambda developer guide, "Reserved concurrency"."""
_QUOTA = "Concurrent executions (L-B99A9384) in Service Quotas"
_EXPIRED = (SSOTokenLoadError, TokenRetrievalError, UnauthorizedSSOTokenError)
_EXPIRED_CODES = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNSEEN = "not looked at without an identity"
_DELEGATED = re.compile(r"^\s*(assume_role\w*|role_arn|profile)\b", re.MULTILINE)
_SETTING = re.compile(r'^\s*(\w+)\s*=\s*"([^"]*)"', re.MULTILINE)


def region(environments: str | None, profiles: str | None) -> Finding:
    """Look for a region, in the environment's variables or in the profile."""
    if not (environments or profiles):
        return stop("region", "none", "set AWS_REGION, or a region in the profile (aws configure)")
    return Finding("region", environments or profiles or "")


def identity(sts: Any, asked: Asked) -> Finding:
    """Ask AWS for the identity of the credentials, and compare the account with the environment's."""
    try:
        account: str = sts.get_caller_identity()["Account"]
    except NoCredentialsError:
        return stop("identity", "no credentials", "aws sso login or aws configure, or name a profile by AWS_PROFILE")
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, _EXPIRED) or _code(error) in _EXPIRED_CODES:
            return stop("identity", "the credentials have expired", "log in again (aws sso login), or renew the keys")
        return stop("identity", _line(error), "look at the network, AWS_PROFILE and its credentials")
    if asked.account not in {None, account}:
        seen = f"account {account}, and the environment is of {asked.account}"
        return stop("identity", seen, "use credentials of that account (AWS_PROFILE), or another ENV")
    return Finding("identity", f"account {account}")


def concurrency(functions: Any, asked: Asked) -> Finding:
    """Compare the functions' reserved and provisioned concurrency with the account's quota."""
    if not asked.concurrency:
        return Finding("concurrency", "none is reserved or provisioned")
    try:
        limits = functions.get_account_settings()["AccountLimit"]
        held = sum(_held(functions, name) for name in asked.concurrency)
    except (BotoCoreError, ClientError) as error:
        return Finding("concurrency", _line(error), "compare the account's quota with the tfvars yourself")
    total = sum(asked.concurrency.values())
    to_be_had = max(limits["UnreservedConcurrentExecutions"] + held - UNRESERVED, 0)
    if total <= to_be_had:
        return Finding("concurrency", f"{total} asked for, {to_be_had} to be had")
    raised = limits["ConcurrentExecutions"] + UNRESERVED + total - limits["UnreservedConcurrentExecutions"] - held
    most = max(asked.concurrency, key=asked.concurrency.__getitem__)
    return stop(
        "concurrency",
        f"{total} asked for, {to_be_had} to be had",
        f"raise {_QUOTA} to {raised}, or lower reserved_concurrency and provisioned_concurrency ({most} has most)",
    )


def _held(functions: Any, name: str) -> int:
    """Return the current reservation of the function *name*."""
    try:
        return int(functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0))
    except functions.exceptions.ResourceNotFoundException:
        return 0


def state(root: Path, s3_in: Callable[[str | None], Any] | None) -> Finding:
    """Check that the bucket of Terraform's state exists. *s3_in* makes a client. None without credentials."""
    bootstrap = f"make bootstrap ENV={root.name}"
    file = root / "backend.hcl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    settings = dict(_SETTING.findall(text))
    if "bucket" not in settings:
        return stop("state", f"{file.name} names no bucket" if text else f"there is no {file.name}", bootstrap)
    bucket = settings["bucket"]
    if s3_in is None:
        return Finding("state", f"bucket {bucket}", _UNSEEN)
    try:
        s3_in(settings.get("region")).head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        if _code(error) == "404":
            return stop("state", f"there is no bucket {bucket}", bootstrap)
        if _code(error) != "403":
            return stop("state", f"{bucket}: {_line(error)}", f"look at bucket and region in {file.name}")
        denied = stop("state", f"access to {bucket} is denied", "use credentials that may read it (AWS_PROFILE)")
        # Terraform may use another role or profile, which this check does not.
        return replace(denied, blocks=not _DELEGATED.search(text))
    return Finding("state", f"bucket {bucket}")


def _code(error: BotoCoreError | ClientError) -> str:
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def _line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
