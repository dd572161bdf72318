"""
The roles of the batch and the web interface, and the situations that they may get into.

The rule is the rule of :mod:`infra.tests.situations`: the situations come from an interface's resources (queues, tasks,
functions, a bucket's notifications), not from the policies under test.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.state import Resource
from infra.tests.situations import Key, interfaces, situation
from infra.tests.terraform import ACCOUNT, REGION, CheckFailed

_LAMBDA, _TASKS, _SCHEDULER = "lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"
SAGEMAKER = "sagemaker.amazonaws.com"

# Suffix of a role's name, and the role in operations.json. A web interface has the role of its function.
_PARTS = {
    "-worker": "worker",
    "-batch": "batch",
    "-execution": "execution",
    "-starter": "starter",
    "-schedules": "schedules",
    "-interval": "interval",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role of an interface, in the situations that any role of that interface may get into."""

    part: str
    name: str
    policies: Mapping[str, str]
    trust: Mapping[str, Any]
    interface: Sequence[Mapping[str, Any]]
    in_vpc: bool

    @property
    def account(self) -> str:
        return ACCOUNT

    @property
    def role(self) -> str:
        return role_arn(self.name)

    def situations(self) -> list[dict[str, Any]]:
        own = f"{log_group_arn('/aws/lambda/' + self.name)}:log-stream:2026/11/21/[1]abc"
        of_functions = {"starter", "interval", "web", "monitor", "quality"}
        kind = "own log stream" if self.part in of_functions else "a function's log stream"
        network = interfaces(self.name, ACCOUNT, REGION, in_vpc=self.in_vpc)
        return [*map(dict, self.interface), situation(kind, own), *network]


def is_of_an_interface(resource: Resource) -> bool:
    return re.search(r"module\.(archive|batch|quality|training|web)\[", resource.address) is not None


def roles(found: Iterable[Resource], key: Key) -> list[Role]:
    """Return the roles of every interface in a plan whose policies are wholly known."""
    by_interface: dict[str, list[Resource]] = {}
    for resource in found:
        if interface := re.match(r"(.*?module\.(?:batch|web)\[.+?\])", resource.address):
            by_interface.setdefault(interface[1], []).append(resource)
    return [role for interface in by_interface.values() for role in _roles(interface, key)]


def _roles(interface: Sequence[Resource], key: Key) -> Iterable[Role]:
    situations = [
        *_of_files(interface, key),
        *of_the_model(interface, key),
        *_of_runs(interface),
        *_of_others(interface),
    ]
    inside = {
        function["function_name"] for function in values_of(interface, "aws_lambda_function") if function["vpc_config"]
    }
    for made in (resource for resource in interface if resource.kind == "aws_iam_role"):
        name = made.values["name"]
        its = (item for item in interface if item.kind == "aws_iam_role_policy" and item.values["role"] == name)
        policies = {item.address: item.values.get("policy") for item in its}
        if not (policies and all(policies.values())):
            raise CheckFailed(f"the policies of {made.address} are not known in the plan")
        yield Role(
            part=_part(name, interface),
            name=name,
            policies={address: policy for address, policy in policies.items() if policy},
            trust=json.loads(made.values["assume_role_policy"]),
            interface=situations,
            in_vpc=name in inside,
        )


def _part(role: str, interface: Sequence[Resource]) -> str:
    part = next((part for end, part in _PARTS.items() if role.endswith(end)), "web")
    on_lambda = any(".module.interval[" in resource.address for resource in interface)
    return "schedules of functions" if part == "schedules" and on_lambda else part


def values_of(interface: Iterable[Resource], kind: str) -> list[Mapping[str, Any]]:
    return [resource.values for resource in interface if resource.kind == kind]


def _of_files(interface: Sequence[Resource], key: Key) -> Iterable[dict[str, Any]]:
    for arrivals in values_of(interface, "aws_s3_bucket_notification"):
        bucket, prefix = f"arn:aws:s3:::{arrivals['bucket']}", arrivals["queue"][0]["filter_prefix"]
        [template] = set(_settings(interface, "BATCH_OUTPUT_KEYED"))
        place = re.fullmatch(r"s3://([^/]+)/(.*)\{key\}", template)
        if not place:
            raise CheckFailed(f"results go to {template}, which names no bucket")
        results, folder = f"arn:aws:s3:::{place[1]}", place[2]
        yield situation("input file", f"{bucket}/{prefix}2021-03.parquet")
        yield situation("another file of the input bucket", f"{bucket}/payroll/2021-03.parquet")
        yield situation("input bucket", bucket)
        yield situation("result", f"{results}/{folder}{prefix}2021-03.parquet")
        yield situation("another file of the results bucket", f"{results}/payroll/2021-03.parquet")
        yield situation("results bucket", results)
        yield situation("another bucket", "arn:aws:s3:::payroll")
        if bucket != results:  # with one bucket for both, the key cannot tell which is meant
            yield use_of_key("key for the input bucket", key, bucket)
        yield use_of_key("key for an input file", key, f"{bucket}/{prefix}2021-03.parquet")
        yield use_of_key("key for another file of the input bucket", key, f"{bucket}/payroll/2021-03.parquet")
        yield use_of_key("key for the results bucket", key, results)


