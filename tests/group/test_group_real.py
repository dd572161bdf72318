"""Members with the real librdkafka: rebalances in mid-batch, a slow model, and brokers that fail or are slow."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, Producer, TopicPartition

from stream_consumer.consumer import Consumer
from stream_consumer.errors import ModelError, TopicUnusable
from stream_consumer.group.client import StartOfGroup, check_topics
from stream_consumer.group.loop import Subscription, consume
from stream_consumer.group.member import Member, Pace
from stream_consumer.inference import Decider
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.topic_writer import PredictionTopic
from tests.group.simulation import Heard
from tests.kafka.broker import broker
from tests.kafka.mock_cluster import MockCluster, mock_cluster
from tests.rides import FakeModel, minutes_of, ride_event

pytestmark = pytest.mark.process

PARTITIONS = 4
SILENCE_SECONDS = 4.0
FETCH, OFFSET_COMMIT, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT = 1, 8, 10, 11, 12
"""Source: Apache Kafka protocol guide, "API keys"."""


class Stop:
    """A request to stop, which a test makes."""

    def __init__(self, at: Callable[[], bool] = lambda: False) -> None:
        self._at = at

    @property
    def asked(self) -> bool:
        return self._at()


def produce(brokers: str, rides: range) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    for at in rides:
        producer.produce("rides", ride_event(at), str(at), partition=at % PARTITIONS)
    assert producer.flush(30) == 0


def written(brokers: str, *, ends_silently: bool = False) -> Counter[str]:
    """
    Return how often each event is on the output topic.

    *ends_silently* says that a partition may not tell its end, so what comes until a silence is all.
    """
    options = {"bootstrap.servers": brokers, "group.id": "reader", "enable.partition.eof": True}
    reader = KafkaConsumer({**options, "isolation.level": "read_committed"})
    reader.assign([TopicPartition("ride_predictions", number, 0) for number in range(2)])
    events: Counter[str] = Counter()
    ended = 0
    try:
        while ended < 2:
            message = reader.poll(SILENCE_SECONDS if ends_silently else 20.0)
            if message is None and ends_silently:
                break
            assert message is not None, "the broker does not answer"
            if message.error():
                ended += 1
                continue
            headers = message.headers()
            assert isinstance(headers, list)
            value = dict(headers)["event_id"]
            assert isinstance(value, bytes)
            events[value.decode()] += 1
    finally:
        reader.close()
    return events


def all_of(rides: int) -> set[str]:
    return {f"rides-{at % PARTITIONS}:{at // PARTITIONS}" for at in range(rides)}


def connection(brokers: str) -> Connection:
    return Connection(brokers, Authentication.PLAINTEXT)


def member(
    brokers: str, row: Callable[..., float] = minutes_of, batch_size: int = 100, heard: Heard | None = None
) -> Member:
    output = PredictionTopic(connection(brokers), "ride_predictions")
    consumer = Consumer(Decider(FakeModel(row)), predictions=output, dead_letters=None)
    return Member(consumer, brokers, Pace(batch_size=batch_size, timeout_seconds=20), heard or Heard())


def subscription(brokers: str, *, drain: bool = True, start: str = "TRIM_HORIZON") -> Subscription:
    return Subscription(
        connection=connection(brokers),
        group="scorers",
        topics=["rides"],
        start=StartOfGroup(start),
        drain=drain,
        session_seconds=6,
        poll_seconds=6,
    )


def ignore(_error: KafkaError) -> None:
    """Learn of an error of the connections, which librdkafka mends."""


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as cluster:
        cluster.create("rides", PARTITIONS)
        cluster.create("ride_predictions")
        yield cluster


def test_a_rebalance_in_mid_batch_loses_nothing_and_publishes_nothing_twice() -> None:
    """Another member joins while the first one's batch takes longer than the rebalance."""
    first_batch = threading.Event()

    def slow(*row: float) -> float:
        if not first_batch.is_set():
            first_batch.set()
            time.sleep(5)  # the work of a slow model
        return minutes_of(*row)  # type: ignore[arg-type]

    with broker() as running:
        running.create("rides", PARTITIONS)
        running.create("ride_predictions", 2)
        produce(running.address, range(4_000))
        members = [member(running.address, slow), member(running.address)]
        over = threading.Event()
        asked = subscription(running.address, drain=False)
        threads = [
            threading.Thread(target=consume, args=(asked, one, Stop(over.is_set), ignore), daemon=True)
            for one in members
        ]
        threads[0].start()
        assert first_batch.wait(40)
        threads[1].start()
        until = time.monotonic() + 60
        while time.monotonic() < until and not (members[1].partitions and len(written(running.address)) == 4_000):
            pass
        owned = [len(one.partitions) for one in members]
        over.set()
        for thread in threads:
            thread.join(30)
        events = written(running.address)
    assert owned == [2, 2]
    assert events == Counter(all_of(4_000))


