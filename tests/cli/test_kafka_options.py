"""What ``--kafka`` and ``--topic`` turn into."""

import boto3
import pytest

from stream_consumer.cli.kafka_options import connection, environment, topic_name
from stream_consumer.errors import SettingsError, UsageError
from stream_consumer.kafka.connection import Authentication, Connection
from tests.cli.conftest import Command

REMOTE = "b-1.rides.example:9094,b-2.rides.example:9094"


def test_brokers_on_loopback_are_spoken_to_in_plaintext_unless_the_environment_says_otherwise() -> None:
    local = "localhost:9092,127.0.0.1:9093"
    assert environment(local, {}) == {"KAFKA_BROKERS": local, "KAFKA_AUTHENTICATION": "plaintext"}
    assert environment(local, {"KAFKA_AUTHENTICATION": "tls"})["KAFKA_AUTHENTICATION"] == "tls"
    assert environment(REMOTE, {}) == {"KAFKA_BROKERS": REMOTE}
    assert environment(f"localhost:1,{REMOTE}", {}) == {"KAFKA_BROKERS": f"localhost:1,{REMOTE}"}


def test_the_output_may_be_on_another_cluster() -> None:
    """The brokers of the environment are those of the function's output."""
    environ = {"KAFKA_BROKERS": REMOTE, "KAFKA_AUTHENTICATION": "tls"}
    assert environment("input.example:9094", environ)["KAFKA_BROKERS"] == REMOTE
    session = boto3.Session(region_name="eu-west-1")
    assert connection("input.example:9094", session, environ) == Connection(
        "input.example:9094", Authentication.TLS, region="eu-west-1"
    )


def test_the_output_s_settings_are_no_fault_of_a_connection() -> None:
    environ = {"PREDICTIONS_TOPIC": "ride_predictions", "PREDICTIONS_STREAM_NAME": "ride_predictions"}
    made = connection("localhost:1", boto3.Session(region_name="eu-west-1"), environ)
    assert made.authentication is Authentication.PLAINTEXT


def test_what_is_no_broker_or_topic_is_said() -> None:
    with pytest.raises(UsageError, match="--kafka 'kafka': wanted host:port, separated by commas"):
        environment("kafka", {})
    with pytest.raises(UsageError, match=r"--topic '\.\.': wanted a topic's name"):
        topic_name("..")
    assert topic_name("ride_events") == "ride_events"


def test_plaintext_beyond_loopback_is_refused() -> None:
    with pytest.raises(SettingsError, match="plaintext is for loopback only, and --kafka has b-1"):
        connection(REMOTE, boto3.Session(region_name="eu-west-1"), {"KAFKA_AUTHENTICATION": "plaintext"})


@pytest.mark.parametrize("output", ["127.0.0.1:1", "127.0.0.1:2,127.0.0.1:1"])
def test_predictions_do_not_go_on_a_topic_that_is_consumed(
    command: Command, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    """Each prediction would be consumed as an event, and become a dead letter."""
    monkeypatch.setenv("MODEL_LOCATION", "model/")
    monkeypatch.setenv("PREDICTIONS_TOPIC", "rides")
    monkeypatch.setenv("KAFKA_BROKERS", output)
    monkeypatch.setenv("MODEL_DIGST", "abc")
    ran = command("consume", "--kafka", "127.0.0.1:1", "--topic", "trips", "--topic", "rides")
    assert ran.code == 2
    assert "MODEL_DIGST is not a setting, and its value is not used. Is MODEL_DIGEST meant?" in ran.err
    assert "--topic rides: PREDICTIONS_TOPIC is the same topic" in " ".join(ran.err.split())


def test_a_topic_of_the_same_name_on_another_cluster_is_another_topic(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_LOCATION", "model/")
    monkeypatch.setenv("PREDICTIONS_TOPIC", "rides")
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:2")
    ran = command("consume", "--kafka", "127.0.0.1:1", "--topic", "rides")
    assert ran.code == 1
    assert "the topic 'rides' cannot be asked for at 127.0.0.1:1" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--kafka", "localhost:1", "--bisect", "--poll", "2"], "--bisect, --poll: goes with Kinesis, and not with"),
        (["--topic", "rides", "--group", "scorers"], "--topic, --group: goes with --kafka"),
        (["--kafka", "localhost:1"], "--kafka needs --topic NAME"),
        (["--kafka", "kafka", "--topic", "rides"], "--kafka 'kafka': wanted host:port, separated by commas"),
        (["--kafka", "localhost:1", "--topic", "rides", "--group", " "], "--group is empty"),
        (["--kafka", "localhost:1", "--topic", "rides", "--batch-size", "0"], "--batch-size is 0, wanted 1 to 10000"),
    ],
)
def test_options_of_the_other_kind_of_source_and_wrong_ones_are_refused(
    command: Command, options: list[str], error: str
) -> None:
    ran = command("consume", *options)
    assert ran.code == 2
    assert error in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("command_line", "stream"),
    [
        (("put", "rides.csv"), "ride_events"),
        (("tail",), "ride_predictions"),
        (("replay", "--output", "-", "--model", "model"), "ride_events"),
        (("tail",), "another"),
    ],
)
def test_a_stream_that_is_given_is_refused_with_kafka_also_at_its_default(
    command: Command, command_line: tuple[str, ...], stream: str
) -> None:
    ran = command(*command_line, "--stream", stream, "--kafka", "127.0.0.1:1")
    assert ran.code == 2
    assert f"--stream {stream} and --kafka 127.0.0.1:1 cannot be combined" in " ".join(ran.err.split())