def of_the_model(interface: Sequence[Resource], key: Key) -> Iterable[dict[str, Any]]:
    [location] = set(_settings(interface, "MODEL_LOCATION"))
    bucket, _, folder = location.removeprefix("s3://").partition("/")
    yield situation("model folder", f"arn:aws:s3:::{bucket}", {"s3:prefix": f"{folder}/"})
    yield situation("the whole model bucket", f"arn:aws:s3:::{bucket}")
    yield situation("model file", f"arn:aws:s3:::{bucket}/{folder}/MLmodel")
    yield situation("another model's file", f"arn:aws:s3:::{bucket}/{folder}0/MLmodel")
    yield use_of_key("key for the model bucket", key, f"arn:aws:s3:::{bucket}")
    yield use_of_key("key for a model file", key, f"arn:aws:s3:::{bucket}/{folder}/MLmodel")
    yield use_of_key("key for another model's file", key, f"arn:aws:s3:::{bucket}/{folder}0/MLmodel")
    yield use_of_key("key for another bucket", key, "arn:aws:s3:::payroll")
    yield use_of_key("key, through SQS", key, f"arn:aws:s3:::{bucket}", "sqs")


def _settings(interface: Iterable[Resource], name: str) -> Iterable[str]:
    """Yield the values of the environment variable *name* of every function and task that has it."""
    for function in values_of(interface, "aws_lambda_function"):
        settings = function["environment"][0].get("variables", {})  # the starter's are not wholly known before it is
        if name in settings:
            yield settings[name]
    for task in values_of(interface, "aws_ecs_task_definition"):
        [container] = json.loads(task["container_definitions"])
        yield from (item["value"] for item in container["environment"] if item["name"] == name)


def _of_runs(interface: Sequence[Resource]) -> Iterable[dict[str, Any]]:
    queue_kinds = {"work": "queue", "dead-letters": "dead letters", "failed-runs": "failed runs"}
    for resource in interface:
        index = resource.address.rpartition('["')[2].removesuffix('"]')
        if resource.kind == "aws_sqs_queue":
            yield situation(queue_kinds[_queue(resource)], f"arn:aws:sqs:{REGION}:{ACCOUNT}:{resource.values['name']}")
        elif resource.kind == "aws_ecs_task_definition":
            yield from _of_task(index, resource.values["family"], values_of(interface, "aws_ecs_cluster")[0]["name"])
        elif resource.kind == "aws_lambda_function":
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{resource.values['function_name']}"
            kind = "interval's function" if ".interval[" in resource.address else "starter"
            yield situation(kind if ".module.function." not in resource.address else "the web function", f"{arn}:live")
            yield situation(f"another version of {kind}", f"{arn}:7")
    for cluster in values_of(interface, "aws_ecs_cluster"):
        instances = f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance"
        execution = role_arn(f"{cluster['name']}-execution")
        yield situation("tasks of the cluster", f"{instances}/{cluster['name']}/abc", _on(cluster["name"]))
        task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task"
        yield situation("new task of the cluster", f"{task}/{cluster['name']}/abc", {"ecs:CreateAction": "RunTask"})
        yield situation("new task of another cluster", f"{task}/payroll/abc", {"ecs:CreateAction": "RunTask"})
        yield situation("running task of the cluster", f"{task}/{cluster['name']}/abc", _on(cluster["name"]))
        yield situation("tasks of another cluster", f"{instances}/payroll/abc", _on("payroll"))
        yield situation("execution role, to a task", execution, {"iam:PassedToService": _TASKS})
        yield situation("execution role, to a function", execution, {"iam:PassedToService": _LAMBDA})


def _queue(resource: Resource) -> str:
    last = resource.address.rpartition(".")[2]
    return last.replace("_", "-") if "[" not in last else last.split('"')[-2]


def _of_task(command: str, family: str, cluster: str) -> Iterable[dict[str, Any]]:
    definition = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}"
    whose = {"worker": "worker's", "batch": "interval's"}[command]
    yield situation(f"{whose} task", f"{definition}:3", _on(cluster))
    yield situation(f"{whose} task, on another cluster", f"{definition}:3", _on("payroll"))
    yield situation(f"a task with a longer name than the {whose}", f"{definition}-2:3", _on(cluster))
    yield situation(f"{whose} role, to a task", role_arn(family), {"iam:PassedToService": _TASKS})
    yield situation(f"{whose} role, to a function", role_arn(family), {"iam:PassedToService": _LAMBDA})


