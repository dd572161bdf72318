"""The sinks with real threads, and with real boto3 clients in front of moto."""

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto import mock_aws

from stream_consumer.aws.clients import client_config
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.kinesis.answer_parser import shorten
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.sinks import Entry, Written

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

BUCKET = "dead-letters-bucket"


class Rendezvous:
    """A client whose calls only end when so many of them are in flight, or when they are let go."""

    def __init__(self, calls: int) -> None:
        self.barrier = threading.Barrier(calls, timeout=10)

    @property
    def client(self) -> "KinesisClient":
        return cast("KinesisClient", self)

    def put_records(self, *, Records: list[Any], StreamName: str) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        del StreamName
        self.barrier.wait()
        return {"Records": [{"SequenceNumber": "4963"} for _ in Records]}


def entries(count: int) -> list[Entry]:
    return [Entry(str(at), b"x") for at in range(count)]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_so_many_requests_are_really_in_flight(in_flight: int) -> None:
    """None of them is answered before all of them have been sent."""
    stream = PredictionStream(Rendezvous(in_flight).client, "s", in_flight=in_flight)
    assert stream.write(entries(500 * in_flight), time.monotonic() + 10) == Written([], 0)


def test_a_hanging_call_holds_up_neither_this_write_nor_the_next() -> None:
    hanging = Rendezvous(2)
    stream = PredictionStream(hanging.client, "s", in_flight=1)
    started = time.monotonic()
    assert len(stream.write(entries(1), started + 0.05).unwritten) == 1
    assert time.monotonic() < started + 5
    # The second call meets the first one, which is still there, and both are answered.
    assert stream.write(entries(1), time.monotonic() + 10) == Written([], 0)


def test_a_write_may_have_no_deadline() -> None:
    assert PredictionStream(Rendezvous(1).client, "s").write(entries(1), float("inf")) == Written([], 0)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.session.Session(region_name="us-east-1")


def test_predictions_reach_a_real_client(aws: boto3.session.Session) -> None:
    """As the handler makes it: botocore neither checks the parameters nor sees the records."""
    kinesis = shorten(aws.client("kinesis", config=client_config(4, parameter_validation=False)))
    kinesis.create_stream(StreamName="ride_predictions", ShardCount=1)
    # One at a time: moto loses records that are written at once.
    stream = PredictionStream(kinesis, "ride_predictions", in_flight=1)
    assert stream.write([*entries(501), Entry("🚕", b"\x00\xff")], time.monotonic() + 30) == Written([], 0)
    shard = kinesis.get_shard_iterator(
        StreamName="ride_predictions", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]
    assert len(records) == 502
    assert ("🚕", b"\x00\xff") in {(record["PartitionKey"], record["Data"]) for record in records}


def test_a_stream_that_does_not_exist_is_named(aws: boto3.session.Session) -> None:
    kinesis = aws.client("kinesis", config=client_config(4, parameter_validation=False))
    [unwritten] = PredictionStream(kinesis, "absent").write(entries(1), time.monotonic() + 30).unwritten
    assert unwritten.reason == "PutRecords was answered with ResourceNotFoundException (HTTP status 400)"


def test_nobody_listening_is_tried_until_the_deadline() -> None:
    kinesis = boto3.session.Session("k", "s", region_name="us-east-1").client(
        "kinesis", endpoint_url="http://127.0.0.1:9", config=client_config(1, parameter_validation=False)
    )
    [unwritten] = PredictionStream(kinesis, "s").write(entries(1), time.monotonic() + 0.3).unwritten
    assert unwritten.reason == ('EndpointConnectionError: Could not connect to the endpoint URL: "http://127.0.0.1:9/"')


def test_dead_letters_reach_a_real_client(aws: boto3.session.Session) -> None:
    s3 = aws.client("s3", config=client_config(1))
    s3.create_bucket(Bucket=BUCKET)
    letter = DeadLetter.of(Record(b"\x00" * 10_000_000, "shard:1", "1"), InvalidRecord(Reason.BOUNDS, "$", "no"))
    assert DeadLetters(s3, BUCKET, "dead-letters").write([letter], time.monotonic() + 30) == Written([], 0)
    stored = s3.get_object(Bucket=BUCKET, Key="dead-letters/direct/shard/1-285bd4fba71b3522.jsonl")
    assert decode_dead_letters(stored["Body"].read()) == [letter]
    assert stored["ContentType"] == "application/x-ndjson"


def test_dead_letters_without_a_bucket_come_back_unwritten(aws: boto3.session.Session) -> None:
    letter = DeadLetter.of(Record(b"", "shard:1", "1"), InvalidRecord(Reason.BOUNDS, "$", "no"))
    sink = DeadLetters(aws.client("s3", config=client_config(1)), BUCKET, "dead-letters")
    [unwritten] = sink.write([letter], time.monotonic() + 30).unwritten
    assert "NoSuchBucket" in unwritten.reason