def test_a_model_that_is_slower_than_the_poll_interval_keeps_its_partitions() -> None:
    """A batch takes 9 s, and a member that does not poll for 6 s is put out of its group."""
    calls: list[float] = []

    def slow(*row: float) -> float:
        if not calls:
            time.sleep(9)  # the work of a slow model
        calls.append(row[0])
        return minutes_of(*row)  # type: ignore[arg-type]

    with broker() as running:
        running.create("rides", PARTITIONS)
        running.create("ride_predictions", 2)
        produce(running.address, range(40))
        consume(subscription(running.address), member(running.address, slow), Stop(), ignore)
        assert written(running.address) == Counter(all_of(40))


def test_a_broker_that_is_slow_and_refuses_requests_loses_nothing(cluster: MockCluster) -> None:
    produce(cluster.brokers, range(1_000))
    cluster.delay(100)
    cluster.answer(FIND_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE)
    cluster.answer(FETCH, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN)
    cluster.answer(OFFSET_COMMIT, *[KafkaError.NOT_COORDINATOR, KafkaError.REQUEST_TIMED_OUT] * 2)
    cluster.answer(HEARTBEAT, KafkaError.NO_ERROR, KafkaError.REBALANCE_IN_PROGRESS)
    consume(subscription(cluster.brokers), member(cluster.brokers), Stop(), ignore)
    assert written(cluster.brokers).keys() == all_of(1_000)


def test_stuck_partitions_that_the_member_loses_and_gets_again_are_read_again(cluster: MockCluster) -> None:
    """The model fails until the group has put the member out, and the member has joined again."""
    produce(cluster.brokers, range(40))
    heard = Heard()

    def failing(*row: float) -> float:
        if "lost" not in heard.changes:
            if not heard.failures:
                cluster.answer(HEARTBEAT, *[KafkaError.UNKNOWN_MEMBER_ID] * 3)
            raise ModelError("the model fails on its own example")
        return minutes_of(*row)  # type: ignore[arg-type]

    until = time.monotonic() + 60
    stuck = member(cluster.brokers, failing, heard=heard)
    consume(subscription(cluster.brokers), stuck, Stop(lambda: time.monotonic() > until), ignore)
    assert written(cluster.brokers).keys() == all_of(40)


