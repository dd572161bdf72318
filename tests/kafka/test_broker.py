"""Kafka on both sides with a real broker, which stops in the midst of it, and the ways to be known to one."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Message, Producer, TopicPartition

from stream_consumer.consumer import BatchResult, Consumer
from stream_consumer.contract.kafka_event import kafka_record, topic_url
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import KafkaOrigin, Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.errors import TopicUnusable
from stream_consumer.inference import Decider
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.local.demo.embedded_aws import free_port
from tests.fakes import FakeS3
from tests.kafka.broker import Broker, Identity, broker, tls_relay
from tests.rides import FakeModel, ride_event

pytestmark = pytest.mark.process

PARTITIONS = 4


def message_value(message: Message) -> bytes | None:
    value = message.value()
    assert not isinstance(value, str)
    return value


def read(broker: Broker, topic: str, partitions: int) -> Iterator[Message]:
    """Yield what is on *topic*, to its end."""
    consumer = KafkaConsumer({"bootstrap.servers": broker.address, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    ended = 0
    try:
        while ended < partitions:
            message = consumer.poll(20.0)
            assert message is not None, "the broker does not answer"
            if message.error():
                ended += 1
            else:
                yield message
    finally:
        consumer.close()


def record_of(broker: Broker, message: Message) -> Record:
    key, (_, timestamp) = message.key(), message.timestamp()
    assert isinstance(key, bytes)
    origin = KafkaOrigin(message.topic() or "", message.partition() or 0, message.offset() or 0, key, timestamp)
    return kafka_record(message_value(message), origin, topic_url(broker.address, origin.topic))


def produce(broker: Broker, values: dict[str, bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": broker.address})
    for at, (key, value) in enumerate(values.items()):
        producer.produce("rides", value, key, partition=at % PARTITIONS)
    assert producer.flush(20) == 0


def by_partition(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.shard or "", int(record.sequence_number or 0)))


def test_a_broker_that_stops_in_mid_batch_loses_nothing() -> None:
    """2,000 rides, 20 malformed, 20 tombstones: each ends as what it is, and duplicates can be told."""
    values: dict[str, bytes | None] = {f"ride {at}": ride_event(at) for at in range(2_000)}
    values |= {f"bad {at}": b"no" for at in range(20)} | {f"null {at}": None for at in range(20)}
    s3 = FakeS3()
    with broker() as running:
        running.create("rides", PARTITIONS)
        running.create("ride_predictions", 2)
        produce(running, values)
        waiting = by_partition([record_of(running, message) for message in read(running, "rides", PARTITIONS)])
        assert len(waiting) == 2_040
        consumer = Consumer(
            Decider(FakeModel()),
            predictions=PredictionTopic(Connection(running.address, Authentication.PLAINTEXT), "ride_predictions"),
            dead_letters=DeadLetters(s3.client, "dead-letters-bucket", "dead-letters"),
        )
        results: list[BatchResult] = []
        while waiting:
            batch, waiting = waiting[:500], waiting[500:]
            if len(results) == 1:
                running.process.send_signal(signal.SIGSTOP)
            results.append(process(consumer, batch, seconds=2.0 if len(results) == 1 else 30.0))
            running.process.send_signal(signal.SIGCONT)
            waiting = [batch[at] for at in results[-1].unsettled_positions] + waiting
        found = list(read(running, "ride_predictions", 2))
    assert [result.unsettled > 0 for result in results] == [False, True, *[False] * (len(results) - 2)]
    events = Counter(headers_of(message)["event_id"] for message in found)
    assert len(events) == 2_000
    assert {decode_prediction(message_value(message) or b"").prediction.id for message in found} == set(range(2_000))
    assert Counter(letter.kafka.null_value for letter in s3.letters if letter.kafka) == {False: 20, True: 20}


def process(consumer: Consumer, batch: list[Record], seconds: float) -> BatchResult:
    return consumer.process(batch, consumer._clock() + seconds)  # noqa: SLF001 (the clock of its deadlines)


def headers_of(message: Message) -> dict[str, Any]:
    headers = message.headers()
    assert isinstance(headers, list)
    prediction = decode_prediction(message_value(message) or b"")
    assert headers == [("event_id", (prediction.event_id or "").encode())]
    return dict(headers)


@pytest.fixture(scope="module")
def identities() -> tuple[Identity, Identity]:
    """The broker's and the client's."""
    return Identity.made(), Identity.made()


def check(port: int, authentication: Authentication, authority: str | None = None, **secret: str) -> None:
    connection = Connection(f"127.0.0.1:{port}", authentication, secret, authority, "us-east-1")
    PredictionTopic(connection, "rides").check()


def refusal(port: int, authentication: Authentication, authority: str | None = None, **secret: str) -> str:
    with pytest.raises(TopicUnusable) as caught:
        check(port, authentication, authority, **secret)
    return str(caught.value)


def test_tls_trusts_the_authority_that_it_is_given_and_no_other(
    identities: tuple[Identity, Identity], tmp_path: Path
) -> None:
    own, other = identities
    inner = free_port()
    with tls_relay(inner, own, tmp_path) as port, broker(port=inner, advertised=port) as running:
        running.create("rides", 1)
        check(port, Authentication.TLS, own.certificate)
        with pytest.raises(TopicUnusable, match=r"_SSL: .*look at KAFKA_AUTHENTICATION and KAFKA_CA_SECRET_ARN"):
            check(port, Authentication.TLS, other.certificate)


def test_mutual_tls_shows_the_certificate_of_the_client(identities: tuple[Identity, Identity], tmp_path: Path) -> None:
    own, client = identities
    inner = free_port()
    with tls_relay(inner, own, tmp_path, client) as port, broker(port=inner, advertised=port) as running:
        running.create("rides", 1)
        authority = own.certificate
        check(port, Authentication.MUTUAL_TLS, authority, certificate=client.certificate, privateKey=client.key)
        with pytest.raises(TopicUnusable):
            check(port, Authentication.MUTUAL_TLS, authority, certificate=own.certificate, privateKey=own.key)


def test_plaintext_to_a_port_with_tls_says_what_may_be_wrong(
    identities: tuple[Identity, Identity], tmp_path: Path
) -> None:
    own, _ = identities
    inner = free_port()
    with tls_relay(inner, own, tmp_path) as port, broker(port=inner, advertised=port):
        caught = refusal(port, Authentication.PLAINTEXT)
    assert caught.endswith("where a broker closes the connection, at KAFKA_AUTHENTICATION")
