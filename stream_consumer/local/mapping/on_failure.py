"""
On-failure destinations: report the discarded records of a mapping in Lambda's format.

Only the S3 document carries the records. A message to SQS or SNS refers to them by shard and sequence numbers, and
becomes useless when the stream's retention ends. If a destination does not accept a document, ``deliver`` raises. The
mapping then keeps the records and retries, and never advances past them.

Source: AWS Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source in Lambda".
"""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stream_consumer.contract.timestamps import iso_milliseconds
from stream_consumer.local.mapping.delivery_rules import Condition
from stream_consumer.local.mapping.lambda_records import render_event

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

    from stream_consumer.local.mapping.delivery_rules import Discarded


class DestinationUnavailable(Exception):
    """The document was not written. A retry may succeed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The mapping and shard that discarded the records, and the time in seconds since the epoch."""

    mapping_uuid: str
    function_arn: str
    stream_arn: str
    shard_id: str
    time: float


class OnFailureDestination(Protocol):
    def deliver(self, discarded: "Discarded", origin: Origin) -> None:
        """
        Write the document.

        Raises:
            DestinationUnavailable: The document was not written.
        """


class SqsDestination:
    """A queue. Each message is a document without the records."""

    def __init__(self, sqs: "SQSClient", queue_url: str) -> None:
        self._sqs = sqs
        self._queue_url = queue_url

    def deliver(self, discarded: "Discarded", origin: Origin) -> None:
        body = json.dumps(document(discarded, origin))
        try:
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise DestinationUnavailable(f"queue {self._queue_url}: {error}") from error


class SnsClient(Protocol):
    """The methods of boto3's client that this module calls."""

    def publish(self, *, TopicArn: str, Message: str) -> object: ...  # noqa: N803 - AWS's names


class SnsDestination:
    """A topic. Each message equals the message to a queue."""

    def __init__(self, sns: SnsClient, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def deliver(self, discarded: "Discarded", origin: Origin) -> None:
        try:
            self._sns.publish(TopicArn=self._topic_arn, Message=json.dumps(document(discarded, origin)))
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise DestinationUnavailable(f"topic {self._topic_arn}: {error}") from error


class S3Destination:
    """A bucket. Each object is a document with the whole invocation event as its ``payload``."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def deliver(self, discarded: "Discarded", origin: Origin) -> None:
        event = render_event(discarded.batch.records).decode()
        body = json.dumps({**document(discarded, origin), "payload": event}).encode()
        key = object_key(origin, str(uuid.uuid4()))
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise DestinationUnavailable(f"s3://{self._bucket}/{key}: {error}") from error


def object_key(origin: Origin, name: str) -> str:
    """Return Lambda's key, in UTC: ``aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<name>``."""
    moment = datetime.fromtimestamp(origin.time, UTC)
    return f"aws/lambda/{origin.mapping_uuid}/{origin.shard_id}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{name}"


def document(discarded: "Discarded", origin: Origin) -> dict[str, Any]:
    """
    Return Lambda's document about discarded records, without the records.

    A partial response has ``functionError`` null. As recorded against AWS, ``RecordAgeExceeded`` has no
    ``responseContext``, and counts one invocation for records that were never delivered.
    """
    batch = discarded.batch
    first, last = batch.records[0], batch.records[-1]
    answered = batch.last if discarded.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED else None
    function_error = "Unhandled" if answered and answered.error else None
    response_context = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": function_error}
    return {
        "requestContext": {
            "requestId": batch.last.request_id if batch.last else str(uuid.uuid4()),
            "functionArn": origin.function_arn,
            "condition": discarded.condition.value,
            "approximateInvokeCount": max(1, batch.invocations),
        },
        **({"responseContext": response_context} if answered else {}),
        "version": "1.0",
        "timestamp": iso_milliseconds(origin.time),
        "KinesisBatchInfo": {
            "shardId": origin.shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": iso_milliseconds(first.arrived),
            "approximateArrivalOfLastRecord": iso_milliseconds(last.arrived),
            "batchSize": len(batch.records),
            "streamArn": origin.stream_arn,
        },
    }
