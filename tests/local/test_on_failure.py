"""On-failure documents as Lambda writes them, on a real S3 and SQS interface (moto)."""

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from stream_consumer.local.mapping.delivery_rules import Batch, Condition, Discarded
from stream_consumer.local.mapping.lambda_records import StreamRecord
from stream_consumer.local.mapping.on_failure import (
    DestinationUnavailable,
    OnFailureDestination,
    Origin,
    S3Destination,
    SnsDestination,
    SqsDestination,
    document,
)
from stream_consumer.local.runtime.functions import Invocation
from tests.fakes import HOPELESS_FAULTS, TRANSIENT_FAULTS, FakeS3, Fault
from tests.local.fakes import STREAM_ARN, fail, report

ORIGIN = Origin(
    mapping_uuid="7c39d6f6-1111-4222-8333-444455556666",
    function_arn="arn:aws:lambda:eu-west-1:123456789012:function:score",
    stream_arn=STREAM_ARN,
    shard_id="shardId-000000000000",
    time=1_573_691_886.0214,
)
RECORDS = (
    StreamRecord("49601189658422359378836298521827638475320189012309704722", "a", 1_573_691_884.835, b'{"one":1}'),
    StreamRecord("49601189658422359378836298522902373528957594348623495186", "b", 1_573_691_885.58, b'{"two":2}'),
)
EXHAUSTED = Discarded(Batch(RECORDS, retries=3, last=fail(), invocations=4), Condition.RETRY_ATTEMPTS_EXHAUSTED)
DOCUMENT = {
    "requestContext": {
        "requestId": "request",
        "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:score",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 4,
    },
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    "version": "1.0",
    "timestamp": "2019-11-14T00:38:06.021Z",
    "KinesisBatchInfo": {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
        "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
        "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
        "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/rides",
    },
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield boto3.Session(region_name="us-east-1")


def test_a_queue_takes_the_document_without_the_records(session: boto3.Session) -> None:
    sqs = session.client("sqs")
    url = sqs.create_queue(QueueName="failures")["QueueUrl"]

    SqsDestination(sqs, url).deliver(EXHAUSTED, ORIGIN)

    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == DOCUMENT


def test_a_bucket_takes_the_document_with_the_whole_event(session: boto3.Session) -> None:
    """The payload is the invocation event as a string; the key is made of mapping, shard, day and time."""
    s3 = session.client("s3")
    s3.create_bucket(Bucket="failures")

    S3Destination(s3, "failures").deliver(EXHAUSTED, ORIGIN)

    [found] = s3.list_objects_v2(Bucket="failures")["Contents"]
    assert re.fullmatch(
        r"aws/lambda/7c39d6f6-1111-4222-8333-444455556666/shardId-000000000000/2019/11/14/"
        r"2019-11-14T00\.38\.06-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        found["Key"],
    )
    content = json.loads(s3.get_object(Bucket="failures", Key=found["Key"])["Body"].read())
    assert content == DOCUMENT | {"payload": '{"Records":[{"one":1},{"two":2}]}'}


def test_a_partial_response_has_no_function_error() -> None:
    """The functionError is null when the function answered and only reported failures."""
    reported = Discarded(Batch(RECORDS, last=report("1"), invocations=1), Condition.RETRY_ATTEMPTS_EXHAUSTED)

    assert document(reported, ORIGIN)["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": None,
    }


def test_a_topic_takes_what_a_queue_would_get(session: boto3.Session) -> None:
    """The subscriber of a topic gets SQS's document as the message."""
    sns, sqs = session.client("sns"), session.client("sqs")
    topic = sns.create_topic(Name="failures")["TopicArn"]
    url = sqs.create_queue(QueueName="failures")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)

    SnsDestination(sns, topic).deliver(EXHAUSTED, ORIGIN)

    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"]) == DOCUMENT


@pytest.mark.parametrize(("last", "invocations", "counted"), [(None, 0, 1), (fail(), 3, 3), (report("1"), 2, 2)])
def test_records_that_are_too_old_have_no_response_context(
    last: Invocation | None, invocations: int, counted: int
) -> None:
    """Recorded: RecordAgeExceeded says nothing of a response, and records never delivered count one invocation."""
    batch = Batch(RECORDS, last=last, invocations=invocations)
    expired = document(Discarded(batch, Condition.RECORD_AGE_EXCEEDED), ORIGIN)

    assert "responseContext" not in expired
    assert expired["requestContext"]["condition"] == "RecordAgeExceeded"
    assert expired["requestContext"]["approximateInvokeCount"] == counted


@pytest.mark.parametrize("kind", ["queue", "bucket", "topic"])
def test_a_destination_that_does_not_exist_is_unavailable(kind: str, session: boto3.Session) -> None:
    destination: OnFailureDestination
    if kind == "queue":
        destination = SqsDestination(session.client("sqs"), "https://sqs.us-east-1.amazonaws.com/123456789012/missing")
    elif kind == "topic":
        destination = SnsDestination(session.client("sns"), "arn:aws:sns:us-east-1:123456789012:missing")
    else:
        destination = S3Destination(session.client("s3"), "missing")

    with pytest.raises(DestinationUnavailable, match="missing"):
        destination.deliver(EXHAUSTED, ORIGIN)


def test_the_document_is_json() -> None:
    again: dict[str, Any] = json.loads(json.dumps(document(EXHAUSTED, ORIGIN)))

    assert again == DOCUMENT


@pytest.mark.parametrize("fault", [*TRANSIENT_FAULTS, *HOPELESS_FAULTS], ids=lambda fault: fault.name)
def test_a_destination_that_meets_a_fault_is_unavailable_and_not_the_end_of_the_mapping(fault: Fault) -> None:
    with pytest.raises(DestinationUnavailable):
        S3Destination(FakeS3(faults=[fault]).client, "failures").deliver(EXHAUSTED, ORIGIN)
