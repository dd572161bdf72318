"""
The roles of the monitor, and the situations that they may get into.

The rule is that of :mod:`infra.tests.situations`: what they are about is read off the function and its mapping, not off
the policies that are judged by it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from infra.state import Resource
from infra.tests.interface_roles import Role, of_the_model, use_of_key, values_of
from infra.tests.situations import Key, situation
from infra.tests.terraform import ACCOUNT, REGION

_MONITOR, _SCHEDULES = "monitor", "schedules of the monitor"
PARTS = {_MONITOR, _SCHEDULES}


def is_of_the_monitor(resource: Resource) -> bool:
    return re.search(r"module\.monitor\[", resource.address) is not None


def roles(found: Iterable[Resource], key: Key) -> list[Role]:
    """Return the roles of the module monitor in a plan whose policies are wholly known."""
    made = [resource for resource in found if is_of_the_monitor(resource)]
    return list(_roles(made, key)) if made else []


def _roles(made: Sequence[Resource], key: Key) -> Iterable[Role]:
    situations = [*_of_the_stream(made, key), *_of_profiles(made, key), *of_the_model(made, key), *_of_others(made)]
    [function] = values_of(made, "aws_lambda_function")
    for role in values_of(made, "aws_iam_role"):
        of_function = role["name"] == function["function_name"]
        its = (item for item in made if item.kind == "aws_iam_role_policy" and item.values["role"] == role["name"])
        yield Role(
            part=_MONITOR if of_function else _SCHEDULES,
            name=role["name"],
            policies={item.address: item.values["policy"] for item in its},
            trust=json.loads(role["assume_role_policy"]),
            interface=situations,
            in_vpc=of_function and bool(function["vpc_config"]),
        )


def _of_the_stream(made: Sequence[Resource], key: Key) -> Iterable[dict[str, Any]]:
    [mapping] = values_of(made, "aws_lambda_event_source_mapping")
    ours, others = mapping["event_source_arn"], f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/ride_predictions"
    yield situation("input stream", ours)
    yield situation("a stream with a longer name", f"{ours}_2")
    yield situation("the stream of predictions", others)
    for kind, stream in (("key for the input stream", ours), ("key for the stream of predictions", others)):
        request = {"kms:ViaService": f"kinesis.{REGION}.amazonaws.com", "kms:EncryptionContext:aws:kinesis:arn": stream}
        yield situation(kind, key.arn, request) | {"resourcePolicy": key.policy}
    yield situation("key, directly", key.arn) | {"resourcePolicy": key.policy}


def _of_profiles(made: Sequence[Resource], key: Key) -> Iterable[dict[str, Any]]:
    [function] = values_of(made, "aws_lambda_function")
    settings = function["environment"][0]["variables"]
    bucket, folder = f"arn:aws:s3:::{settings['PROFILE_BUCKET']}", settings["PROFILE_PREFIX"]
    name = "2026-11-21/shardId-000000000000-20261121T010000Z.json"
    yield situation("profile", f"{bucket}/{folder}/{name}")
    yield situation("a profile in a folder with a longer name", f"{bucket}/{folder}-2/{name}")
    yield situation("dead letter", f"{bucket}/dead-letters/ride-duration/ride_events/shardId-000000000000/496.jsonl")
    yield situation("on-failure document", f"{bucket}/aws/lambda/1234/shardId-000000000000/2026/11/21/document")
    yield situation("folder of profiles", bucket, {"s3:prefix": f"{folder}/2026-11-21/"})
    yield situation("folder of dead letters", bucket, {"s3:prefix": "dead-letters/"})
    yield situation("the whole bucket of profiles", bucket)
    yield situation("another bucket", "arn:aws:s3:::payroll")
    yield situation("a profile in another bucket", f"arn:aws:s3:::payroll/{folder}/{name}")
    yield use_of_key("key for the bucket of profiles", key, bucket)


def _of_others(made: Sequence[Resource]) -> Iterable[dict[str, Any]]:
    [function] = values_of(made, "aws_lambda_function")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function['function_name']}"
    yield situation("monitor's function", f"{arn}:live")
    yield situation("another version of the monitor's function", f"{arn}:7")
    yield situation("another function", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payroll:live")
    yield situation("a queue", f"arn:aws:sqs:{REGION}:{ACCOUNT}:payroll")
