"""Redrive onto topics: what was Kafka's goes back as it was, and nothing goes where the other kind came from."""

import json
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.kafka_event import kafka_record
from stream_consumer.contract.record import Header, InvalidRecord, KafkaOrigin, Reason
from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.operate.dead_letter_bucket import Selection, letters
from stream_consumer.operate.jq_edit import Edit
from stream_consumer.operate.preparation import Preparation
from stream_consumer.operate.redrive import Marks, Outcome, Redrive
from stream_consumer.operate.topic_target import TopicTarget, usable
from stream_consumer.sinks import Entry, TopicEntry
from tests.fakes import FakeTime
from tests.kafka.fakes import CONNECTION, FakeTopic
from tests.operate.bucket import BUCKET, ReadableS3, dead_letter, lay_ours
from tests.rides import ARRIVAL

BROKERS = "localhost:9092"
HERE = f"kafka://{BROKERS}/rides"


def kafka_letter(
    offset: int,
    value: bytes | None = b"{}",
    key: bytes | None = b"k",
    headers: list[Header] | None = None,
    location: str = HERE,
) -> DeadLetter:
    origin = KafkaOrigin("rides", 0, offset, key, 1_700_000_000_000, "CREATE_TIME", headers or [])
    return DeadLetter.of(kafka_record(value, origin, location), InvalidRecord(Reason.SCHEMA, "$", "no"))


