"""Kafka's part of the environment: what is wrong is refused at init, in one message, without a secret in it."""

import base64
import json
import traceback
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ConnectTimeoutError

from stream_consumer.errors import SettingsError
from stream_consumer.kafka.connection import Authentication, Connection, iam_tokens
from stream_consumer.kafka.secrets import read_secret
from stream_consumer.settings import Settings
from tests.fakes import client_error

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_rides-a1b2c3"
TOPIC = {"MODEL_LOCATION": "/opt/model", "PREDICTIONS_TOPIC": "ride_predictions"}
REMOTE = {**TOPIC, "KAFKA_BROKERS": "b-1.rides.example:9094,b-2.rides.example:9094"}
SECRET = "correct horse battery staple"  # noqa: S105 (of nobody)

GOOD: dict[str, dict[str, str]] = {
    "TLS is the default": REMOTE,
    "SCRAM": {**REMOTE, "KAFKA_AUTHENTICATION": "SCRAM-SHA-512", "KAFKA_SECRET_ARN": ARN},
    "IAM": {**REMOTE, "KAFKA_AUTHENTICATION": "iam"},
    "mutual TLS with an authority of one's own": {
        **REMOTE,
        "KAFKA_AUTHENTICATION": "mtls",
        "KAFKA_SECRET_ARN": ARN,
        "KAFKA_CA_SECRET_ARN": ARN,
    },
    "plaintext on loopback": {
        **TOPIC,
        "KAFKA_BROKERS": "localhost:9092,127.0.0.1:9093,[::1]:9094",
        "KAFKA_AUTHENTICATION": "plaintext",
    },
    "no aggregates": {**REMOTE, "PUBLISH_AGGREGATE_KEYS": "0"},
}


@pytest.mark.parametrize("environ", GOOD.values(), ids=GOOD)
def test_a_topic_is_the_output_if_it_is_named(environ: dict[str, str]) -> None:
    settings = Settings.of(environ).kafka
    assert settings.predictions_topic == "ride_predictions"
    assert settings.authentication == environ.get("KAFKA_AUTHENTICATION", "tls").lower()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no brokers": (TOPIC, "PREDICTIONS_TOPIC is set, but KAFKA_BROKERS is not"),
    "a stream, too": (
        {**REMOTE, "PREDICTIONS_STREAM_NAME": "rides"},
        "PREDICTIONS_TOPIC and PREDICTIONS_STREAM_NAME are set; wanted one of them",
    ),
    "aggregates": (
        {**REMOTE, "PUBLISH_AGGREGATE_KEYS": "4"},
        "PREDICTIONS_TOPIC and PUBLISH_AGGREGATE_KEYS are set; wanted one of them",
    ),
    "plaintext beyond loopback": (
        {**REMOTE, "KAFKA_AUTHENTICATION": "plaintext"},
        "is for loopback only, and KAFKA_BROKERS has b-1.rides.example, b-2.rides.example",
    ),
    "plaintext to one that is beyond": (
        {**TOPIC, "KAFKA_BROKERS": "localhost:1,10.0.0.1:2", "KAFKA_AUTHENTICATION": "plaintext"},
        "KAFKA_BROKERS has 10.0.0.1",
    ),
    "SCRAM without a secret": (
        {**REMOTE, "KAFKA_AUTHENTICATION": "scram-sha-256"},
        "KAFKA_AUTHENTICATION=scram-sha-256 needs KAFKA_SECRET_ARN, with username and password",
    ),
    "mutual TLS without a certificate": (
        {**REMOTE, "KAFKA_AUTHENTICATION": "mtls"},
        "KAFKA_AUTHENTICATION=mtls needs KAFKA_SECRET_ARN, with certificate and privateKey",
    ),
    "a secret that nobody asks for": (
        {**REMOTE, "KAFKA_SECRET_ARN": ARN},
        "KAFKA_SECRET_ARN is set, and KAFKA_AUTHENTICATION=tls has no use for it",
    ),
    "an authority in plaintext": (
        {
            **TOPIC,
            "KAFKA_BROKERS": "localhost:1",
            "KAFKA_AUTHENTICATION": "plaintext",
            "KAFKA_CA_SECRET_ARN": ARN,
        },
        "KAFKA_CA_SECRET_ARN is set, and KAFKA_AUTHENTICATION=plaintext has no use for it",
    ),
    "a kind that is none": (
        {**REMOTE, "KAFKA_AUTHENTICATION": "kerberos"},
        "KAFKA_AUTHENTICATION='kerberos': wanted one of plaintext, tls, plain, scram-sha-256, scram-sha-512, iam, mtls",
    ),
    "a broker without a port": ({**TOPIC, "KAFKA_BROKERS": "kafka"}, "KAFKA_BROKERS='kafka': wanted host:port"),
    "a topic that Kafka does not take": ({**REMOTE, "PREDICTIONS_TOPIC": ".."}, "PREDICTIONS_TOPIC='..': wanted a"),
    "a secret that is no ARN": (
        {**REMOTE, "KAFKA_AUTHENTICATION": "mtls", "KAFKA_SECRET_ARN": "rides"},
        "KAFKA_SECRET_ARN='rides': wanted the ARN of a secret",
    ),
}


