"""A topic is read without a group: what comes of each partition, and what is said when nothing can."""

import pytest
from confluent_kafka import KafkaError

from stream_consumer.contract.record import Header, KafkaOrigin, Record
from stream_consumer.errors import ReadFailed, StreamUnreadable, TopicUnusable
from stream_consumer.kafka.topic_reader import BEGINNING, TopicReader
from tests.fakes import FakeTime
from tests.kafka.fake_log import FakeLog
from tests.kafka.fakes import CONNECTION

AT = 1_700_000_000.0


def reader(log: FakeLog, time: FakeTime | None = None) -> TopicReader:
    return TopicReader(CONNECTION, "rides", connect=log.connect, clock=(time or FakeTime()).clock)


def test_a_record_comes_as_lambda_delivers_it() -> None:
    log = FakeLog()
    log.put(0, b"other", b"data", key=b"\xff", headers=[("trace", b"abc"), ("trace", None)])
    topic = reader(log)
    topic.assign({0: 1})
    [record] = topic.read(0.1).records
    assert record == Record(
        b"data",
        "rides-0:1",
        "1",
        None,
        AT,
        "kafka://localhost:9092/rides",
        KafkaOrigin(
            "rides", 0, 1, b"\xff", 1_700_000_000_000, "CREATE_TIME", [Header("trace", b"abc"), Header("trace", None)]
        ),
    )


def test_a_tombstone_has_a_fault() -> None:
    log = FakeLog()
    log.put(0, None)
    topic = reader(log)
    topic.assign({0: BEGINNING})
    [record] = topic.read(0.1).records
    assert record.kafka is not None
    assert record.kafka.null_value
    assert record.fault is not None


def test_a_partition_says_that_it_has_no_more() -> None:
    log = FakeLog(page=1)
    log.put(0, b"a", b"b")
    topic = reader(log)
    topic.assign({0: 0, 1: 0})
    pages = [topic.read(0.1) for _ in range(3)]
    assert [[record.data for record in page.records] for page in pages] == [[b"a"], [b"b"], []]
    assert [sorted(page.tips) for page in pages] == [[1], [0], []]


def test_partitions_can_be_added_and_dropped_while_reading() -> None:
    log = FakeLog()
    log.put(0, b"a")
    log.put(1, b"b")
    topic = reader(log)
    topic.assign({0: 0})
    assert [record.data for record in topic.read(0.1).records] == [b"a"]
    topic.add({1: 0})
    topic.drop([0])
    log.put(0, b"c")
    assert [record.data for record in topic.read(0.1).records] == [b"b"]


def test_where_partitions_end_and_where_a_time_begins() -> None:
    log = FakeLog()
    for second in range(3):
        log.put(0, b"a", at=AT + second)
    topic = reader(log)
    assert topic.partitions() == [0, 1]
    assert topic.tips([0, 1]) == {0: 3, 1: 0}
    assert topic.at_time([0, 1], AT + 0.5) == {0: 1, 1: None}


def test_an_offset_that_a_partition_does_not_have_is_said() -> None:
    log = FakeLog(forgotten={0: 2})
    log.put(0, b"a", b"b", b"c")
    topic = reader(log)
    topic.assign({0: 1})
    with pytest.raises(StreamUnreadable, match=r"rides-0 of kafka://localhost:9092/rides does not have the record"):
        topic.read(0.1)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "TOPIC_AUTHORIZATION_FAILED; allow the client to read it"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PART; it was deleted"),
    ],
)
def test_a_topic_that_is_refused_later_is_said(code: int, said: str) -> None:
    log = FakeLog()
    topic = reader(log)
    topic.assign({0: 0})
    log.refusal = code
    with pytest.raises(StreamUnreadable, match=said):
        topic.read(0.1)
    with pytest.raises(StreamUnreadable, match=said):
        topic.partitions()


def test_a_topic_that_is_not_there_is_said_before_anything_is_read() -> None:
    with pytest.raises(TopicUnusable, match="refuses the topic 'rides': UNKNOWN_TOPIC_OR_PART; create it, or set --to"):
        reader(FakeLog(refusal=KafkaError.UNKNOWN_TOPIC_OR_PART)).check()


def test_another_error_is_passed_over_since_librdkafka_tries_again() -> None:
    log = FakeLog()
    log.put(0, b"a")
    topic = reader(log)
    topic.assign({0: 0})
    log.refusal = KafkaError.NOT_LEADER_FOR_PARTITION
    assert topic.read(0.1).records == []
    log.refusal = None
    assert [record.data for record in topic.read(0.1).records] == [b"a"]


def test_brokers_that_are_silent_are_not_waited_for_for_ever() -> None:
    time = FakeTime()
    log = FakeLog(silent=True, before_read=lambda: time.sleep(1.0))
    topic = reader(log, time)
    with pytest.raises(ReadFailed, match="does not tell the ends of its partitions \\[0, 1\\]"):
        topic.tips([0, 1])
    with pytest.raises(ReadFailed, match="does not answer: _TRANSPORT"):
        topic.partitions()
