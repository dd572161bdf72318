"""
The role that workflows deploy with, and the situations that it may get into.

The rule is that of :mod:`infra.tests.situations`: what is its own is named here as AWS names it, not read off its
policies.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.state import Resource
from infra.tests.policies import operations
from infra.tests.situations import Key, situation
from infra.tests.terraform import ACCOUNT, INFRA, REGION, REPOSITORY, CheckFailed

_GITHUB = "token.actions.githubusercontent.com"
_COMMON = {"any alarm", "anything", "mapping"}  # what of another environment cannot be told apart
_LONGEST = 6144  # characters of a managed policy. Source: IAM user guide, "IAM and AWS STS quotas".


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRole:
    """The role of one environment, ``prefix`` being its name for everything."""

    prefix: str
    key: Key
    boundary: str
    name: str
    policies: Mapping[str, str]
    trust: Mapping[str, Any]

    @property
    def part(self) -> str:
        return "deploy"

    @property
    def account(self) -> str:
        return ACCOUNT

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"

    def situations(self) -> list[dict[str, Any]]:
        others = [
            {**item, "kind": f"another environment's {item['kind']}", "also": [*_COMMON & {*item["also"]}]}
            for item in (*_of("stream-consumer-uat"), *self._of_roles("stream-consumer-uat"))
        ]
        policy = f"arn:aws:iam::{ACCOUNT}:policy/{self.name}-0"
        its = [situation("itself", self.role), situation("its own policy", policy)]
        return [*_of(self.prefix), *self._of_roles(self.prefix), *self._of_keys(), *_of_all(), *others, *its]

    def _of_roles(self, prefix: str) -> Iterable[dict[str, Any]]:
        role = f"arn:aws:iam::{ACCOUNT}:role/apps/{prefix}-ride-duration"
        yield situation("role", role)
        for kind, context in {
            "role under the boundary": {"iam:PermissionsBoundary": self.boundary},
            "role under another boundary": {"iam:PermissionsBoundary": f"{self.boundary}-2"},
            "role, to AWS": {"iam:PassedToService": "lambda.amazonaws.com"},
            "role, to a machine": {"iam:PassedToService": "ec2.amazonaws.com"},
        }.items():
            yield situation(kind, role, context, ["role"])

    def _of_keys(self) -> Iterable[dict[str, Any]]:
        buckets = {"the state": "state", "models": "models", "files": "failures"}
        for what, kind in buckets.items():
            yield self._key(f"key for {what}", "s3", "aws:s3:arn", f"arn:aws:s3:::{self.prefix}-{kind}-{ACCOUNT}")
        stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream"
        yield self._key("key for a stream", "kinesis", "aws:kinesis:arn", f"{stream}/{self.prefix}-events")
        yield self._key("key for another stream", "kinesis", "aws:kinesis:arn", f"{stream}/payments")
        yield situation("key", self.key.arn) | {"resourcePolicy": self.key.policy}

    def _key(self, kind: str, service: str, context: str, of: str) -> dict[str, Any]:
        asked = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com", f"kms:EncryptionContext:{context}": of}
        return situation(kind, self.key.arn, asked, ["key"]) | {"resourcePolicy": self.key.policy}


def _of(prefix: str) -> Iterable[dict[str, Any]]:
    """Yield what an environment has, by the names of operations.json."""
    here = f"{REGION}:{ACCOUNT}"
    state, models = (f"arn:aws:s3:::{prefix}-{kind}-{ACCOUNT}" for kind in ("state", "models"))
    environment = prefix.rpartition("-")[2]
    yield situation("state", f"{state}/stream-consumer/{environment}.tfstate")
    yield situation("state of the bootstrap", f"{state}/stream-consumer/{environment}-bootstrap.tfstate")
    yield situation("bucket of the state", state)
    yield situation("bucket of models", models, {"s3:prefix": "models/ride-duration/7/"})
    yield situation("whole bucket of models", models)
    yield situation("model", f"{models}/models/ride-duration/7/MLmodel")
    yield situation("training data", f"{models}/training/rides.parquet")
    yield situation("record of releases", f"{models}/releases/{environment}/2026-11-27T15:00:00.000Z.json")
    yield situation("folder of releases", models, {"s3:prefix": f"releases/{environment}/"})
    yield situation("champion of a model", f"{models}/models/ride-duration/champion.json", also=["model"])
    yield situation("repository", f"arn:aws:ecr:{here}:repository/{prefix}")
    function = f"arn:aws:lambda:{here}:function:{prefix}-ride-duration"
    mapping = f"arn:aws:lambda:{here}:event-source-mapping:11111111-2222-3333-4444-555555555555"
    yield situation("function", function)
    yield situation("alias of a function", f"{function}:live", also=["function"])
    yield situation(
        "URL of a function",
        f"{function}:live",
        {"lambda:InvokedViaFunctionUrl": "true"},
        ["function", "alias of a function"],
    )
    yield situation("mapping of a function", mapping, {"lambda:FunctionArn": function}, ["mapping"])
    yield situation("new mapping of a function", "*", {"lambda:FunctionArn": function}, ["anything"])
    stream = f"arn:aws:kinesis:{here}:stream/{prefix}-events"
    yield situation("stream", stream)
    yield situation("fan-out consumer", f"{stream}/consumer/{prefix}-trial:1700000000", also=["stream"])
    yield situation("log group", f"arn:aws:logs:{here}:log-group:/aws/lambda/{prefix}-ride-duration")
    bucket = f"arn:aws:s3:::{prefix}-failures-{ACCOUNT}"
    yield situation("bucket", bucket)
    yield situation("object of a bucket", f"{bucket}/aws/lambda/1.json")
    yield situation("dead letter", f"{bucket}/dead-letters/1.jsonl", also=["object of a bucket"])
    rides = f"arn:aws:s3:::{prefix}-batch-{ACCOUNT}/rides"
    yield situation("smoke test's file", f"{rides}/smoke-1.parquet", also=["object of a bucket"])
    yield situation("file", f"{rides}/2021-03.parquet", also=["object of a bucket"])
    yield situation("queue", f"arn:aws:sqs:{here}:{prefix}-batch")
    yield situation("topic", f"arn:aws:sns:{here}:{prefix}-alarms")
    yield situation("alarm", f"arn:aws:cloudwatch:{here}:alarm:{prefix}-ride-duration-errors", also=["any alarm"])
    yield situation("dashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{prefix}")
    cluster = f"arn:aws:ecs:{here}:cluster/{prefix}-batch"
    yield situation("cluster", cluster)
    instance = f"arn:aws:ecs:{here}:container-instance/{prefix}-batch/abc"
    yield situation("tasks of a cluster", instance, {"ecs:cluster": cluster})
    yield situation("task definition", f"arn:aws:ecs:{here}:task-definition/{prefix}-batch-worker:3")
    yield situation("rule", f"arn:aws:events:{here}:rule/{prefix}-batch-failed-tasks")
    yield situation("schedule", f"arn:aws:scheduler:{here}:schedule/{prefix}-batch/{prefix}-batch-starter")
    yield situation("schedule group", f"arn:aws:scheduler:{here}:schedule-group/{prefix}-batch")
    yield from _of_archives(prefix)
    yield from _of_trigger(prefix)


def _of_trigger(prefix: str) -> Iterable[dict[str, Any]]:
    here = f"{REGION}:{ACCOUNT}"
    trigger = f"{prefix}-release"
    yield situation("connection", f"arn:aws:events:{here}:connection/{trigger}/1111")
    yield situation("API destination", f"arn:aws:events:{here}:api-destination/{trigger}/1111")
    yield situation(
        "secret of a connection", f"arn:aws:secretsmanager:{here}:secret:events!connection/{trigger}/1111-a1b2c3"
    )
    yield situation("another secret", f"arn:aws:secretsmanager:{here}:secret:{prefix}-password-a1b2c3")


def _of_archives(prefix: str) -> Iterable[dict[str, Any]]:
    here = f"{REGION}:{ACCOUNT}"
    yield situation("delivery stream", f"arn:aws:firehose:{here}:deliverystream/{prefix}-archive-events")
    group = f"arn:aws:logs:{here}:log-group:/aws/kinesisfirehose/{prefix}-archive"
    yield situation("log stream of an archive", f"{group}:log-stream:{prefix}-archive-events", also=["log group"])
    lambdas = f"arn:aws:logs:{here}:log-group:/aws/lambda/{prefix}-ride-duration"
    yield situation("log stream of a function", f"{lambdas}:log-stream:2026/11/21/[1]abc", also=["log group"])


def _of_all() -> Iterable[dict[str, Any]]:
    """Yield what is the same in every environment; an API is not among it, for the simulator knows none."""
    here = f"{REGION}:{ACCOUNT}"
    yield situation("bucket of yours", "arn:aws:s3:::company-rides")
    yield situation("smoke test's file", "arn:aws:s3:::company-rides/rides/smoke-1.parquet")
    yield situation("file of yours", "arn:aws:s3:::company-rides/rides/1.parquet")
    yield situation("another bucket", "arn:aws:s3:::payroll")
    yield situation("mapping", f"arn:aws:lambda:{here}:event-source-mapping:11111111-2222-3333-4444-555555555556")
    yield situation("any alarm", f"arn:aws:cloudwatch:{here}:alarm:payroll")
    aws = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    yield situation("role of AWS's own", aws, {"iam:AWSServiceName": "ecs.amazonaws.com"})
    yield situation("anything", "*")


def role(found: Iterable[Resource], key: Key, boundary: str) -> DeployRole:
    """Read the deploy role off the plan of a bootstrap whose key is given."""
    by_kind: dict[str, list[Resource]] = {}
    for resource in found:
        by_kind.setdefault(resource.kind, []).append(resource)
    [made] = by_kind["aws_iam_role"]
    [models] = [item for item in by_kind["aws_s3_bucket"] if ".models." in item.address]
    policies = {item.address: item.values["policy"] for item in by_kind["aws_iam_policy"]}
    if too_long := [name for name, policy in policies.items() if len(policy) > _LONGEST]:
        raise CheckFailed(f"longer than {_LONGEST} characters: {', '.join(too_long)}")
    return DeployRole(
        prefix=models.values["bucket"].partition("-models-")[0],
        key=key,
        boundary=boundary,
        name=made.values["name"],
        policies=policies,
        trust=json.loads(made.values["assume_role_policy"]),
    )


def cases(of: DeployRole) -> Iterable[dict[str, Any]]:
    """Yield requests that the role's trust decides."""
    environment = of.prefix.rpartition("-")[2]
    ours = f"repo:{REPOSITORY}:environment:{environment}"
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{_GITHUB}"
    for subject, audience, expect in (
        (ours, "sts.amazonaws.com", "Allowed"),
        (f"repo:{REPOSITORY}:ref:refs/heads/main", "sts.amazonaws.com", "ImplicitlyDenied"),
        (ours.replace(REPOSITORY, "somebody/rides"), "sts.amazonaws.com", "ImplicitlyDenied"),
        (ours, "https://github.com/my-company", "ImplicitlyDenied"),
    ):
        yield {
            "name": f"AssumeRoleWithWebIdentity of {of.name} by {subject} for {audience}",
            "principal": provider,
            "account": ACCOUNT,
            "action": "sts:AssumeRoleWithWebIdentity",
            "resource": of.role,
            "context": {f"{_GITHUB}:sub": subject, f"{_GITHUB}:aud": audience},
            "resourcePolicy": of.trust,
            "expect": expect,
        }


def allows(calls: Iterable[str]) -> str:
    """
    Hold what a deployment called against what operations.json lists for the deploy role.

    Raises:
        CheckFailed: Names the calls that it does not list.
    """
    entries = json.loads((INFRA / "operations.json").read_text(encoding="utf-8"))["operations"]
    listed = {call for entry in entries if "deploy" in entry["roles"] for call in entry["calls"]}
    made = set(calls) - {"sts:GetCallerIdentity"}  # everybody may ask who he is
    if not made or (unlisted := sorted(made - listed)):
        raise CheckFailed(f"the deploy role lists nothing for {', '.join(unlisted) if made else 'no call at all'}")
    return (
        f"{len(made)} kinds of calls, all of them among the {len(operations('deploy'))} operations of the deploy role"
    )
