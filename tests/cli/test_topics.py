"""The commands on topics of a real broker: what is put comes out, in order, and nothing is committed."""

import io
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from stream_consumer.aws.clients import Clients
from stream_consumer.contract.dead_letter import DeadLetter, encode_dead_letters
from stream_consumer.contract.kafka_event import kafka_record
from stream_consumer.contract.record import Header, InvalidRecord, KafkaOrigin, Reason
from tests.cli.conftest import Command, Ran
from tests.cli.model import linear_model
from tests.kafka.broker import Broker, broker
from tests.rides import ride_event

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def cluster() -> Iterator[Broker]:
    with broker() as running:
        yield running


@pytest.fixture
def topics(cluster: Broker, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Make topics of the test's own."""
    name = request.node.originalname.removeprefix("test_")[:60]
    made = f"{name}-in", f"{name}-out"
    for topic in made:
        cluster.create(topic, 2)
    return made


class Cluster:
    """The command line with a cluster."""

    def __init__(self, command: Command, cluster: Broker) -> None:
        self._command = command
        self.brokers = cluster.address

    def run(self, name: str, *arguments: object) -> Ran:
        return self._command(*name.split(), "--kafka", self.brokers, *arguments)

    def values(self, topic: str, *options: str) -> list[str]:
        ran = self.run("tail", "--topic", topic, "--raw", "--from", "earliest", "--no-follow", *options)
        assert (ran.code, ran.err) == (0, ""), ran
        return ran.out.splitlines()


@pytest.fixture
def there(command: Command, cluster: Broker) -> Cluster:
    return Cluster(command, cluster)


def produce(there: Cluster, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": there.brokers})
    for at, value in enumerate(values):
        producer.produce(topic, value, b"k", partition=0, timestamp=1_700_000_000_000 + 60_000 * at)
        assert producer.flush(20) == 0


def test_events_are_put_under_their_ids_and_tailed_in_order(
    there: Cluster, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, _ = topics
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"ride_id": n % 7, "at": n}) for n in range(1_200)]
    Path("events.ndjson").write_text("\n".join(lines))
    ran = there.run("put", "events.ndjson", "--topic", topic)
    assert (ran.code, ran.out) == (0, f"1,200 records put on {topic}, 0 put again\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"ride_id":1,"at":1200}\n')))
    assert there.run("put", "-", "--topic", topic).code == 0
    found = list(map(json.loads, there.values(topic)))
    assert len(found) == 1_201
    for ride_id in range(7):
        own = [event["at"] for event in found if event["ride_id"] == ride_id]
        assert own == sorted(own)
    assert len(there.values(topic, "--limit", "3")) == 3


def test_what_the_topic_does_not_take_is_said(
    there: Cluster, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, _ = topics
    monkeypatch.chdir(tmp_path)
    Path("events.ndjson").write_text('{"ride_id":1}\n' + "x" * 1_100_000)
    ran = there.run("put", "events.ndjson", "--topic", topic)
    assert ran.code == 1
    said = f"error: '{topic}': 1 of 2 records were not put after 0: the topic was answered with MSG_SIZE_TOO_LARGE"
    assert ran.err.strip() == said
    assert there.run("put", "events.ndjson", "--topic", "nosuch").code == 1
    assert there.values(topic) == ['{"ride_id":1}']


def test_a_checkpoint_is_gone_on_behind_and_no_group_is_made(
    there: Cluster, topics: tuple[str, str], tmp_path: Path
) -> None:
    topic, _ = topics
    produce(there, topic, *(b"%d" % n for n in range(5)))
    kept = ("--checkpoint", str(tmp_path / "place"))
    assert there.values(topic, *kept, "--limit", "2") == ["0", "1"]
    assert there.values(topic, *kept) == ["1", "2", "3", "4"], "a record counts when the next one is asked for"
    assert there.values(topic, *kept) == []
    groups = AdminClient({"bootstrap.servers": there.brokers}).list_consumer_groups().result(20)
    assert [group.group_id for group in groups.valid] == []


def test_a_topic_is_tailed_from_a_time(there: Cluster, topics: tuple[str, str]) -> None:
    topic, _ = topics
    produce(there, topic, *(b"%d" % n for n in range(5)))
    ran = there.run("tail", "--topic", topic, "--raw", "--from", "2023-11-14T22:15:20Z", "--no-follow")
    assert ran.out.split() == ["2", "3", "4"]
    assert there.run("tail", "--topic", topic, "--raw", "--from", "LATEST", "--no-follow").out == ""


def test_a_range_is_replayed_with_the_event_ids_of_the_first_time(
    there: Cluster, topics: tuple[str, str], tmp_path: Path
) -> None:
    topic, output = topics
    model, other = linear_model(tmp_path / "model"), linear_model(tmp_path / "other", 3.0)
    produce(there, topic, ride_event(1), b"no", ride_event(2), ride_event(3))
    range_ = ("--topic", topic, "--from", f"{topic}-0:1", "--until", f"{topic}-0:2", "--model", model)
    for _ in range(2):
        ran = there.run("replay", *range_, "--output-topic", output)
        assert (ran.code, ran.err.splitlines()[-1]) == (0, "2 records replayed: 1 predictions, 1 undecodable")
    tailed = there.run("tail", "--topic", output, "--from", "earliest", "--no-follow", "--json")
    assert [json.loads(line)["event_id"] for line in tailed.out.splitlines()] == [f"{topic}-0:2"]
    assert len(there.values(output)) == 2
    times = ("--topic", topic, "--from", "2023-11-14T22:15:20Z", "--until", "2023-11-14T22:16:20Z", "--model", model)
    compared = json.loads(there.run("replay", *times, "--compare", other, "--json").out)
    assert (compared["records"], compared["scored_by_both"]) == (1, 1)


def test_dead_letters_go_back_on_their_topic_and_not_on_the_stream_of_its_name(
    there: Cluster, topics: tuple[str, str], mocked_aws: Clients, command: Command
) -> None:
    topic, _ = topics
    mocked_aws.kinesis.create_stream(StreamName=topic, ShardCount=1)
    location = f"kafka://{there.brokers}/{topic}"

    def letter(offset: int, value: bytes | None) -> DeadLetter:
        origin = KafkaOrigin(topic, 0, offset, b"\xff", 1, "CREATE_TIME", [Header("trace", b"abc")])
        return DeadLetter.of(kafka_record(value, origin, location), InvalidRecord(Reason.SCHEMA, "$", "no"))

    lines = encode_dead_letters([letter(0, b"zero"), letter(1, None)])
    mocked_aws.s3.put_object(Bucket="ride-failures", Key="dead-letters/a.jsonl", Body=lines)
    refused = command("dead-letters", "redrive")
    assert (refused.code, "put back: 0" in refused.out) == (1, True)
    assert "name its cluster with --kafka" in refused.err.replace("\n", " ")
    dry = there.run("dead-letters redrive", "--dry-run")
    assert f"4 bytes would go on {location}" in dry.out
    assert there.values(topic) == []
    assert "put back: 1, " in there.run("dead-letters redrive").out
    assert "put back: 1, redriven before: 1" in there.run("dead-letters redrive", "--tombstones").out
    assert sorted(there.values(topic)) == ["null", "zero"]
    consumer = KafkaConsumer({"bootstrap.servers": there.brokers, "group.id": "test"})
    consumer.assign([TopicPartition(topic, at, 0) for at in range(2)])
    try:
        polled = (consumer.poll(0.25) for _ in range(80))
        # A message without a value is false.
        messages = (message for message in polled if message is not None and not message.error())
        found = list(itertools.islice(messages, 2))
    finally:
        consumer.close()
    assert {message.key() for message in found} == {b"\xff"}
    assert [message.headers() for message in found] == [[("trace", b"abc")]] * 2
