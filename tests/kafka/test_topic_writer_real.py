"""The output topic with the real librdkafka, against brokers that fail, are slow, or are not there."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.sinks import Entry, Written
from tests.kafka.mock_cluster import INIT_PRODUCER_ID, PRODUCE, MockCluster, mock_cluster

SLOW = pytest.mark.process
"""An idempotent producer waits half a second for its id."""

TOPIC = "ride_predictions"
LATE = "the deadline came before an answer"
ENTRIES = [Entry(str(at % 7), b"%d" % at, f"rides-0:{at}") for at in range(100)]


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as cluster:
        cluster.create(TOPIC)
        yield cluster


def output(cluster: MockCluster, topic: str = TOPIC) -> PredictionTopic:
    return PredictionTopic(Connection(cluster.brokers, Authentication.PLAINTEXT), topic)


def write(sink: PredictionTopic, entries: list[Entry], seconds: float = 20.0) -> Written:
    return sink.write(entries, time.monotonic() + seconds)


def read(cluster: MockCluster, count: int) -> list[Entry]:
    """Return what is on the topic, partition by partition, at least *count* records of it."""
    consumer = Consumer({"bootstrap.servers": cluster.brokers, "group.id": "test", "enable.partition.eof": True})
    found: dict[int, list[Entry]] = {0: [], 1: []}
    try:
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in found])
        ended = 0
        while ended < len(found):
            message = consumer.poll(10.0)
            assert message is not None, f"only {sum(map(len, found.values()))} of {count} came"
            if message.error():
                ended += 1
                continue
            key, value, headers = message.key(), message.value(), message.headers()
            assert key is not None
            assert value is not None
            assert isinstance(headers, list)
            [(_, event_id)] = headers
            assert isinstance(event_id, bytes)
            found[message.partition() or 0].append(Entry(key.decode(), value, event_id.decode()))
    finally:
        consumer.close()
    return [entry for partition in found.values() for entry in partition]


def by_key(entries: list[Entry]) -> dict[str, list[Entry]]:
    return {key: [entry for entry in entries if entry.partition_key == key] for key in "0123456"}


@SLOW
@pytest.mark.parametrize(
    "codes",
    [
        [],
        [KafkaError.NOT_LEADER_FOR_PARTITION],
        [KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_ENOUGH_REPLICAS],
    ],
)
def test_what_passes_is_tried_again_and_written_once_in_the_order_of_each_key(
    cluster: MockCluster, codes: list[int]
) -> None:
    sink = output(cluster)
    sink.check()
    cluster.answer(PRODUCE, *codes)
    assert write(sink, ENTRIES) == Written()
    assert by_key(read(cluster, len(ENTRIES))) == by_key(ENTRIES)


@SLOW
def test_a_connection_that_breaks_loses_nothing(cluster: MockCluster) -> None:
    """The mock cluster does not know what is sent again, as a broker does, so it may have entries twice."""
    sink = output(cluster)
    sink.check()
    cluster.answer(PRODUCE, KafkaError._TRANSPORT)  # noqa: SLF001 (its name: the connection is closed)
    assert write(sink, ENTRIES) == Written()
    firsts = list({entry.event_id: entry for entry in read(cluster, len(ENTRIES))}.values())
    assert by_key(firsts) == by_key(ENTRIES)


@SLOW
def test_what_is_refused_comes_back_with_the_brokers_code(cluster: MockCluster) -> None:
    sink = output(cluster)
    cluster.answer(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    unwritten = write(sink, ENTRIES).unwritten
    assert unwritten[0].reason == "the topic was answered with TOPIC_AUTHORIZATION_FAILED"
    assert {one.reason for one in unwritten} <= {unwritten[0].reason, "not sent after a failure"}
    assert not any(one.refused for one in unwritten)
    assert write(sink, [ENTRIES[one.position] for one in unwritten]) == Written()


@SLOW
def test_the_entry_that_the_broker_takes_for_invalid_is_found(cluster: MockCluster) -> None:
    """The first request is refused with all that is in it, then that entry once more when it is sent alone."""
    sink = output(cluster)
    assert write(sink, ENTRIES[:1]) == Written()
    cluster.answer(PRODUCE, KafkaError.INVALID_RECORD, KafkaError.INVALID_RECORD)
    same_key = [Entry("7", entry.data, entry.event_id) for entry in ENTRIES[1:5]]
    found = write(sink, same_key)
    assert [(one.position, one.refused) for one in found.unwritten] == [(0, True)]
    assert found.resent == 4
    assert {entry.data for entry in read(cluster, 4)} == {b"0", b"2", b"3", b"4"}


@SLOW
def test_an_entry_that_is_larger_than_the_producer_takes_is_refused(cluster: MockCluster) -> None:
    found = write(output(cluster), [ENTRIES[0], Entry("0", b"x" * 1_100_000), ENTRIES[1]])
    assert [(one.position, one.refused, one.untried) for one in found.unwritten] == [(1, True, False), (2, False, True)]


@SLOW
def test_a_write_to_a_broker_that_is_slower_ends_by_the_deadline(cluster: MockCluster) -> None:
    sink = output(cluster)
    sink.check()
    cluster.delay(3_000)
    began = time.monotonic()
    assert [one.reason for one in write(sink, ENTRIES, 0.3).unwritten] == [LATE] * len(ENTRIES)
    assert time.monotonic() - began < 1.0
    cluster.delay(0)
    assert write(sink, ENTRIES) == Written()


@SLOW
def test_a_write_to_a_broker_that_is_gone_ends_by_the_deadline_and_says_why(cluster: MockCluster) -> None:
    sink = output(cluster)
    sink.check()
    cluster.stop()
    [reason] = {one.reason for one in write(sink, ENTRIES, 1.0).unwritten}
    assert reason in {f"{LATE}; the last error is _TRANSPORT", f"{LATE}; the last error is _ALL_BROKERS_DOWN"}
    cluster.start()
    assert write(sink, ENTRIES) == Written()


@SLOW
def test_a_fatal_error_costs_one_write(cluster: MockCluster) -> None:
    """The library raises it while it reports, which makes the reports fail."""
    sink = output(cluster)
    cluster.answer(INIT_PRODUCER_ID, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    unwritten = write(sink, ENTRIES[:2]).unwritten
    assert [one.position for one in unwritten] == [0, 1]
    assert "CLUSTER_AUTHORIZATION_FAILED" in unwritten[0].reason
    assert write(sink, ENTRIES[:2]) == Written()
    assert len(read(cluster, 2)) == 2


def test_a_topic_that_is_missing_is_told_at_init(cluster: MockCluster) -> None:
    with pytest.raises(TopicUnusable, match=r"refuses the topic 'missing': UNKNOWN_TOPIC_OR_PART; create it, or set"):
        output(cluster, "missing").check()


@SLOW
def test_a_topic_that_is_refused_is_told_at_init(cluster: MockCluster) -> None:
    cluster.refuse(TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(TopicUnusable, match="TOPIC_AUTHORIZATION_FAILED; allow the function to describe the topic"):
        output(cluster).check()


@SLOW
def test_a_leader_that_is_not_elected_yet_is_waited_for(cluster: MockCluster) -> None:
    cluster.refuse(TOPIC, KafkaError.LEADER_NOT_AVAILABLE)
    with pytest.raises(TopicUnusable, match="LEADER_NOT_AVAILABLE"):
        output(cluster).check(0.2)
    cluster.refuse(TOPIC, KafkaError.NO_ERROR)
    output(cluster).check(0.2)


def test_a_broker_that_cannot_be_reached_is_told_at_init(cluster: MockCluster) -> None:
    cluster.stop()
    with pytest.raises(TopicUnusable, match=r"_TRANSPORT: .* look at KAFKA_BROKERS, at the subnets"):
        output(cluster).check(0.2)


@SLOW
def test_a_broker_that_is_slow_is_waited_for(cluster: MockCluster) -> None:
    cluster.delay(150)
    output(cluster).check(5.0)


@SLOW
def test_a_name_that_does_not_resolve_is_told_at_once() -> None:
    began = time.monotonic()
    connection = Connection("nowhere.invalid:9092", Authentication.TLS)
    with pytest.raises(TopicUnusable, match=r"_RESOLVE: .*look at KAFKA_BROKERS, and at the DNS"):
        PredictionTopic(connection, TOPIC).check(30.0)
    assert time.monotonic() - began < 10.0


def test_brokers_beyond_loopback_get_nothing_in_plaintext() -> None:
    """A cluster on loopback may name others as its brokers."""
    local = Connection("localhost:9092", Authentication.PLAINTEXT)
    assert local.strangers(["127.0.0.1", "localhost", "::1", "10.0.0.7", "kafka"]) == ["10.0.0.7", "kafka"]
    assert Connection("localhost:9092", Authentication.TLS).strangers(["10.0.0.7"]) == []


def test_a_certificate_that_is_none_is_told_at_init_without_what_the_secret_holds() -> None:
    secret = {"certificate": "hunter2", "privateKey": "hunter2"}
    sink = PredictionTopic(Connection("127.0.0.1:1", Authentication.MUTUAL_TLS, secret), TOPIC)
    with pytest.raises(TopicUnusable, match=r"=mtls: .*certificate.*; look at what KAFKA_SECRET_ARN and") as refusal:
        sink.check()
    assert "hunter2" not in str(refusal.value)