@pytest.mark.parametrize(("environ", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_what_is_wanted(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of(environ)
    assert message in str(caught.value)


# --- secrets ----------------------------------------------------------------------------------------------------------


class SecretsManager:
    """One secret, or an error."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        assert SecretId == ARN
        if isinstance(self.held, Exception):
            raise self.held
        return {"ARN": ARN, "SecretString": self.held} if self.held is not None else {"ARN": ARN, "SecretBinary": b""}


def test_a_secret_is_read_by_its_arn() -> None:
    held = {"username": "scorer", "password": SECRET}
    assert read_secret(SecretsManager(json.dumps(held)), ARN, ("username", "password")) == held


UNUSABLE: dict[str, tuple[Any, str]] = {
    "denied": (
        client_error("AccessDeniedException", 400)("GetSecretValue"),
        "AccessDeniedException; the function's role",
    ),
    "unreachable": (ConnectTimeoutError(endpoint_url="https://x.invalid"), "from a VPC, Secrets Manager needs"),
    "no JSON": (SECRET, "has another shape; wanted a JSON object of texts with the keys username and password"),
    "no texts": (json.dumps({"username": 1, "password": SECRET}), "has another shape"),
    "no object": (json.dumps([SECRET]), "has another shape"),
    "binary": (None, "has another shape"),
    "a key less": (json.dumps({"user": SECRET, "password": SECRET}), "has no username; wanted"),
    "an empty one": (json.dumps({"username": "", "password": ""}), "has no username and no password; wanted"),
}


@pytest.mark.parametrize(("held", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_secret_that_is_of_no_use_is_named_and_not_quoted(held: Any, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_secret(SecretsManager(held), ARN, ("username", "password"))
    assert message in str(caught.value)
    assert ARN in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- connections ------------------------------------------------------------------------------------------------------


def configuration(authentication: Authentication, **secret: str) -> dict[str, Any]:
    found = Connection("b:1", authentication, secret, region="eu-central-1").configuration()
    assert found.pop("bootstrap.servers") == "b:1"
    return found


def test_each_kind_of_authentication_encrypts_but_plaintext() -> None:
    scram = {"username": "scorer", "password": SECRET}
    assert configuration(Authentication.PLAINTEXT) == {"security.protocol": "PLAINTEXT"}
    assert configuration(Authentication.TLS) == {"security.protocol": "SSL"}
    assert configuration(Authentication.SCRAM_SHA_512, **scram) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "scorer",
        "sasl.password": SECRET,
    }
    assert configuration(Authentication.SCRAM_SHA_256, **scram)["sasl.mechanism"] == "SCRAM-SHA-256"
    assert configuration(Authentication.PLAIN, **scram) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "scorer",
        "sasl.password": SECRET,
    }
    assert configuration(Authentication.MUTUAL_TLS, certificate="C", privateKey="K", privateKeyPassword="P") == {
        "security.protocol": "SSL",
        "ssl.certificate.pem": "C",
        "ssl.key.pem": "K",
        "ssl.key.password": "P",
    }
    assert "ssl.key.password" not in configuration(Authentication.MUTUAL_TLS, certificate="C", privateKey="K")
    iam = configuration(Authentication.IAM)
    assert iam.pop("oauth_cb")
    assert iam == {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}


def test_an_authority_of_ones_own_is_trusted() -> None:
    assert Connection("b:1", Authentication.TLS, authority="CA").configuration()["ssl.ca.pem"] == "CA"


def test_a_connection_does_not_show_its_secrets() -> None:
    connection = Connection("b:1", Authentication.SCRAM_SHA_512, {"username": SECRET, "password": SECRET}, SECRET)
    assert SECRET not in f"{connection!r} {connection}"


def test_a_token_of_iam_is_signed_for_the_region_and_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    token, expires = iam_tokens("eu-central-1")("")
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    query = parse_qs(url.query)
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].split("/")[2:] == ["eu-central-1", "kafka-cluster", "aws4_request"]
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert expires == pytest.approx(signed.timestamp() + 900, abs=1)
    assert SECRET not in token


def test_iam_without_a_region_is_refused() -> None:
    with pytest.raises(SettingsError, match="needs the region of Amazon MSK; set AWS_REGION"):
        Connection("b:1", Authentication.IAM).configuration()
