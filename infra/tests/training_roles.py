"""
The roles of training by schedule, and the situations that they may get into.

The rule is that of :mod:`infra.tests.situations`: what they are about is read off the job that the schedule asks for,
not off the policies that are judged by it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.state import Resource
from infra.tests.interface_roles import SAGEMAKER, Role, log_group_arn, role_arn, use_of_key, values_of
from infra.tests.situations import Key, situation
from infra.tests.terraform import ACCOUNT, REGION

_PARTS = {"job": "training", "schedules": "schedules of training"}
_GROUP = "/aws/sagemaker/TrainingJobs"


def roles(found: Iterable[Resource], key: Key) -> list[Role]:
    """Return the roles of the module training in a plan whose policies are wholly known."""
    made = [resource for resource in found if re.search(r"module\.training\[", resource.address)]
    return list(_roles(made, key)) if made else []


def _roles(made: Sequence[Resource], key: Key) -> Iterable[Role]:
    [schedule], [queue] = values_of(made, "aws_scheduler_schedule"), values_of(made, "aws_sqs_queue")
    situations = [*_of_job(schedule, key), *_of_queues(queue["name"])]
    for role in values_of(made, "aws_iam_role"):
        its = (item for item in made if item.kind == "aws_iam_role_policy" and item.values["role"] == role["name"])
        yield Role(
            part=_PARTS[role["name"].rpartition("-")[2]],
            name=role["name"],
            policies={item.address: item.values["policy"] for item in its},
            trust=json.loads(role["assume_role_policy"]),
            interface=situations,
            in_vpc=False,
        )


def _of_job(schedule: Mapping[str, Any], key: Key) -> Iterable[dict[str, Any]]:
    [target] = schedule["target"]
    job = json.loads(target["input"].replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3"))
    yield from _of_start(job, key)
    yield from _of_buckets(job)
    yield from _of_keys(job, key)
    yield from _of_others(job)


def _of_queues(name: str) -> Iterable[dict[str, Any]]:
    yield situation("failed runs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    yield situation("another queue", f"arn:aws:sqs:{REGION}:{ACCOUNT}:payroll")


def _of_start(job: Mapping[str, Any], key: Key) -> Iterable[dict[str, Any]]:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"
    machine = job["ResourceConfig"]
    asked = {
        "sagemaker:InstanceTypes": [machine["InstanceType"]],
        "sagemaker:OutputKmsKeyArn": job["OutputDataConfig"]["KmsKeyId"],
        "sagemaker:VolumeKmsKeyArn": machine["VolumeKmsKeyId"],
    }
    own = f"{arn}/{job['TrainingJobName']}"
    yield situation("training job", own, asked)
    yield situation("another training job", f"{arn}/payroll", asked)
    yield situation("training job on a larger machine", own, asked | {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]})
    for kind in ("Output", "Volume"):
        other = {f"sagemaker:{kind}KmsKeyArn": f"{key.arn[:-4]}0000"}
        yield situation(f"training job with another {kind.lower()} key", own, asked | other)
    yield situation("job's role, to a job", job["RoleArn"], {"iam:PassedToService": SAGEMAKER})
    yield situation("job's role, to a function", job["RoleArn"], {"iam:PassedToService": "lambda.amazonaws.com"})
    yield situation("another role, to a job", role_arn("payroll"), {"iam:PassedToService": SAGEMAKER})


def _of_buckets(job: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    (rides, prefix), (models, folder), (outputs, own) = _places(job)
    yield situation("rides", f"{rides}/{prefix}2021-01.parquet")
    yield situation("folder of rides", rides, {"s3:prefix": prefix})
    yield situation("another file of the bucket of rides", f"{rides}/payroll/2021-01.parquet")
    yield situation("another folder of the bucket of rides", rides, {"s3:prefix": "payroll/"})
    yield situation("registered model", f"{models}/{folder}champion.json")
    yield situation("folder of a registered model", models, {"s3:prefix": f"{folder}abc/"})
    yield situation("another registered model", f"{models}/{folder[:-1]}-2/champion.json")
    yield situation("folder of another registered model", models, {"s3:prefix": f"{folder[:-1]}-2/"})
    yield situation("the whole bucket of models", models)
    yield situation("output of a job", f"{outputs}/{own}/abc/output/model.tar.gz")
    yield situation("output of another's job", f"{outputs}/{own}-2/abc/output/model.tar.gz")
    yield situation("another bucket", "arn:aws:s3:::payroll")


def _places(job: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield bucket and prefix of rides, of the registered model and of outputs."""
    [channel] = job["InputDataConfig"]
    parameters = job["HyperParameters"]
    for url in (
        channel["DataSource"]["S3DataSource"]["S3Uri"],
        f"{parameters['models']}/{parameters['name']}/",
        job["OutputDataConfig"]["S3OutputPath"],
    ):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        yield f"arn:aws:s3:::{bucket}", prefix


def _of_keys(job: Mapping[str, Any], key: Key) -> Iterable[dict[str, Any]]:
    (rides, prefix), (models, folder), (outputs, own) = _places(job)
    if rides != models:  # with one bucket for both, the key cannot tell which is meant
        yield use_of_key("key for the bucket of rides", key, rides)
    yield use_of_key("key for rides", key, f"{rides}/{prefix}2021-01.parquet")
    yield use_of_key("key for the bucket of models", key, models)
    yield use_of_key("key for a registered model", key, f"{models}/{folder}abc/MLmodel")
    yield use_of_key("key for another registered model", key, f"{models}/{folder[:-1]}-2/abc/MLmodel")
    yield use_of_key("key for an output", key, f"{outputs}/{own}/abc/output/model.tar.gz")
    yield use_of_key("key for another bucket", key, "arn:aws:s3:::payroll")
    yield use_of_key("key, through SQS", key, models, "sqs")
    disk = situation("key for a disk", key.arn, {"kms:GrantIsForAWSResource": "true"})
    yield disk | {"resourcePolicy": key.policy}
    yield situation("key, directly", key.arn) | {"resourcePolicy": key.policy}


def _of_others(job: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    images = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository"
    image = job["AlgorithmSpecification"]["TrainingImage"]
    yield situation("image", f"{images}/{image.partition('/')[2].partition('@')[0]}")
    yield situation("another image", f"{images}/payroll")
    yield situation("jobs' log group", log_group_arn(_GROUP))
    streams, group = f"{log_group_arn(_GROUP)}:log-stream", ["jobs' log group"]
    yield situation("job's log stream", f"{streams}:{job['TrainingJobName']}/algo-1-1", also=group)
    yield situation("another job's log stream", f"{streams}:payroll/algo-1-1", also=group)
    yield situation("another log group", log_group_arn("/aws/sagemaker/Endpoints"))
    metrics = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:dataset/default"
    yield situation("metrics of jobs", metrics, {"cloudwatch:namespace": _GROUP})
    yield situation("other metrics", metrics, {"cloudwatch:namespace": "StreamConsumer"})
