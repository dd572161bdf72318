"""A queue of a bucket's notifications, on an emulated AWS."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stream_consumer.aws.clients import Clients

MAX_RECEIVES = 3
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Rides:
    """A bucket whose objects under ``rides/`` are told to a queue with a dead-letter queue."""

    clients: Clients
    bucket: str
    queue: str
    dead: str

    @classmethod
    def make(cls, clients: Clients, name: str, max_receives: int = MAX_RECEIVES) -> "Rides":
        dead = clients.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        policy = {"deadLetterTargetArn": _arn(clients, dead), "maxReceiveCount": str(max_receives)}
        queue = clients.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})["QueueUrl"]
        clients.s3.create_bucket(Bucket=name)
        created: Any = {
            "QueueArn": _arn(clients, queue),
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "rides/"}]}},
        }
        clients.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [created]}
        )
        return cls(clients, name, queue, dead)

    def objects(self, prefix: str = "predictions/") -> list[str]:
        found = self.clients.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def messages(self, queue: str | None = None) -> tuple[int, int]:
        """How many can be received, and how many were and are hidden."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found: Any = self.clients.sqs.get_queue_attributes(QueueUrl=queue or self.queue, AttributeNames=names)
        return tuple(int(found["Attributes"].get(name, 0)) for name in names)  # type: ignore[return-value]


def _arn(clients: Clients, queue: str) -> str:
    return clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def eventually(condition: Callable[[], object], within_seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until *condition* holds, for as long as a busy machine may take."""
    over = threading.Event()
    timer = threading.Timer(within_seconds, over.set)
    timer.start()
    try:
        while not condition():
            assert not over.wait(0.02), f"not within {within_seconds} s"
    finally:
        timer.cancel()