def test_a_header_whose_name_is_not_utf8_keeps_no_record_from_its_prediction(
    cluster: MockCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Python calls a method otherwise once it has called it often."""
    produce(cluster.brokers, range(400))
    cluster.produce("rides", 0, ride_event(400), b"trace\xff")
    produce(cluster.brokers, range(401, 404))
    consume(subscription(cluster.brokers), member(cluster.brokers), Stop(), ignore)
    assert written(cluster.brokers).keys() == all_of(404)
    assert caplog.messages == ["rides-0:100 loses its headers: the name of a header is not UTF-8"]


def test_a_group_whose_offset_the_topic_does_not_have_is_said_and_begins_with_the_oldest(cluster: MockCluster) -> None:
    """Retention has passed the group by, or the topic was deleted and made again."""
    produce(cluster.brokers, range(40))
    group = KafkaConsumer({"bootstrap.servers": cluster.brokers, "group.id": "scorers"})
    group.commit(offsets=[TopicPartition("rides", 1, 500)], asynchronous=False)
    group.close()
    heard = Heard()
    consume(subscription(cluster.brokers), member(cluster.brokers, heard=heard), Stop(), ignore)
    assert written(cluster.brokers).keys() == all_of(40)
    [(warning, said)] = heard.warnings
    assert warning == "offset out of range"
    assert str(said["what"]).startswith("rides [1]: offset reset (at offset 500 ")


def test_a_group_that_begins_with_the_latest_loses_nothing_behind_its_beginning(cluster: MockCluster) -> None:
    """A member that stops before it has settled anything has begun all the same."""
    produce(cluster.brokers, range(40))
    stopped = member(cluster.brokers)
    asked = subscription(cluster.brokers, drain=False, start="LATEST")
    consume(asked, stopped, Stop(lambda: stopped.assigned), ignore)
    produce(cluster.brokers, range(40, 80))
    consume(subscription(cluster.brokers, start="LATEST"), member(cluster.brokers), Stop(), ignore)
    assert written(cluster.brokers).keys() == all_of(80) - all_of(40)


def test_a_group_that_has_members_and_cannot_begin_with_the_latest_says_so(
    cluster: MockCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A topic is new to the group, whose members read another one."""
    produce(cluster.brokers, range(40))
    cluster.answer(OFFSET_COMMIT, KafkaError.UNKNOWN_MEMBER_ID)
    consume(subscription(cluster.brokers, start="LATEST"), member(cluster.brokers), Stop(), ignore)
    assert written(cluster.brokers).keys() == all_of(40)
    [said] = caplog.messages
    assert "cannot begin at LATEST in rides-0, rides-1, rides-2, rides-3" in said


def test_a_drain_whose_topic_is_deleted_ends_with_an_error() -> None:
    with broker() as running:
        running.create("rides", PARTITIONS)
        running.create("ride_predictions", 2)
        produce(running.address, range(400))

        def delete(_partitions: int, _committed: int) -> None:
            running.delete("rides")

        with pytest.raises(TopicUnusable, match="rides: the topic was deleted before all its records were consumed"):
            consume(subscription(running.address), member(running.address), Stop(), ignore, delete)


def test_a_topic_or_a_group_that_is_refused_is_said(cluster: MockCluster) -> None:
    with pytest.raises(TopicUnusable, match="refuses the topic 'nosuch': UNKNOWN_TOPIC_OR_PART; create it, or set --t"):
        check_topics(connection(cluster.brokers), ["rides", "nosuch"])
    cluster.refuse("rides", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(TopicUnusable, match="allow the client to describe the topic and to read from it"):
        check_topics(connection(cluster.brokers), ["rides"])
    cluster.refuse("rides", 0)
    produce(cluster.brokers, range(4))
    cluster.answer(JOIN_GROUP, *[KafkaError.GROUP_AUTHORIZATION_FAILED] * 3)
    with pytest.raises(TopicUnusable, match=r"GROUP_AUTHORIZATION_FAILED.*allow the client to read from the topic and"):
        consume(subscription(cluster.brokers), member(cluster.brokers), Stop(), ignore)


def test_a_token_of_iam_that_does_not_come_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client of a member waits 10 s for it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    there = Connection("127.0.0.1:1", Authentication.IAM, region="eu-west-1")
    asked = replace(subscription("127.0.0.1:1"), connection=there)
    with pytest.raises(
        TopicUnusable, match=r"no client can be made for 127\.0\.0\.1:1 .*=iam: .*credentials of the role"
    ):
        consume(asked, member("127.0.0.1:1"), Stop(), ignore)


def test_no_broker_is_said() -> None:
    with pytest.raises(TopicUnusable, match="look at --kafka, at the way to the brokers"):
        check_topics(connection("127.0.0.1:1"), ["rides"], seconds=0.5)
