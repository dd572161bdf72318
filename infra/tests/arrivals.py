"""See a file become work through what was applied: the bucket's notifications, the queue, its dead-letter queue."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra.clients import Aws
from infra.tests.terraform import CheckFailed

_FILE = "rides/2021-03.parquet"
_NOT_WORK = ("predictions/2021-03.parquet", "rides/2021-03.parquet.md5")


def through(aws: Aws, batch: Mapping[str, Any]) -> str:
    """
    Put a file among the inputs and others beside it; receive its message until it is given up.

    Raises:
        CheckFailed: Something else became work, the message came too often, or it was not kept.
    """
    for key in (*_NOT_WORK, _FILE):
        aws("s3").put_object(Bucket=batch["bucket"], Key=key, Body=b"")
    sqs, work, dead = aws("sqs"), batch["queue"]["url"], batch["dead_letter_queue"]["url"]
    policy = sqs.get_queue_attributes(QueueUrl=work, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    tries = int(json.loads(policy)["maxReceiveCount"])
    for _ in range(tries):
        _hold(_handed_back(sqs, work) == [_FILE], f"not {_FILE} alone became work")
    _hold(not _handed_back(sqs, work), f"the message came more than {tries} times")
    _hold(_handed_back(sqs, dead) == [_FILE], "the message was not kept as a dead letter")
    return f"{_FILE} became work, {tries} times, and then a dead letter; {' and '.join(_NOT_WORK)} did not"


def _handed_back(sqs: Any, queue: str) -> list[str]:
    """Receive what is on *queue*, make it visible again, and return the keys that it names."""
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    messages: Sequence[Mapping[str, Any]] = answer.get("Messages", ())
    for message in messages:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    bodies = [json.loads(message["Body"]) for message in messages]
    return [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", ())]  # none: S3's test


def _hold(condition: bool, fault: str) -> None:  # noqa: FBT001 (it is what is held)
    if not condition:
        raise CheckFailed(fault)
