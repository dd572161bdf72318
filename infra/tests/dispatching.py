"""
The role that tells GitHub of a new champion, and the situations that it may get into.

The rule is that of :mod:`infra.tests.situations`: what is its own is named here as AWS names it, not read off its
policies.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.state import Resource
from infra.tests.interface_roles import Role
from infra.tests.situations import situation
from infra.tests.terraform import ACCOUNT, REGION

_HERE = f"{REGION}:{ACCOUNT}"


def is_of_a_trigger(resource: Resource) -> bool:
    return re.search(r"module\.release_trigger\b", resource.address) is not None


def role(found: Iterable[Resource]) -> Role:
    """Read the role off the plan or the state of one trigger."""
    its = [resource for resource in found if is_of_a_trigger(resource)]
    [made] = [resource.values for resource in its if resource.kind == "aws_iam_role"]
    policies = {item.address: item.values["policy"] for item in its if item.kind == "aws_iam_role_policy"}
    trust, name = json.loads(made["assume_role_policy"]), made["name"]
    return Role(
        part="dispatch", name=name, policies=policies, trust=trust, interface=[*_situations(name)], in_vpc=False
    )


def _situations(name: str) -> Iterable[dict[str, Any]]:
    events = f"arn:aws:events:{_HERE}"
    yield situation("its API destination", f"{events}:api-destination/{name}/1111")
    yield situation("an API destination with a longer name", f"{events}:api-destination/{name}-2/1111")
    yield situation("its connection", f"{events}:connection/{name}/1111")
    yield situation("a rule", f"{events}:rule/{name}-ride-duration")
    yield situation("the token", f"arn:aws:secretsmanager:{_HERE}:secret:events!connection/{name}/1111-a1b2c3")
    yield situation("failed dispatches", f"arn:aws:sqs:{_HERE}:{name}-failed")
    yield situation("a function", f"arn:aws:lambda:{_HERE}:function:{name}")


def cases(found: Iterable[Resource], of: Role) -> list[dict[str, Any]]:
    """Return requests that the role's trust and the policy of the queue of failures decide."""
    its = [resource for resource in found if is_of_a_trigger(resource)]
    [queue] = [resource.values for resource in its if resource.kind == "aws_sqs_queue"]
    rules = [resource.values["name"] for resource in its if resource.kind == "aws_cloudwatch_event_rule"]
    kept = f"arn:aws:sqs:{_HERE}:{queue['name']}"
    return [
        *_decided("sts:AssumeRole", of.role, of.trust, rules),
        *_decided("sqs:SendMessage", kept, json.loads(queue["policy"]), rules),
    ]


def _decided(action: str, resource: str, policy: Mapping[str, Any], rules: Sequence[str]) -> Iterable[dict[str, Any]]:
    rule = f"arn:aws:events:{_HERE}:rule/{rules[0]}"
    right = {"aws:SourceArn": rule, "aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}
    asked = [
        ("events", right, "Allowed"),
        ("events", right | {"aws:SourceArn": f"{rule}-2"}, "ImplicitlyDenied"),
        ("events", right | {"aws:SourceAccount": "999999999999"}, "ImplicitlyDenied"),
        ("scheduler", right, "ImplicitlyDenied"),
    ]
    if action == "sqs:SendMessage":
        asked.append(("events", right | {"aws:SecureTransport": "false"}, "ExplicitlyDenied"))
    for service, context, expect in asked:
        yield {
            "name": f"{action} on {resource} by {service} with {context}",
            "principal": f"{service}.amazonaws.com",
            "account": ACCOUNT,
            "action": action,
            "resource": resource,
            "context": context,
            "resourcePolicy": policy,
            "expect": expect,
        }
