"""The environment variables about Kafka. docs/kafka.md has their table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from stream_consumer.environment_variables import Field, boolean, matching, read
from stream_consumer.kafka.connection import SECRET_FIELDS, Authentication, hosts
from stream_consumer.loopback import is_loopback

_broker = r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}"
_secret = matching(r"arn:[^:]+:secretsmanager:[^:]+:\d{12}:secret:\S+", "the ARN of a secret of AWS Secrets Manager")


def _authentication(text: str) -> Authentication:
    try:
        return Authentication(text.lower())
    except ValueError:
        raise ValueError(f"wanted one of {', '.join(Authentication)}") from None


FIELDS = {
    "predictions_topic": Field(
        "PREDICTIONS_TOPIC",
        # Source: Apache Kafka, org.apache.kafka.common.internals.Topic.
        matching(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}", "a topic's name"),
        None,
        "Output topic, instead of the stream `PREDICTIONS_STREAM_NAME`",
    ),
    "brokers": Field(
        "KAFKA_BROKERS",
        matching(f"{_broker}(?:,{_broker})*", "host:port, separated by commas"),
        None,
        "Brokers of the output topic's cluster: `host:port`, separated by commas",
    ),
    "authentication": Field(
        "KAFKA_AUTHENTICATION",
        _authentication,
        Authentication.TLS,
        "Authentication at the brokers: `tls` (server only), `scram-sha-512`, `scram-sha-256`, `plain`, "
        "`iam` (Amazon MSK), `mtls`, or on loopback `plaintext`",
    ),
    "secret_arn": Field(
        "KAFKA_SECRET_ARN",
        _secret,
        None,
        "Secret with `username` and `password` for SCRAM and SASL PLAIN, or for mutual TLS with `certificate`, "
        "`privateKey` and, if the key has one, `privateKeyPassword`",
    ),
    "ca_secret_arn": Field(
        "KAFKA_CA_SECRET_ARN",
        _secret,
        None,
        "Secret with the `certificate` of the authority that signs the brokers' certificates. The default is the "
        "system's authorities",
    ),
    "partial_response": Field(
        "KAFKA_PARTIAL_RESPONSE",
        boolean,
        default=False,
        meaning="`true`: the function's Kafka mapping has `ReportBatchItemFailures`. Otherwise a batch with an "
        "unsettled record fails as a whole",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """The settings about Kafka. ``FIELDS`` explains each field."""

    predictions_topic: str | None
    brokers: str | None
    authentication: Authentication
    secret_arn: str | None
    ca_secret_arn: str | None
    partial_response: bool

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """Return the settings in *environ*, and their faults."""
        values, faults = read(FIELDS, environ)
        return cls(**values), faults or _faults(values, environ)


def _faults(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    authentication, topic, brokers = values["authentication"], values["predictions_topic"], values["brokers"]
    faults = []
    if topic and not brokers:
        faults.append("PREDICTIONS_TOPIC is set, but KAFKA_BROKERS is not")
    faults += [
        f"PREDICTIONS_TOPIC and {other} are set; wanted one of them"
        for other in ("PREDICTIONS_STREAM_NAME", "PUBLISH_AGGREGATE_KEYS")
        if topic and environ.get(other, "").strip().strip("0")
    ]
    strangers = [host for host in hosts(brokers or "localhost:1") if not is_loopback(host)]
    if authentication is Authentication.PLAINTEXT and strangers:
        faults.append(
            f"KAFKA_AUTHENTICATION=plaintext is for loopback only, and KAFKA_BROKERS has {', '.join(strangers)}"
        )
    needed = SECRET_FIELDS.get(authentication)
    if brokers and needed and not values["secret_arn"]:
        faults.append(f"KAFKA_AUTHENTICATION={authentication} needs KAFKA_SECRET_ARN, with {' and '.join(needed)}")
    useless = {"secret_arn": not needed, "ca_secret_arn": authentication is Authentication.PLAINTEXT}
    faults += [
        f"{FIELDS[name].variable} is set, and KAFKA_AUTHENTICATION={authentication} has no use for it"
        for name, is_useless in useless.items()
        if values[name] and is_useless
    ]
    return faults
