"""The role that ends canaries, and the situations that it may get into."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.state import Resource
from infra.tests.situations import situation
from infra.tests.terraform import ACCOUNT, REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class EndsCanaries:
    """The role, and the *functions* whose canaries it ends: those of the mappings."""

    name: str
    functions: frozenset[str]
    policies: Mapping[str, str]
    trust: Mapping[str, Any]

    @property
    def part(self) -> str:
        return "canary"

    @property
    def account(self) -> str:
        return ACCOUNT

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"

    def situations(self) -> list[dict[str, Any]]:
        functions = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
        ours = [situation("function", f"{functions}:{name}") for name in sorted(self.functions)]
        longer = [situation("a function with a longer name", f"{functions}:{name}-2") for name in self.functions]
        return [*ours, *longer, situation("web", f"{functions}:stream-consumer-prod-web"), situation("anything", "*")]


def is_of_a_canary(resource: Resource) -> bool:
    return ".module.canary." in resource.address


def role(found: Iterable[Resource]) -> EndsCanaries:
    """Read the role off a plan, and its functions off the consumers."""
    found = list(found)
    [made] = [item for item in found if item.kind == "aws_iam_role" and is_of_a_canary(item)]
    return EndsCanaries(
        name=made.values["name"],
        functions=frozenset(
            item.values["function_name"]
            for item in found
            if item.kind == "aws_lambda_function" and ".module.consumer[" in item.address
        ),
        policies={
            item.address: item.values["policy"]
            for item in found
            if item.kind == "aws_iam_role_policy" and is_of_a_canary(item)
        },
        trust=json.loads(made.values["assume_role_policy"]),
    )


def cases(of: EndsCanaries) -> Iterable[dict[str, Any]]:
    """Yield requests that the role's trust decides."""
    group = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{of.name}"
    ours = {"aws:SourceArn": group, "aws:SourceAccount": ACCOUNT}
    for service, context, expect in (
        ("scheduler", ours, "Allowed"),
        ("scheduler", ours | {"aws:SourceArn": f"{group}-2"}, "ImplicitlyDenied"),
        ("scheduler", ours | {"aws:SourceAccount": "999999999999"}, "ImplicitlyDenied"),
        ("lambda", ours, "ImplicitlyDenied"),
    ):
        yield {
            "name": f"AssumeRole of {of.name} by {service} with {context}",
            "principal": f"{service}.amazonaws.com",
            "account": ACCOUNT,
            "action": "sts:AssumeRole",
            "resource": of.role,
            "context": context,
            "resourcePolicy": of.trust,
            "expect": expect,
        }
