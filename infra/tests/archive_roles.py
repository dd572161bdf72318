"""
The roles of archives and of the daily run, and the situations that they may get into.

The rule is that of :mod:`infra.tests.situations`: what they are about is read off the delivery streams and off the
function's settings, not off the policies that are judged by it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.state import Resource
from infra.tests.interface_roles import Role, log_group_arn, use_of_key, values_of
from infra.tests.situations import Key, situation
from infra.tests.terraform import ACCOUNT, REGION

_HERE = f"{REGION}:{ACCOUNT}"
_HOUR = "2026/11/21/01/x.gz"
_ARCHIVED = {"QUALITY_PREDICTIONS": "prediction", "QUALITY_OUTCOMES": "outcome", "QUALITY_EVENTS": "event"}


def roles(found: Iterable[Resource], key: Key) -> list[Role]:
    """Return the roles of the modules archive and quality in a plan whose policies are wholly known."""
    found = list(found)
    return [*_of_archives(_within(found, "archive"), key), *_of_quality(_within(found, "quality"), key)]


def _within(found: Iterable[Resource], module: str) -> list[Resource]:
    return [item for item in found if re.search(rf"module\.{module}\[", item.address)]


def _of_archives(its: Sequence[Resource], key: Key) -> Iterable[Role]:
    for stream in values_of(its, "aws_kinesis_firehose_delivery_stream"):
        [role] = [one for one in values_of(its, "aws_iam_role") if one["name"] == stream["name"]]
        yield _role("archive", role, its, list(_of_archive(stream, key)))


def _role(part: str, role: Mapping[str, Any], its: Iterable[Resource], interface: Sequence[Mapping[str, Any]]) -> Role:
    policies = {
        item.address: item.values["policy"]
        for item in its
        if item.kind == "aws_iam_role_policy" and item.values["role"] == role["name"]
    }
    trust = json.loads(role["assume_role_policy"])
    return Role(
        part=part, name=role["name"], policies=policies, trust=trust, interface=interface, in_vpc=part == "quality"
    )


def _of_archive(stream: Mapping[str, Any], key: Key) -> Iterable[dict[str, Any]]:
    [source], [target] = stream["kinesis_source_configuration"], stream["extended_s3_configuration"]
    archived, bucket = source["kinesis_stream_arn"], target["bucket_arn"]
    folder, errors = (target[name].partition("!")[0] for name in ("prefix", "error_output_prefix"))
    yield situation("archived stream", archived)
    yield situation("a stream with a longer name", f"{archived}-2")
    yield situation("object of the archive", f"{bucket}/{folder}{_HOUR}")
    yield situation("object that could not be archived", f"{bucket}/{errors}processing-failed/{_HOUR}")
    yield situation("object of another archive", f"{bucket}/{folder[:-1]}-2/{_HOUR}")
    yield situation("failed object of another archive", f"{bucket}/{errors[:-1]}-2/{_HOUR}")
    yield from _of_bucket(bucket, key)
    for kind, arn in {"key for the archived stream": archived, "key for another stream": f"{archived}-2"}.items():
        request = {"kms:ViaService": f"kinesis.{REGION}.amazonaws.com", "kms:EncryptionContext:aws:kinesis:arn": arn}
        yield situation(kind, key.arn, request) | {"resourcePolicy": key.policy}
    [logging] = target["cloudwatch_logging_options"]
    group, name = log_group_arn(logging["log_group_name"]), logging["log_stream_name"]
    yield situation("archive's log stream", f"{group}:log-stream:{name}")
    yield situation("another archive's log stream", f"{group}:log-stream:{name}-2")
    yield situation("delivery stream", f"arn:aws:firehose:{_HERE}:deliverystream/{stream['name']}")


def _of_bucket(bucket: str, key: Key) -> Iterable[dict[str, Any]]:
    yield situation("bucket of archives", bucket)
    yield situation("another bucket", "arn:aws:s3:::payroll")
    yield use_of_key("key for the bucket of archives", key, bucket)
    yield use_of_key("key for another bucket", key, "arn:aws:s3:::payroll")
    yield situation("key, directly", key.arn) | {"resourcePolicy": key.policy}


def _of_quality(its: Sequence[Resource], key: Key) -> Iterable[Role]:
    if not its:
        return
    [function] = values_of(its, "aws_lambda_function")
    settings, name = function["environment"][0]["variables"], function["function_name"]
    situations = [*_of_day(settings, key), *_of_champion(settings["QUALITY_CHAMPION"], key), *_of_function(name)]
    for role in values_of(its, "aws_iam_role"):
        part = "quality" if role["name"] == name else "schedules of quality"
        yield _role(part, role, its, situations)


def _of_day(settings: Mapping[str, str], key: Key) -> Iterable[dict[str, Any]]:
    for variable, kind in _ARCHIVED.items():
        bucket, folder = _place(settings[variable])
        yield situation(f"archived {kind}", f"{bucket}/{folder}/{_HOUR}")
        yield situation(f"{kind} of another archive", f"{bucket}/{folder}-2/{_HOUR}")
    bucket, folder = _place(settings["QUALITY_RESULTS"])
    yield situation("result of a day", f"{bucket}/{folder}/2026-11-20.json")
    yield situation("another consumer's result", f"{bucket}/{folder}-2/2026-11-20.json")
    yield from _of_bucket(bucket, key)


def _place(uri: str) -> tuple[str, str]:
    """Return the ARN of the bucket of *uri*, and what stands behind it."""
    bucket, _, rest = uri.removeprefix("s3://").partition("/")
    return f"arn:aws:s3:::{bucket}", rest


def _of_champion(uri: str, key: Key) -> Iterable[dict[str, Any]]:
    bucket, file = _place(uri)
    yield situation("champion", f"{bucket}/{file}")
    yield situation("model of the champion", f"{bucket}/{file.rpartition('/')[0]}/abc/MLmodel")
    yield situation("bucket of models", bucket)
    yield use_of_key("key for the bucket of models", key, bucket)
    yield use_of_key("key for the champion", key, f"{bucket}/{file}")
    yield use_of_key("key for another model", key, f"{bucket}/{file}-2")


def _of_function(name: str) -> Iterable[dict[str, Any]]:
    function = f"arn:aws:lambda:{_HERE}:function:{name}"
    yield situation("daily function", f"{function}:live")
    yield situation("another version of it", f"{function}:7")
    yield situation("another function", f"{function}-2:live")


def cases(of: Iterable[Role]) -> Iterable[dict[str, Any]]:
    """Yield requests that the trust of the archives' roles decides; Firehose says by an identifier for whom it asks."""
    for role in (role for role in of if role.part == "archive"):
        for service, account, expect in (
            ("firehose", ACCOUNT, "Allowed"),
            ("firehose", "999999999999", "ImplicitlyDenied"),
            ("lambda", ACCOUNT, "ImplicitlyDenied"),
        ):
            yield {
                "name": f"AssumeRole of {role.name} by {service} for {account}",
                "principal": f"{service}.amazonaws.com",
                "account": ACCOUNT,
                "action": "sts:AssumeRole",
                "resource": role.role,
                "context": {"sts:ExternalId": account},
                "resourcePolicy": role.trust,
                "expect": expect,
            }
