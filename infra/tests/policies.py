"""
Evaluate the rendered policies offline: the roles allow ``operations.json``, exactly.

For each role every action of every service in question is tried in every situation: its own stream, another stream, its
key through the right and the wrong service, and so on. What is allowed must equal the list, both ways.
"""

import json
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from infra.state import Resource
from infra.tests.situations import Consumer
from infra.tests.terraform import INFRA, CheckFailed

TRIED_SERVICES = (
    "cloudwatch", "ec2", "ecr", "ecs", "events", "firehose", "iam", "kafka", "kafka-cluster", "kinesis", "kms",
    "lambda", "logs", "s3", "sagemaker", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts",
)  # fmt: skip


class Subject(Protocol):
    """A role that is judged."""

    @property
    def part(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def policies(self) -> Mapping[str, str]: ...
    def situations(self) -> list[dict[str, Any]]: ...


def operations(part: str) -> set[tuple[str, str]]:
    """Return (situation, action) of every operation that the role *part* needs."""
    listed = json.loads((INFRA / "operations.json").read_text(encoding="utf-8"))["operations"]
    return {(item["resource"], item["action"]) for item in listed if part in item["roles"]}


def compare(deployed: Sequence[Subject], cases: Sequence[Mapping[str, Any]], tools: Path) -> str:
    """
    Hold the policies of *deployed* against operations.json, and each of *cases* against its ``expect``.

    Raises:
        CheckFailed: Something is allowed that is not listed, or listed and not allowed, or a case came out otherwise.
    """
    results, verdicts = _simulated(deployed, [TRIED_SERVICES] * len(deployed), cases, tools)
    faults, evaluated = [], len(cases)
    for subject, result in zip(deployed, results, strict=True):
        faults += _faults(subject, _allowed(result))
        evaluated += result["evaluated"]
    for case, verdict in zip(cases, verdicts, strict=True):
        if verdict != case["expect"]:
            faults.append(f"{case['name']}: {verdict}, not {case['expect']}")
    if faults:
        raise CheckFailed("\n".join(sorted(faults)))
    return f"{evaluated} requests of {', '.join(subject.name for subject in deployed)}: only the operations listed"


def noticed(mutants: Sequence[Subject], tools: Path) -> list[bool]:
    """Return for each role whether it may do other than operations.json lists, by requests to its own services."""
    services = [_own_services(mutant) for mutant in mutants]
    results, _ = _simulated(mutants, services, (), tools)
    return [
        bool(_faults(mutant, _allowed(result), tried))
        for mutant, result, tried in zip(mutants, results, services, strict=True)
    ]


def _own_services(subject: Subject) -> list[str]:
    """Return the services of what the role must do, and of what its policies name: no other can be allowed."""
    named = {action for _, action in operations(subject.part)} | {
        action
        for text in subject.policies.values()
        for statement in json.loads(text)["Statement"]
        for action in [statement.get("Action", [])]
        for action in ([action] if isinstance(action, str) else action)
    }
    return sorted({action.partition(":")[0] for action in named} & set(TRIED_SERVICES))


def _faults(subject: Subject, allowed: set[tuple[str, str]], services: Collection[str] = TRIED_SERVICES) -> list[str]:
    possible = {situation["kind"] for situation in subject.situations()}
    listed = {(kind, action) for kind, action in operations(subject.part) if action.partition(":")[0] in services}
    wanted = {operation for operation in listed if operation[0] in possible}
    also = {(situation["kind"], kind) for situation in subject.situations() for kind in situation.get("also", ())}
    fine = {(kind, action) for kind, base in also for of, action in listed if of == base}
    surplus = allowed - wanted - fine
    too_much = [f"{subject.name} may {action} on {kind}: not in operations.json" for kind, action in surplus]
    return too_much + [f"{subject.name} may not {action} on {kind}: it must" for kind, action in wanted - allowed]


def _question(subject: Subject, services: Collection[str]) -> dict[str, Any]:
    policies = [{"name": name, "policy": json.loads(text)} for name, text in subject.policies.items()]
    return {
        "principal": subject.role,
        "account": subject.account,
        "policies": policies,
        "situations": subject.situations(),
        "services": list(services),
    }


def _simulated(
    subjects: Sequence[Subject],
    services: Sequence[Collection[str]],
    cases: Sequence[Mapping[str, Any]],
    tools: Path,
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the result of each subject, by its own *services*, and of each case. Two processes share the subjects."""
    questions = [_question(subject, names) for subject, names in zip(subjects, services, strict=True)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(
            lambda half: _simulate(half[0], half[1], tools), [(questions[::2], cases), (questions[1::2], ())]
        )
    results: list[dict[str, Any]] = [{}] * len(questions)
    results[::2], results[1::2] = first["roles"], second["roles"]
    return results, first["cases"]


def _allowed(result: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(kind, action) for kind, action in result["allowed"]}


def _simulate(roles: Sequence[Mapping[str, Any]], cases: Sequence[Mapping[str, Any]], tools: Path) -> dict[str, Any]:
    question = {"roles": list(roles), "cases": list(cases)}
    if not any(question.values()):
        return question
    done = subprocess.run(
        ["node", "simulate.mjs"],  # noqa: S607 (the user's own Node)
        cwd=tools,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CheckFailed(f"the policies could not be evaluated:\n{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def resource_cases(found: Iterable[Resource], consumer: Consumer) -> list[dict[str, Any]]:
    """Return requests that the buckets', the key's, the topic's and the registry's policies decide, for *consumer*."""
    policies: dict[str, list[Mapping[str, Any]]] = {}
    for resource in found:
        text = resource.values.get("assume_role_policy" if resource.kind == "aws_iam_role" else "policy")
        if text:
            policies.setdefault(resource.kind, []).append(json.loads(text))
    return [
        *_bucket_cases(policies["aws_s3_bucket_policy"], consumer),
        *_service_cases(policies, consumer),
        *_key_cases(consumer),
    ]


def _bucket_cases(policies: Sequence[Mapping[str, Any]], consumer: Consumer) -> Iterable[dict[str, Any]]:
    for policy in policies:
        objects = policy["Statement"][0]["Resource"][1]
        for secure, expect in (("true", "Allowed"), ("false", "ExplicitlyDenied")):
            yield {
                "name": f"PutObject on {objects} with TLS {secure}",
                "principal": consumer.role,
                "account": consumer.account,
                "action": "s3:PutObject",
                "resource": objects.replace("*", "1.jsonl"),
                "context": {"aws:SecureTransport": secure},
                "policies": [{"name": "admin", "policy": _allow("s3:*", "*")}],
                "resourcePolicy": policy,
                "expect": expect,
            }


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def _service_cases(policies: Mapping[str, Sequence[Mapping[str, Any]]], of: Consumer) -> Iterable[dict[str, Any]]:
    function = f"arn:aws:lambda:{of.region}:{of.account}:function:{of.name}"
    registry = f"arn:aws:ecr:{of.region}:{of.account}:repository/sc"
    elsewhere = function.replace(":function:", ":function:payroll-")
    for pull in policies["aws_ecr_repository_policy"]:
        for service, source, expect in (
            ("lambda", function, "Allowed"),
            ("lambda", elsewhere, "ImplicitlyDenied"),
            ("ecs-tasks", function, "ImplicitlyDenied"),
        ):
            yield _by_service(service, "ecr:BatchGetImage", registry, {"aws:SourceArn": source}, pull, of, expect)
    for trust in policies["aws_iam_role"]:
        yield _by_service("lambda", "sts:AssumeRole", of.role, {}, trust, of, "Allowed")
        yield _by_service("ec2", "sts:AssumeRole", of.role, {}, trust, of, "ImplicitlyDenied")
    for publish in policies.get("aws_sns_topic_policy", ()):  # not known before the topic is
        topic = publish["Statement"][0]["Resource"]
        for account, expect in ((of.account, "Allowed"), ("999999999999", "ImplicitlyDenied")):
            context = {"aws:SourceAccount": account}
            yield _by_service("cloudwatch", "sns:Publish", topic, context, publish, of, expect)


def _key_cases(of: Consumer) -> Iterable[dict[str, Any]]:
    logs, group = f"logs.{of.region}", f"arn:aws:logs:{of.region}:{of.account}:log-group:/aws/lambda/{of.name}"
    for name, expect in ((group, "Allowed"), (group.replace("/lambda/", "/lambda/payroll-"), "ImplicitlyDenied")):
        context = {"kms:EncryptionContext:aws:logs:arn": name}
        yield _by_service(logs, "kms:GenerateDataKey", of.key.arn, context, of.key.policy, of, expect)
    for account, expect in ((of.account, "Allowed"), ("999999999999", "ImplicitlyDenied")):
        context = {"aws:SourceAccount": account}
        yield _by_service("cloudwatch", "kms:Decrypt", of.key.arn, context, of.key.policy, of, expect)
    stranger = _by_service("", "kms:Decrypt", of.key.arn, {}, of.key.policy, of, "ImplicitlyDenied")
    yield stranger | {
        "name": "kms:Decrypt by another account",
        "principal": "arn:aws:iam::999999999999:role/admin",
        "policies": [{"name": "admin", "policy": _allow("kms:*", "*")}],
    }


def _by_service(  # noqa: PLR0913, PLR0917 (a request has as many parts)
    service: str,
    action: str,
    resource: str,
    context: Mapping[str, str],
    policy: Mapping[str, Any],
    of: Consumer,
    expect: str,
) -> dict[str, Any]:
    return {
        "name": f"{action} by {service} with {context}",
        "principal": f"{service}.amazonaws.com",
        "account": of.account,
        "action": action,
        "resource": resource,
        "context": context,
        "resourcePolicy": policy,
        "expect": expect,
    }
