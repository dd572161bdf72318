"""A range of a topic once more, with the event ids of the first time, and no record twice."""

import json

import pytest

from stream_consumer.consumer import Consumer
from stream_consumer.contract.record import Reason
from stream_consumer.errors import StreamUnreadable
from stream_consumer.inference import Decider
from stream_consumer.kafka.topic_reader import TopicReader
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.operate.replay import NoSink, ReplayStopped, replay
from stream_consumer.operate.topic_range import TopicRange, topic_batches
from stream_consumer.sinks import Entry
from tests.fakes import FakeTime
from tests.kafka.fake_log import FakeLog
from tests.kafka.fakes import CONNECTION, DENIED, FakeTopic
from tests.rides import FakeModel, ride_event

AT = 1_700_000_000.0
HOUR = 3_600.0


def ids(log: FakeLog, wanted: TopicRange | None = None) -> list[str]:
    reader = TopicReader(CONNECTION, "rides", connect=log.connect)
    return [str(record.event_id) for batch in topic_batches(reader, wanted or TopicRange()) for record in batch]


@pytest.fixture
def log() -> FakeLog:
    """Four records, a minute apart, in one partition, and two in another."""
    made = FakeLog(page=2)
    for minute in range(4):
        made.put(0, b"%d" % minute, at=AT + 60 * minute)
    made.put(1, b"a", b"b", at=AT + 60)
    return made


def test_a_topic_is_read_whole(log: FakeLog) -> None:
    assert sorted(ids(log)) == [*(f"rides-0:{n}" for n in range(4)), "rides-1:0", "rides-1:1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TopicRange(since=AT + 60, until=AT + 180), ["rides-0:1", "rides-0:2", "rides-1:0", "rides-1:1"]),
        (TopicRange(since=AT + 61, until=AT + 120.001), ["rides-0:2"]),
        (TopicRange(until=AT + 60), ["rides-0:0"]),
        (TopicRange(since=AT + 60, until=AT + 60), []),
        (TopicRange(since=AT + 999), []),
        (TopicRange(partition=0, first=1, last=2), ["rides-0:1", "rides-0:2"]),
        (TopicRange(partition=0, first=2), ["rides-0:2", "rides-0:3"]),
        (TopicRange(partition=1, last=0), ["rides-1:0"]),
        (TopicRange(partition=1, last=99), ["rides-1:0", "rides-1:1"]),
        (TopicRange(partition=0, first=1, until=AT + 120), ["rides-0:1"]),
    ],
)
def test_a_range_includes_its_first_and_last_record_and_not_the_time_of_its_end(
    log: FakeLog, wanted: TopicRange, found: list[str]
) -> None:
    assert sorted(ids(log, wanted)) == found


def test_a_range_of_time_has_its_records_wherever_they_stand() -> None:
    log = FakeLog(page=1)
    for seconds in (0, 50, 200, 10, 100, 60, HOUR + 99, HOUR + 100, 70):
        log.put(0, b"a", at=AT + seconds)
    wanted = TopicRange(since=AT + 50, until=AT + 100)
    assert ids(log, wanted) == ["rides-0:1", "rides-0:5"], "the last stands behind a record of an hour later"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (TopicRange(partition=7, first=0), r"kafka://localhost:9092/rides has no partition 7; it has 2"),
        (
            TopicRange(partition=1, first=2),
            r"rides-1 of kafka://localhost:9092/rides has no record 2 yet; it ends at 2",
        ),
    ],
)
def test_a_record_that_is_not_there_is_said(log: FakeLog, wanted: TopicRange, said: str) -> None:
    with pytest.raises(StreamUnreadable, match=said):
        ids(log, wanted)


def consumer(output: FakeTopic) -> Consumer:
    predictions = PredictionTopic(CONNECTION, "ride_predictions", connect=output.connect, clock=output.time.clock)
    return Consumer(
        Decider(FakeModel(name="rides", version="7")),
        predictions=predictions,
        dead_letters=NoSink(),
        clock=output.time.clock,
    )


def test_a_replay_publishes_the_event_ids_of_the_first_time() -> None:
    log, output = FakeLog(), FakeTopic(FakeTime())
    log.put(0, ride_event(1), b"no", ride_event(2), None)
    reader = TopicReader(CONNECTION, "rides", connect=log.connect)
    tally = replay(topic_batches(reader, TopicRange()), consumer(output), clock=output.time.clock)
    assert (tally.records, tally.published, dict(tally.dead_letters)) == (4, 2, {Reason.UNDECODABLE: 2})
    assert [entry.event_id for entry in output.records] == ["rides-0:0", "rides-0:2"]
    assert [json.loads(entry.data)["event_id"] for entry in output.records] == ["rides-0:0", "rides-0:2"]


def test_a_replay_that_cannot_publish_says_at_which_record() -> None:
    """The other partition of the batch is settled."""
    log, output = FakeLog(), FakeTopic(FakeTime(), [DENIED], partitions=2)
    other = next(n for n in range(2, 99) if output.partition(Entry(str(n), b"")) != output.partition(Entry("1", b"")))
    log.put(0, ride_event(1))
    log.put(1, ride_event(other))
    reader = TopicReader(CONNECTION, "rides", connect=log.connect)
    with pytest.raises(ReplayStopped, match=r"stopped at rides-0:0 after 1 predictions: .*TOPIC_AUTHORIZATION_FAILED"):
        replay(topic_batches(reader, TopicRange()), consumer(output), clock=output.time.clock)
