"""
A bucket whose objects a queue tells of, as the worker wants both: made on the embedded endpoint.

A message that fails three times goes to the dead-letter queue, and S3 tells of the objects below one prefix only, so
that no prediction in the same bucket is taken for new input.
"""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients

OBJECTS = "ride-files"
"""Name of the bucket and of the queue."""
PREFIX = "rides/"
_MOST_RECEIVES = 3


def make_object_queue(clients: "Clients") -> str:
    """Make the bucket, the queue and the queue of what fails, and return the queue's URL."""
    s3, sqs = clients.s3, clients.sqs
    failed = sqs.create_queue(QueueName=f"{OBJECTS}-failed")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(clients, failed), "maxReceiveCount": _MOST_RECEIVES}
    queue = sqs.create_queue(QueueName=OBJECTS, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    s3.create_bucket(Bucket=OBJECTS)
    s3.put_bucket_notification_configuration(
        Bucket=OBJECTS,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": _arn(clients, queue),
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": PREFIX}]}},
                }
            ]
        },
    )
    return queue


def object_queue(clients: "Clients") -> str:
    """Return the URL of the queue that :func:`make_object_queue` made."""
    return clients.sqs.get_queue_url(QueueName=OBJECTS)["QueueUrl"]


def _arn(clients: "Clients", queue: str) -> str:
    answer = clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
