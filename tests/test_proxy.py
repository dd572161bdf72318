"""The integration tests' proxy: a real client before a real emulator meets what it was told to."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from integration_tests.faults import Fault, HashRange, Rejected, Throughput, open_shards, shard_of
from integration_tests.proxy import FaultProxy
from stream_consumer.aws.clients import client_config
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.sinks import Entry
from tests.fakes import FakeTime

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_s3 import S3Client

HALF = 2**127
SESSION = boto3.session.Session("test", "test", region_name="us-east-1")


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws(streams={"rides": 2}, buckets=["dead-letters"]) as emulator:
        yield emulator


@pytest.fixture
def proxy(aws: EmbeddedAws) -> Iterator[FaultProxy]:
    with FaultProxy(aws.endpoint_url) as one:
        yield one


@pytest.fixture
def kinesis(proxy: FaultProxy) -> Iterator["KinesisClient"]:
    """A client that tries once, so that it shows what it met."""
    one = SESSION.client("kinesis", endpoint_url=proxy.url, config=client_config(4))
    yield one
    one.close()


@pytest.fixture
def s3(proxy: FaultProxy) -> Iterator["S3Client"]:
    one = SESSION.client("s3", endpoint_url=proxy.url, config=client_config(4, s3={"addressing_style": "path"}))
    yield one
    one.close()


def put(kinesis: "KinesisClient", *keys: str) -> list[str | None]:
    """Put one record for each key and return the entries' error codes."""
    answer = kinesis.put_records(StreamName="rides", Records=[{"Data": b"data", "PartitionKey": key} for key in keys])
    return [entry.get("ErrorCode") for entry in answer["Records"]]


def count(aws: EmbeddedAws, key: str) -> int:
    """How many records with *key* are on the stream."""
    kinesis = aws.clients().kinesis
    found = 0
    for shard in kinesis.list_shards(StreamName="rides")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="rides", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator, Limit=10_000)["Records"]
        found += sum(record["PartitionKey"] == key for record in records)
    return found


def test_without_a_fault_everything_passes(aws: EmbeddedAws, kinesis: "KinesisClient", s3: "S3Client") -> None:
    assert put(kinesis, "passes", "passes") == [None, None]
    assert count(aws, "passes") == 2
    s3.put_object(Bucket="dead-letters", Key="key", Body=b"body")
    assert s3.get_object(Bucket="dead-letters", Key="key")["Body"].read() == b"body"


def test_a_fault_is_met_once_by_the_operation_it_is_for(
    proxy: FaultProxy, kinesis: "KinesisClient", s3: "S3Client"
) -> None:
    proxy.script("PutRecords", Fault.UNAVAILABLE)
    s3.put_object(Bucket="dead-letters", Key="key", Body=b"body")
    assert proxy.unmet() == [Fault.UNAVAILABLE]
    with pytest.raises(ClientError):
        put(kinesis, "once")
    assert put(kinesis, "once") == [None]
    assert proxy.unmet() == []
    assert proxy.met == {Fault.UNAVAILABLE: 1}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.SERVER_ERROR, "InternalFailure"),
        (Fault.UNAVAILABLE, "ServiceUnavailable"),
        (Fault.THROTTLED, "ProvisionedThroughputExceededException"),
        (Fault.DENIED, "AccessDeniedException"),
    ],
)
def test_errors_are_the_services_own(
    aws: EmbeddedAws, proxy: FaultProxy, kinesis: "KinesisClient", fault: Fault, code: str
) -> None:
    proxy.script("PutRecords", fault)
    with pytest.raises(ClientError) as raised:
        put(kinesis, fault.name)
    assert raised.value.response["Error"]["Code"] == code
    assert count(aws, fault.name) == 0


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        (Fault.RESET_BEFORE, ConnectionClosedError, 0),
        (Fault.RESET_AFTER, ConnectionClosedError, 1),
        (Fault.TRUNCATED, ConnectionClosedError, 1),
        (Fault.HANGING, ReadTimeoutError, 1),
    ],
)
def test_a_broken_connection_may_have_been_a_write(  # noqa: PLR0913, PLR0917 (fixtures and a row of the table)
    aws: EmbeddedAws, proxy: FaultProxy, kinesis: "KinesisClient", fault: Fault, error: type[Exception], written: int
) -> None:
    """The client cannot tell these apart; only the stream can."""
    proxy.script("PutRecords", fault)
    with pytest.raises(error):
        put(kinesis, fault.name)
    assert count(aws, fault.name) == written


def test_a_slow_answer_is_an_answer(proxy: FaultProxy, kinesis: "KinesisClient") -> None:
    proxy.script("PutRecords", Fault.SLOW)
    assert put(kinesis, "slow") == [None]


def test_entries_are_rejected_where_the_script_says(
    aws: EmbeddedAws, proxy: FaultProxy, kinesis: "KinesisClient"
) -> None:
    proxy.script("PutRecords", Rejected((0, 2), "InternalFailure"), Rejected((0,)))
    assert put(kinesis, "a", "b", "c") == ["InternalFailure", None, "InternalFailure"]
    assert put(kinesis, "a") == ["ProvisionedThroughputExceededException"]
    assert [count(aws, key) for key in "abc"] == [0, 1, 0]


def test_a_shard_takes_no_more_than_its_throughput(
    aws: EmbeddedAws, proxy: FaultProxy, kinesis: "KinesisClient"
) -> None:
    """The first second's worth passes, the rest is rejected, entry by entry."""
    proxy.limit("rides", Throughput(clock=lambda: 0.0, records_per_second=3))
    codes = put(kinesis, *["one shard"] * 5)
    assert codes == [None, None, None, *["ProvisionedThroughputExceededException"] * 2]
    assert count(aws, "one shard") == 3


def test_our_own_sink_comes_through_a_throttled_stream(
    aws: EmbeddedAws, proxy: FaultProxy, kinesis: "KinesisClient"
) -> None:
    """Each rejected entry is sent again until the shard has room; none is sent twice."""
    time = FakeTime()
    proxy.limit("rides", Throughput(clock=time.clock, records_per_second=50))
    stream = PredictionStream(kinesis, "rides", retry=time.retry())
    written = stream.write([Entry("throttled", b"data")] * 200, deadline=time.clock() + 60)
    assert written.unwritten == []
    assert written.resent > 0
    assert count(aws, "throttled") == 200


def test_tokens_come_back_with_time_and_bytes_count_too() -> None:
    now = 0.0
    throughput = Throughput(clock=lambda: now, records_per_second=10, bytes_per_second=100)
    assert [throughput.admits("shard", 60), throughput.admits("shard", 60)] == [True, False]
    assert throughput.admits("another shard", 60)
    now = 0.5
    assert throughput.admits("shard", 60)


def test_a_record_goes_to_the_shard_of_its_key() -> None:
    shards = [HashRange("low", 0, HALF - 1), HashRange("high", HALF, 2 * HALF - 1)]
    assert shard_of("a", None, shards) == "low"  # MD5 0cc1…
    assert shard_of("b", None, shards) == "high"  # MD5 92eb…
    assert shard_of("b", "0", shards) == "low"


def test_closed_shards_take_nothing() -> None:
    keys = {"StartingHashKey": "0", "EndingHashKey": "9"}
    listed = [
        {"ShardId": "parent", "HashKeyRange": keys, "SequenceNumberRange": {"EndingSequenceNumber": "7"}},
        {"ShardId": "child", "HashKeyRange": keys, "SequenceNumberRange": {"StartingSequenceNumber": "8"}},
    ]
    assert open_shards(listed) == [HashRange("child", 0, 9)]
