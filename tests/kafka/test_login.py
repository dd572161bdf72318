"""Logging in to a real broker, by each way that has a name: who is let in, and what is said to everyone else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.local.demo.embedded_aws import free_port
from stream_consumer.sinks import Entry
from tests.kafka.broker import Identity, broker, tls_relay
from tests.kafka.sasl_exchanges import Users
from tests.kafka.sasl_gate import sasl_gate

pytestmark = pytest.mark.process

NAME, PASSWORD, TOKEN = "scorer", "correct horse battery staple", "of the role"
BY_PASSWORD = [Authentication.PLAIN, Authentication.SCRAM_SHA_256, Authentication.SCRAM_SHA_512]
BY_SCRAM = BY_PASSWORD[1:]
PASSWORDS = Users(secrets={NAME: PASSWORD})
ROLE = Users(secrets={"AKIDEXAMPLE": PASSWORD}, session_token=TOKEN)
REMEDY = (
    "look at KAFKA_AUTHENTICATION, at what KAFKA_SECRET_ARN holds or, with IAM, at the role's kafka-cluster:Connect"
)

ENTRIES = [Entry("1", b"one", "rides-0:1"), Entry("2", b"two", "rides-0:2")]


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity.made()


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the credentials of the role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@contextmanager
def cluster(users: Users, identity: Identity, folder: Path) -> Iterator[str]:
    """Run a broker with a topic of rides that lets *users* in, over TLS."""
    inner = free_port()
    with (
        sasl_gate(inner, users) as gate,
        tls_relay(gate, identity, folder) as port,
        broker(port=inner, advertised=port) as running,
    ):
        running.create("rides", 1)
        yield f"127.0.0.1:{port}"


def topic(address: str, how: Authentication, identity: Identity, **secret: str) -> PredictionTopic:
    return PredictionTopic(Connection(address, how, secret, identity.certificate, "us-east-1"), "rides")


def refusal(users: Users, how: Authentication, identity: Identity, folder: Path, **secret: str) -> str:
    with cluster(users, identity, folder) as address, pytest.raises(TopicUnusable) as caught:
        topic(address, how, identity, **secret).check()
    said = str(caught.value)
    assert f"KAFKA_AUTHENTICATION={how}: _AUTHENTICATION: " in said
    assert said.endswith(REMEDY)
    assert PASSWORD not in said
    return said


@pytest.mark.parametrize("how", BY_PASSWORD)
def test_a_user_logs_in_and_writes(how: Authentication, identity: Identity, tmp_path: Path) -> None:
    with cluster(PASSWORDS, identity, tmp_path) as address:
        predictions = topic(address, how, identity, username=NAME, password=PASSWORD)
        predictions.check()
        assert predictions.write(ENTRIES, time.monotonic() + 20.0).unwritten == []


@pytest.mark.parametrize("how", BY_PASSWORD)
def test_a_wrong_password_is_told_at_init_and_is_in_no_message(
    how: Authentication, identity: Identity, tmp_path: Path
) -> None:
    users = Users(secrets={NAME: "another"})
    said = refusal(users, how, identity, tmp_path, username=NAME, password=PASSWORD)
    assert "invalid user or password" in said


@pytest.mark.parametrize("how", BY_SCRAM)
def test_who_does_not_know_the_password_cannot_play_the_broker(
    how: Authentication, identity: Identity, tmp_path: Path
) -> None:
    """By SCRAM both sides prove that they know it."""
    players = Users(secrets={NAME: "a guess"}, lets_anyone_in=True)
    with cluster(players, identity, tmp_path) as address, pytest.raises(TopicUnusable, match="_AUTHENTICATION"):
        topic(address, how, identity, username=NAME, password=PASSWORD).check()


@pytest.mark.usefixtures("role")
def test_a_role_logs_in_by_iam_and_writes(identity: Identity, tmp_path: Path) -> None:
    """What the broker gets is a signed request of kafka-cluster:Connect."""
    with cluster(ROLE, identity, tmp_path) as address:
        predictions = topic(address, Authentication.IAM, identity)
        predictions.check()
        assert predictions.write(ENTRIES, time.monotonic() + 20.0).unwritten == []


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(
    ("users", "why"),
    [
        (Users(secrets={"AKIDEXAMPLE": "another"}, session_token=TOKEN), "its signature is wrong"),
        (Users(secrets=ROLE.secrets, session_token="of another"), "it is of another role"),  # noqa: S106 (of nobody)
        (Users(secrets=ROLE.secrets, session_token=TOKEN, region="eu-west-1"), "it is no token of eu-west-1"),
    ],
    ids=["of another key", "of another role", "of another region"],
)
def test_a_token_that_the_cluster_does_not_take_is_told_at_init(
    users: Users, why: str, identity: Identity, tmp_path: Path
) -> None:
    assert why in refusal(users, Authentication.IAM, identity, tmp_path)