class Bench:
    """A bucket with letters, two topics, and redrives onto them."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.s3 = ReadableS3(self.time)
        self.topics = {name: FakeTopic(self.time, name=name) for name in ("rides", "elsewhere")}

    def marks(self) -> Marks:
        return Marks(self.s3.client, BUCKET, retry=self.time.retry(), now=lambda: ARRIVAL)

    def redrive(self, target: TopicTarget | None = None, edit: str | None = None) -> Outcome:
        def sink(location: str) -> PredictionTopic:
            name = location.removeprefix(f"kafka://{BROKERS}/")
            return PredictionTopic(CONNECTION, name, connect=self.topics[name].connect, clock=self.time.clock)

        prepare = Preparation(edit=Edit(edit) if edit else None, topics=target or TopicTarget(BROKERS))
        bucket = self.s3.bucket()
        found = letters(bucket.documents(bucket.keys()), Selection(), lambda _: None)
        return Redrive(prepare, sink, self.marks(), retry=self.time.retry()).run(found, self.marks().load())

    def whys(self, target: TopicTarget | None = None) -> list[str]:
        outcome = self.redrive(target)
        assert outcome.put == 0
        assert all(topic.log == [] for topic in self.topics.values())
        return [refused.why for refused in outcome.refused]


def test_a_letter_goes_back_on_its_topic_with_key_headers_and_value() -> None:
    bench = Bench()
    headers = [Header("trace", b"abc"), Header("trace", None), Header("event_type", b"ride")]
    lay_ours(bench.s3, kafka_letter(0, b"no JSON", b"\xff", headers), kafka_letter(1, b"", None))
    assert bench.redrive() == Outcome(put=2, records=2)
    pairs = (("trace", b"abc"), ("trace", None), ("event_type", b"ride"))
    assert sorted(bench.topics["rides"].records, key=lambda entry: entry.data) == [
        TopicEntry("", b"", key=None),
        TopicEntry("\ufffd", b"no JSON", key=b"\xff", headers=pairs),
    ]


def test_what_went_back_is_marked_and_does_not_go_back_again() -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter(0))
    bench.redrive()
    [key] = bench.s3.keys("redriven/")
    mark = json.loads(bench.s3.objects[key])
    assert (mark["stream"], mark["event"], mark["put_on"]) == ("rides", "rides-0:0", HERE)
    assert bench.redrive() == Outcome(skipped=1)
    assert len(bench.topics["rides"].log) == 1


def test_a_tombstone_goes_back_only_if_asked_for() -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter(0, None))
    [why] = bench.whys()
    assert why.endswith("put it back with --tombstones")
    assert bench.redrive(TopicTarget(BROKERS, tombstones=True)).put == 1
    assert bench.topics["rides"].records == [TopicEntry("k", b"", key=b"k", is_tombstone=True)]


def test_an_edit_makes_values_under_the_key_and_the_headers_of_the_letter() -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter(0, b'{"a":1}', headers=[Header("trace", b"abc")]))
    assert bench.redrive(edit="., {b: .a}") == Outcome(put=1, records=2)
    headers = (("trace", b"abc"),)
    assert bench.topics["rides"].records == [
        TopicEntry("k", b'{"a":1}', key=b"k", headers=headers),
        TopicEntry("k", b'{"b":1}', key=b"k", headers=headers),
    ]


@pytest.mark.parametrize(
    "letter",
    [
        msgspec.structs.replace(dead_letter(0), stream="rides"),
        msgspec.structs.replace(dead_letter(0), stream="rides", stream_arn=None),
        msgspec.structs.replace(dead_letter(0), stream=None, stream_arn=None, event_id=None),
        msgspec.structs.replace(kafka_letter(0), kafka=None),
    ],
)
def test_what_is_of_no_topic_never_goes_on_one_of_its_name(letter: DeadLetter) -> None:
    bench = Bench()
    lay_ours(bench.s3, letter)
    [why] = bench.whys()
    assert why.endswith("not from a Kafka topic; name a topic with --topic")


def test_a_letter_of_a_stream_goes_on_a_topic_that_the_operator_names_under_its_partition_key() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, b"zero"), dead_letter(1, b"one", key=None))
    bench.redrive(TopicTarget(BROKERS, "elsewhere"))
    assert sorted(bench.topics["elsewhere"].records, key=lambda entry: entry.data) == [
        TopicEntry("", b"one", key=None),
        Entry("key-0", b"zero"),
    ]


def test_a_letter_of_another_cluster_stays_until_its_topic_is_named() -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter(0, location="kafka://b-1:9094,b-2:9094/rides"))
    [why] = bench.whys()
    assert why.startswith("it came from kafka://b-1:9094,b-2:9094/rides, and --kafka names none of those brokers")
    assert bench.redrive(TopicTarget(BROKERS, "rides")).put == 1


@pytest.mark.parametrize(
    "location", [f"kafka://b-1:9094,{BROKERS}/rides", "arn:aws:kafka:us-east-1:123456789012:topic/c/0f5f-4/rides"]
)
def test_one_broker_in_common_is_enough_and_an_arn_tells_none(location: str) -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter(0, location=location))
    assert bench.redrive().put == 1


def test_letters_that_are_too_large_do_not_keep_the_others_from_going_back() -> None:
    bench = Bench()
    bench.topics["rides"].largest = 10
    large = [2, 3, 7]
    lay_ours(bench.s3, *(kafka_letter(n, b"x" * (20 if n in large else n + 1)) for n in range(9)))
    outcome = bench.redrive()
    assert [refused.letter.event_id for refused in outcome.unput] == [f"rides-0:{n}" for n in large]
    assert (outcome.put, outcome.untried) == (6, 0)
    assert [len(entry.data) for entry in bench.topics["rides"].records] == [1, 2, 5, 6, 7, 9]


def test_a_topic_that_cannot_be_used_refuses_and_the_others_go_back() -> None:
    class Gone:
        def check(self) -> None:
            raise TopicUnusable(f"the topic is gone: {KafkaError.UNKNOWN_TOPIC_OR_PART}")

        def write(self, items: Any, deadline: float) -> Any:
            raise NotImplementedError

    written = usable(Gone()).write([Entry("k", b"a"), Entry("k", b"b")], 1.0)
    assert [(one.position, one.reason) for one in written.unwritten] == [
        (0, "the topic is gone: 3"),
        (1, "the topic is gone: 3"),
    ]
