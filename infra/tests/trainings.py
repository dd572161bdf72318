"""
See that the applied schedule asks for a job that SageMaker takes, and that the rule tells of the jobs that went wrong.

The emulator has no SageMaker: the job is held against the service's model in botocore, the rule against its events.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from infra.tests.terraform import ACCOUNT, REGION, CheckFailed

_NAME = "d32c5kddcf5bb8c3"  # Source: EventBridge Scheduler user guide, "Adding context attributes"
_TOLD = {"Failed": True, "Stopped": True, "Completed": False, "InProgress": False, "Stopping": False}


def through(aws: Callable[[str], Any], training: Mapping[str, Any]) -> str:
    """
    Read what was applied for *training*, as an environment's output names it, and try it.

    Raises:
        CheckFailed: SageMaker would refuse the job, or the rule tells of too much or too little.
    """
    name = training["schedule"]
    target = aws("scheduler").get_schedule(Name=name, GroupName=name)["Target"]
    if target["Arn"] != "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob":
        raise CheckFailed(f"the schedule starts {target['Arn']}")
    if target["DeadLetterConfig"]["Arn"] != training["failed_runs_queue"]["arn"]:
        raise CheckFailed("what cannot be started does not end in the queue of failed runs")
    job = json.loads(target["Input"].replace("<aws.scheduler.execution-id>", _NAME))
    _refuse_invalid(job)
    rule = aws("events").describe_rule(Name=f"{name}-failed-jobs")["EventPattern"]
    for status, told in _TOLD.items():
        for job_name, ours in ((job["TrainingJobName"], True), ("payroll-1", False)):
            event = json.dumps(_event(job_name, status))
            if aws("events").test_event_pattern(EventPattern=rule, Event=event)["Result"] != (told and ours):
                raise CheckFailed(f"the rule is wrong about the job {job_name} with the status {status}")
    return f"a job that SageMaker's model knows; the rule tells of {', '.join(s for s in _TOLD if _TOLD[s])}"


def _refuse_invalid(job: Mapping[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    report = ParamValidator().validate(dict(job), model.shape_for("CreateTrainingJobRequest"))
    if report.has_errors():
        raise CheckFailed(f"SageMaker would refuse the job: {report.generate_report()}")
    machine, known = job["ResourceConfig"]["InstanceType"], model.shape_for("TrainingInstanceType").enum  # type: ignore[attr-defined] # a StringShape
    if machine not in known:
        raise CheckFailed(f"SageMaker trains on no {machine}")


def _event(job: str, status: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": "2026-11-27T00:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{job}"],
        "detail": {"TrainingJobName": job, "TrainingJobStatus": status},
    }
