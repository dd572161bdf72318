"""
The starter: a scheduled Lambda function that starts worker tasks if the queue has work for more tasks than run.

The rule: the starter starts tasks and never stops a task. A worker ends by itself when the queue is empty. Invoked
twice for the same event, the starter starts no task twice, as long as ECS remembers: the event determines the tokens of
the requests.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stream_consumer.aws.clients import default_client
from stream_consumer.contract.printable import log_line
from stream_consumer.environment_variables import Field, integer, matching, powertools, read, refuse, some_text, url
from stream_consumer.worker.errors import TasksNotStarted

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

# Source: Amazon ECS API reference, "RunTask": count.
_TASKS_A_REQUEST = 10


def tasks_to_start(visible: int, running: int, *, messages_per_task: int, max_tasks: int) -> int:
    """Return the number of tasks to start for *visible* messages, beside those *running*."""
    wanted = min(max_tasks, -(-visible // messages_per_task))
    return max(0, wanted - running)


def _comma_separated(kind: str, wanted: str) -> Callable[[str], tuple[str, ...]]:
    ids = matching(rf"{kind}-\w+(,{kind}-\w+)*", f"{wanted}, comma separated")
    return lambda text: tuple(ids(text).split(","))


FIELDS = {
    "queue_url": Field("QUEUE_URL", url, None, "URL of the queue that workers drain"),
    "cluster": Field("CLUSTER", some_text, None, "Name or ARN of the workers' cluster"),
    "task_definition": Field("TASK_DEFINITION", some_text, None, "Family or ARN of the workers' task definition"),
    "family": Field(
        "TASK_FAMILY",
        matching(r"[\w-]+", "a task definition's family"),
        "",
        "Family of the tasks, if another than in `TASK_DEFINITION`",
    ),
    "subnets": Field("SUBNETS", _comma_separated("subnet", "ids of subnets"), None, "Subnets of the workers"),
    "security_groups": Field(
        "SECURITY_GROUPS", _comma_separated("sg", "ids of security groups"), None, "Security groups of the workers"
    ),
    "assign_public_ip": Field(
        "ASSIGN_PUBLIC_IP",
        matching("ENABLED|DISABLED", "ENABLED or DISABLED"),
        "DISABLED",
        "Whether workers get a public address",
    ),
    "max_tasks": Field("MAX_TASKS", integer(1, 999_999), 4, "Largest number of workers at once"),
    "messages_per_task": Field(
        "MESSAGES_PER_TASK", integer(1, 999_999), 100, "Number of waiting messages for each worker"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterSettings:
    """The settings in the environment. ``FIELDS`` explains each field."""

    queue_url: str
    cluster: str
    task_definition: str
    family: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    assign_public_ip: str
    max_tasks: int
    messages_per_task: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "StarterSettings":
        """
        Read *environ*.

        Raises:
            SettingsError: At least one variable is wrong. The message has each such variable, its value and the value
                wanted.
        """
        values, faults = read(FIELDS, environ)
        faults += [f"{FIELDS[name].variable} is not set" for name, value in values.items() if value is None]
        refuse(faults)
        # arn:aws:ecs:us-east-1:111122223333:task-definition/family:7
        values["family"] = values["family"] or values["task_definition"].rpartition("/")[2].partition(":")[0]
        return cls(**values)


def start_tasks(settings: StarterSettings, *, sqs: Any, ecs: Any, event_id: str, logger: "Logger") -> dict[str, int]:
    """
    Start as many tasks as :func:`tasks_to_start` says. Return the counts of messages and tasks.

    Raises:
        TasksNotStarted: ECS refused some of the tasks. The remaining tasks were started.
    """
    answer = sqs.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    visible = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    if not visible:
        return {"visible": 0, "started": 0}
    # A pending task is on its way to its desired status RUNNING.
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=settings.cluster, family=settings.family, desiredStatus="RUNNING"
    )
    running = sum(len(page["taskArns"]) for page in pages)
    missing = tasks_to_start(
        visible, running, messages_per_task=settings.messages_per_task, max_tasks=settings.max_tasks
    )
    started, failures = 0, []
    for already in range(0, missing, _TASKS_A_REQUEST):
        count = min(_TASKS_A_REQUEST, missing - already)
        answer = ecs.run_task(**_request(settings, count, token=f"{event_id}/{running + already}/{count}"))
        started += len(answer["tasks"])
        failures += answer["failures"]
    if failures:
        reasons = sorted({f"{failure.get('reason')}: {failure.get('detail', '')}" for failure in failures})
        raise TasksNotStarted(f"ECS did not start {len(failures)} of {missing} tasks: {'; '.join(reasons)}")
    if started:
        logger.info("tasks started", extra={"visible": visible, "running": running, "started": started})
    return {"visible": visible, "running": running, "started": started}


def _request(settings: StarterSettings, count: int, token: str) -> dict[str, Any]:
    network = {
        "subnets": list(settings.subnets),
        "securityGroups": list(settings.security_groups),
        "assignPublicIp": settings.assign_public_ip,
    }
    return {
        "cluster": settings.cluster,
        "taskDefinition": settings.task_definition,
        "launchType": "FARGATE",
        "count": count,
        "networkConfiguration": {"awsvpcConfiguration": network},
        "propagateTags": "TASK_DEFINITION",
        "startedBy": "stream-consumer-starter",
        "clientToken": hashlib.sha256(token.encode()).hexdigest(),  # 64 characters, the most that a token may have
    }


def lambda_handler(
    event: Mapping[str, Any],
    context: Any,
    *,
    environ: Mapping[str, str] = os.environ,
    client: Callable[[Any], Any] = default_client,
) -> dict[str, int]:
    """Answer an invocation. The content of *event* is ignored, except for the id that identifies a repetition."""
    settings = StarterSettings.of(environ)
    event_id = str(event.get("id") or getattr(context, "aws_request_id", ""))
    logger = powertools(environ).Logger(
        service=environ.get("POWERTOOLS_SERVICE_NAME", "stream-consumer"), json_serializer=log_line
    )
    return start_tasks(settings, sqs=client("sqs"), ecs=client("ecs"), event_id=event_id, logger=logger)
