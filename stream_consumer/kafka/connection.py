"""
The connection and authentication of a client of a Kafka cluster, as librdkafka's configuration.

The rule: secrets are in the configuration and nowhere else. No ``repr``, message or log has them.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stream_consumer.errors import SettingsError
from stream_consumer.loopback import is_loopback


class Authentication(StrEnum):
    """How the client and the brokers authenticate."""

    PLAINTEXT = "plaintext"
    """Without authentication and encryption. On loopback only."""
    TLS = "tls"
    """The brokers have certificates."""
    PLAIN = "plain"
    """The client sends a user name and a password over TLS."""
    SCRAM_SHA_256 = "scram-sha-256"
    """As PLAIN, but the client does not send the password itself."""
    SCRAM_SHA_512 = "scram-sha-512"
    """As SCRAM_SHA_256, with a longer hash. The only password authentication of Amazon MSK."""
    IAM = "iam"
    """The client has a role of IAM, over TLS. Amazon MSK only."""
    MUTUAL_TLS = "mtls"
    """The client has a certificate, as the brokers have."""


SECRET_FIELDS: Mapping[Authentication, tuple[str, ...]] = {
    Authentication.PLAIN: ("username", "password"),
    Authentication.SCRAM_SHA_256: ("username", "password"),
    Authentication.SCRAM_SHA_512: ("username", "password"),
    Authentication.MUTUAL_TLS: ("certificate", "privateKey"),
}
"""
The fields in the secret of each kind of authentication. The names are those of Lambda's own mappings.

Source: AWS Lambda developer guide, "Configuring cluster authentication methods".
"""

CA_FIELDS = ("certificate",)


def hosts(brokers: str) -> list[str]:
    """Return the hosts of ``host:port,…``."""
    return [broker.rpartition(":")[0].strip("[]") for broker in brokers.split(",")]


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster and how to connect to it."""

    brokers: str
    """``host:port``, separated by commas."""
    authentication: Authentication
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets by :data:`SECRET_FIELDS`. Also ``privateKeyPassword`` if the key has a password."""
    authority: str | None = field(default=None, repr=False)
    """The CA certificate of the brokers, in PEM. By default the system's CA certificates."""
    region: str | None = None
    """Region of Amazon MSK, for IAM."""

    def configuration(self) -> dict[str, Any]:
        """
        Return librdkafka's options. They hold secrets, so never log them.

        Raises:
            SettingsError: The library that signs for IAM is not installed.
        """
        chosen: dict[str, Any] = {"bootstrap.servers": self.brokers, "security.protocol": "SSL"}
        match self.authentication:
            case Authentication.PLAINTEXT:
                chosen["security.protocol"] = "PLAINTEXT"
            case Authentication.PLAIN | Authentication.SCRAM_SHA_256 | Authentication.SCRAM_SHA_512:
                chosen |= {
                    "security.protocol": "SASL_SSL",
                    "sasl.mechanism": self.authentication.upper(),
                    "sasl.username": self.secret["username"],
                    "sasl.password": self.secret["password"],
                }
            case Authentication.IAM:
                chosen |= {
                    "security.protocol": "SASL_SSL",
                    "sasl.mechanism": "OAUTHBEARER",
                    "oauth_cb": iam_tokens(self.region),
                }
            case Authentication.MUTUAL_TLS:
                chosen |= {
                    "ssl.certificate.pem": self.secret["certificate"],
                    "ssl.key.pem": self.secret["privateKey"],
                    "ssl.key.password": self.secret.get("privateKeyPassword"),
                }
        chosen["ssl.ca.pem"] = self.authority
        return {name: value for name, value in chosen.items() if value is not None}

    def strangers(self, found: list[str]) -> list[str]:
        """Return the hosts of *found*, as brokers list them, to which the client must not send anything."""
        if self.authentication is not Authentication.PLAINTEXT:
            return []
        return [host for host in found if not is_loopback(host)]


def iam_tokens(region: str | None) -> Callable[[str], tuple[str, float]]:
    """
    Return a callback for librdkafka that gives a token and its expiry in Unix seconds.

    The credentials come from the environment. Each token is signed with the credentials of that moment.

    Raises:
        SettingsError: The signer is not installed, or the region is unknown.

    Source: Amazon MSK developer guide, "Configure clients for IAM access control".
    """
    if region is None:
        raise SettingsError("KAFKA_AUTHENTICATION=iam needs the region of Amazon MSK; set AWS_REGION")
    try:
        provider = importlib.import_module("aws_msk_iam_sasl_signer.MSKAuthTokenProvider")
    except ImportError as error:
        raise SettingsError(
            f"KAFKA_AUTHENTICATION=iam needs a library that is not installed ({error}): "
            "pip install 'stream-consumer[kafka]'"
        ) from error

    def token(_configured: str) -> tuple[str, float]:
        signed, expires_ms = provider.generate_auth_token(region)
        return signed, expires_ms / 1000

    return token