def _of_others(interface: Sequence[Resource]) -> Iterable[dict[str, Any]]:
    images = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository"
    for task in values_of(interface, "aws_ecs_task_definition")[:1]:
        [container] = json.loads(task["container_definitions"])
        yield situation("image", f"{images}/{container['image'].partition('/')[2].partition('@')[0]}")
        group = container["logConfiguration"]["options"]["awslogs-group"]
        yield situation("tasks' log stream", f"{log_group_arn(group)}:log-stream:worker/worker/abc")
        yield situation("other tasks' log stream", f"{log_group_arn(group)}-2:log-stream:worker/worker/abc")
    yield situation("another image", f"{images}/payroll")
    yield situation("another queue", f"arn:aws:sqs:{REGION}:{ACCOUNT}:payroll")
    yield situation("another role, to a task", role_arn("payroll"), {"iam:PassedToService": _TASKS})
    yield situation("another function", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payroll")
    yield situation("a stream", f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/ride_events")


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def log_group_arn(group: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"


def _on(cluster: str) -> dict[str, str]:
    return {"ecs:cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{cluster}"}


def use_of_key(kind: str, key: Key, context: str, service: str = "s3") -> dict[str, Any]:
    request = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": context}
    return situation(kind, key.arn, request) | {"resourcePolicy": key.policy}


def cases(found: Sequence[Resource], of: Sequence[Role]) -> list[dict[str, Any]]:
    """Return requests that the queues' policies and the roles' trust decide."""
    return [*_queue_cases(found), *_trust_cases(of)]


def _queue_cases(found: Sequence[Resource]) -> Iterable[dict[str, Any]]:
    its = [resource for resource in found if is_of_an_interface(resource)]
    [bucket] = {arrivals["bucket"] for arrivals in values_of(its, "aws_s3_bucket_notification")}
    arrivals = f"arn:aws:s3:::{bucket}"
    allowed = {"work": ("s3", arrivals), "failed-runs": ("events", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/")}
    rules = [rule["name"] for rule in values_of(its, "aws_cloudwatch_event_rule")]
    for resource in (item for item in its if item.kind == "aws_sqs_queue"):
        policy = json.loads(resource.values["policy"])
        queue = policy["Statement"][-1]["Resource"]
        index = _queue(resource)
        service, source = allowed.get(index, ("s3", arrivals))
        if service == "events":
            beginning = queue.rpartition(":")[2].replace("-failed-runs", "-failed-")
            [rule] = [name for name in rules if name.startswith(beginning)]
            source += rule
        right = {"aws:SourceArn": source, "aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}
        verdict = "Allowed" if index in allowed else "ImplicitlyDenied"
        send = {"action": "sqs:SendMessage", "resource": queue, "account": ACCOUNT, "resourcePolicy": policy}
        for name, by, context, expect in (
            ("its sender", service, right, verdict),
            ("its sender without TLS", service, right | {"aws:SecureTransport": "false"}, "ExplicitlyDenied"),
            ("another source", service, right | {"aws:SourceArn": f"{source}-2"}, "ImplicitlyDenied"),
            ("another account", service, right | {"aws:SourceAccount": "999999999999"}, "ImplicitlyDenied"),
            ("another service", "sns", right, "ImplicitlyDenied"),
        ):
            named = {"name": f"SendMessage to {queue} by {name}", "principal": f"{by}.amazonaws.com"}
            yield send | named | {"context": context, "expect": expect}


def _trust_cases(of: Sequence[Role]) -> Iterable[dict[str, Any]]:
    tasks = (_TASKS, f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/abc")
    trusted = {"worker": tasks, "batch": tasks, "execution": tasks}
    for role in of:
        jobs = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{role.name.removesuffix('-job')}-abc"
        trusted["training"] = (SAGEMAKER, jobs)
        group = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{role.name.removesuffix('-schedules')}"
        service, source = trusted.get(
            role.part, (_SCHEDULER, group) if role.part.startswith("schedules") else (_LAMBDA, "")
        )
        right = {"aws:SourceArn": source, "aws:SourceAccount": ACCOUNT} if source else {}
        wrong = {"aws:SourceArn": source.replace(ACCOUNT, "999999999999"), "aws:SourceAccount": "999999999999"}
        asked = [(service, right, "Allowed"), ("ec2.amazonaws.com", right, "ImplicitlyDenied")]
        asked += [(service, wrong, "ImplicitlyDenied")] if source else []
        for principal, context, expect in asked:
            yield {
                "name": f"AssumeRole of {role.name} by {principal} with {context}",
                "principal": principal,
                "account": ACCOUNT,
                "action": "sts:AssumeRole",
                "resource": role.role,
                "context": context,
                "resourcePolicy": role.trust,
                "expect": expect,
            }
