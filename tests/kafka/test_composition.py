"""Where predictions go is a matter of settings: from Kinesis to a topic, from Kafka to a stream or to a topic."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from confluent_kafka import Consumer, TopicPartition
from moto import mock_aws

from stream_consumer.composition import compose, kafka_connection
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.errors import SettingsError, TopicUnusable
from stream_consumer.kafka.connection import Authentication
from stream_consumer.lambda_function import build_handler
from stream_consumer.reader import PredictionReader
from stream_consumer.settings import Settings
from stream_consumer.telemetry import telemetry
from tests.kafka.mock_cluster import MockCluster, mock_cluster
from tests.rides import FakeContext, kafka_event, kinesis_event, ride_event, sequence_number

TOPIC = "ride_predictions"
SUCCESS: dict[str, Any] = {"batchItemFailures": []}
PASSWORD = "correct horse battery staple"  # noqa: S105 (of nobody)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as cluster:
        cluster.create(TOPIC, partitions=1)
        yield cluster


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.session.Session()


def environment(model: Path, **more: str) -> dict[str, str]:
    return {"MODEL_LOCATION": str(model), "POWERTOOLS_SERVICE_NAME": "composed-with-kafka"} | more


def to_topic(cluster: MockCluster) -> dict[str, str]:
    return {"PREDICTIONS_TOPIC": TOPIC, "KAFKA_BROKERS": cluster.brokers, "KAFKA_AUTHENTICATION": "plaintext"}


def invoke(environ: Mapping[str, str], *events: dict[str, Any]) -> None:
    handler = build_handler(environ, telemetry(environ))
    for event in events:
        assert handler(event, FakeContext()) == SUCCESS
    handler.renew()


@pytest.mark.usefixtures("aws", "capsys")
def test_batches_of_kinesis_and_of_kafka_go_to_a_topic(cluster: MockCluster, rides_model: Path) -> None:
    """The same handler takes both. The event id of each prediction is in its header and in its value."""
    first = kinesis_event([ride_event(7)])
    invoke(environment(rides_model, **to_topic(cluster)), first, kafka_event({3: [ride_event("8")]}, first=40))
    consumer = Consumer({"bootstrap.servers": cluster.brokers, "group.id": "test"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    for message in consumer.consume(2, timeout=20):
        prediction = decode_prediction(message.value() or b"")
        assert message.headers() == [("event_id", (prediction.event_id or "").encode())]
        found.append((message.key(), prediction.prediction.id, prediction.event_id))
    consumer.close()
    assert found == [
        (b"7", 7, f"shardId-000000000000:{sequence_number(0)}"),
        (b"8", "8", "ride_events-3:40"),
    ]


@pytest.mark.usefixtures("capsys")
def test_batches_of_kafka_go_on_a_stream(aws: boto3.session.Session, rides_model: Path) -> None:
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName=TOPIC, ShardCount=1)
    invoke(environment(rides_model), kafka_event({0: [ride_event(7)]}))
    [received] = PredictionReader(kinesis, TOPIC, follow=False)
    assert received.prediction.event_id == "ride_events-0:0"


@pytest.mark.usefixtures("aws")
def test_init_fails_if_the_topic_is_missing(cluster: MockCluster, rides_model: Path) -> None:
    environ = environment(rides_model, **to_topic(cluster) | {"PREDICTIONS_TOPIC": "other"})
    with pytest.raises(TopicUnusable, match="UNKNOWN_TOPIC_OR_PART; create it, or set PREDICTIONS_TOPIC"):
        compose(Settings.of(environ), lambda _: None)


@pytest.mark.usefixtures("aws")
def test_init_says_which_library_is_missing(rides_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stream_consumer.kafka.topic_writer")
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    environ = environment(rides_model, PREDICTIONS_TOPIC=TOPIC, KAFKA_BROKERS="b:1")
    with pytest.raises(SettingsError, match=r"pip install 'stream-consumer\[kafka\]'"):
        compose(Settings.of(environ), lambda _: None)


def test_a_test_run_needs_no_cluster(aws: boto3.session.Session, rides_model: Path) -> None:
    del aws
    environ = environment(rides_model, PREDICTIONS_TOPIC=TOPIC, KAFKA_BROKERS="nowhere.invalid:1", TEST_RUN="true")
    assert compose(Settings.of(environ), lambda _: None).clients == []


def test_secrets_are_read_by_their_arns(aws: boto3.session.Session, rides_model: Path) -> None:
    secrets = aws.client("secretsmanager")
    credentials = json.dumps({"username": "scorer", "password": PASSWORD})
    authority = json.dumps({"certificate": "-----BEGIN CERTIFICATE-----"})
    environ = environment(
        rides_model,
        PREDICTIONS_TOPIC=TOPIC,
        KAFKA_BROKERS="b:1",
        KAFKA_AUTHENTICATION="scram-sha-512",
        KAFKA_SECRET_ARN=secrets.create_secret(Name="AmazonMSK_scorer", SecretString=credentials)["ARN"],
        KAFKA_CA_SECRET_ARN=secrets.create_secret(Name="ca", SecretString=authority)["ARN"],
    )
    connection = kafka_connection(Settings.of(environ).kafka, aws)
    assert connection.authentication is Authentication.SCRAM_SHA_512
    assert connection.secret == {"username": "scorer", "password": PASSWORD}
    assert connection.authority == "-----BEGIN CERTIFICATE-----"
    assert connection.region == "us-east-1"
