"""When worker tasks are started, and what ECS is asked."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.errors import SettingsError
from stream_consumer.worker import task_starter
from stream_consumer.worker.errors import TasksNotStarted
from stream_consumer.worker.task_starter import StarterSettings, tasks_to_start

ENVIRON = {
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/rides",
    "CLUSTER": "workers",
    "TASK_DEFINITION": "arn:aws:ecs:us-east-1:111122223333:task-definition/ride-worker:7",
    "SUBNETS": "subnet-1,subnet-2",
    "SECURITY_GROUPS": "sg-1",
}


@pytest.mark.parametrize(
    ("visible", "running", "tasks"),
    [(0, 0, 0), (1, 0, 1), (1, 1, 0), (100, 0, 1), (101, 0, 2), (101, 1, 1), (10_000, 0, 4), (10_000, 3, 1), (1, 9, 0)],
)
def test_a_task_is_started_for_every_hundred_messages_up_to_four(visible: int, running: int, tasks: int) -> None:
    assert tasks_to_start(visible, running, messages_per_task=100, max_tasks=4) == tasks


@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(1, 10**4), st.integers(1, 40))
def test_there_are_never_more_than_allowed_and_never_none_for_a_backlog(
    visible: int, running: int, share: int, most: int
) -> None:
    tasks = tasks_to_start(visible, running, messages_per_task=share, max_tasks=most)
    assert tasks >= 0
    assert running + tasks <= max(most, running)
    assert not visible or running + tasks >= 1
    # Asked again when they run, it starts none.
    assert tasks_to_start(visible, running + tasks, messages_per_task=share, max_tasks=most) == 0


class Ecs:
    """ECS: tasks by their requests' tokens, as many as it has room for."""

    def __init__(self, running: int = 0, room: int = 100) -> None:
        self.running = running
        self.room = room
        self.requests: list[dict[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}

    def get_paginator(self, operation: str) -> "Ecs":
        assert operation == "list_tasks"
        return self

    def paginate(self, *, cluster: str, family: str, desiredStatus: str) -> list[dict[str, Any]]:  # noqa: N803 (AWS's)
        assert (cluster, family, desiredStatus) == ("workers", "ride-worker", "RUNNING")
        return [{"taskArns": ["arn"] * min(self.running, 100)}, {"taskArns": ["arn"] * max(self.running - 100, 0)}]

    def run_task(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if request["clientToken"] not in self._answers:
            started = min(request["count"], self.room)
            self.room -= started
            failures = [{"reason": "RESOURCE:FARGATE", "detail": "no room"}] * (request["count"] - started)
            self._answers[request["clientToken"]] = {"tasks": [{}] * started, "failures": failures}
        return self._answers[request["clientToken"]]


def invoked(ecs: Ecs, visible: int, environ: Mapping[str, str] = ENVIRON, event: str = "e-1") -> dict[str, int]:
    attributes = {"Attributes": {"ApproximateNumberOfMessages": str(visible)}}
    sqs = SimpleNamespace(get_queue_attributes=lambda **_: attributes)
    clients = {"sqs": sqs, "ecs": ecs}
    return task_starter.lambda_handler({"id": event}, None, environ=environ, client=clients.__getitem__)


def test_an_empty_queue_starts_nothing_and_asks_nothing() -> None:
    ecs = Ecs()
    assert invoked(ecs, 0) == {"visible": 0, "started": 0}
    assert ecs.requests == []


def test_tasks_run_in_the_subnets_without_a_public_address() -> None:
    ecs = Ecs(running=1)
    assert invoked(ecs, 250) == {"visible": 250, "running": 1, "started": 2}
    [request] = ecs.requests
    assert len(request.pop("clientToken")) == 64
    assert request == {
        "cluster": "workers",
        "taskDefinition": ENVIRON["TASK_DEFINITION"],
        "launchType": "FARGATE",
        "count": 2,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1", "subnet-2"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }
        },
        "propagateTags": "TASK_DEFINITION",
        "startedBy": "stream-consumer-starter",
    }


def test_ecs_takes_ten_at_a_time() -> None:
    ecs = Ecs()
    assert invoked(ecs, 10**6, ENVIRON | {"MAX_TASKS": "23"})["started"] == 23
    assert [request["count"] for request in ecs.requests] == [10, 10, 3]


def test_the_same_event_again_starts_nothing_again() -> None:
    """A retry of Lambda's, before ECS lists what the first try started."""
    ecs = Ecs()
    ecs.room = 3
    assert invoked(ecs, 250)["started"] == 3
    assert invoked(ecs, 250)["started"] == 3
    assert ecs.room == 0


def test_enough_that_run_already_start_none() -> None:
    ecs = Ecs(running=4)
    assert invoked(ecs, 10**6) == {"visible": 10**6, "running": 4, "started": 0}
    assert ecs.requests == []


def test_what_ecs_refuses_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The others run; Lambda's Errors shows that some do not."""
    ecs = Ecs(room=1)
    with pytest.raises(TasksNotStarted, match="ECS did not start 2 of 3 tasks: RESOURCE:FARGATE: no room"):
        invoked(ecs, 250)
    assert ecs.room == 0
    assert capsys.readouterr().out == ""


def test_what_was_started_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logger = Logger(service="test-starter")
    sqs = SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": {"ApproximateNumberOfMessages": "7"}})
    task_starter.start_tasks(StarterSettings.of(ENVIRON), sqs=sqs, ecs=cast("Any", Ecs()), event_id="e", logger=logger)
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["visible"], line["running"], line["started"]) == ("tasks started", 7, 0, 1)


def test_every_fault_of_the_environment_is_named() -> None:
    with pytest.raises(SettingsError) as raised:
        StarterSettings.of({"SUBNETS": "10.0.0.0/24", "ASSIGN_PUBLIC_IP": "yes", "MAX_TASKS": "0"})
    assert str(raised.value) == (
        "the environment is wrong: SUBNETS='10.0.0.0/24': wanted ids of subnets, comma separated; "
        "ASSIGN_PUBLIC_IP='yes': wanted ENABLED or DISABLED; MAX_TASKS='0': wanted a whole number from 1 to 999999; "
        "QUEUE_URL is not set; CLUSTER is not set; TASK_DEFINITION is not set; SECURITY_GROUPS is not set"
    )


@pytest.mark.parametrize("definition", ["ride-worker", "ride-worker:7", ENVIRON["TASK_DEFINITION"]])
def test_the_family_is_in_the_task_definitions_name(definition: str) -> None:
    assert StarterSettings.of(ENVIRON | {"TASK_DEFINITION": definition}).family == "ride-worker"
