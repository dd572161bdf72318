"""
How a client of a Kafka cluster is connected and authenticated, as librdkafka's configuration.

The rule: secrets are in the configuration and nowhere else. No ``repr``, no message and no log has them.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stream_consumer.errors import SettingsError
from stream_consumer.loopback import is_loopback


class Authentication(StrEnum):
    """How the client and the brokers know each other."""

    PLAINTEXT = "plaintext"
    """Not at all, and nothing is encrypted: on loopback only."""
    TLS = "tls"
    """The brokers have certificates."""
    PLAIN = "plain"
    """The client has a user name and a password, which it sends over TLS."""
    SCRAM_SHA_256 = "scram-sha-256"
    """The same, but the password is not sent."""
    SCRAM_SHA_512 = "scram-sha-512"
    """The same; of those with passwords Amazon MSK has no other kind."""
    IAM = "iam"
    """The client has a role, over TLS: Amazon MSK only."""
    MUTUAL_TLS = "mtls"
    """The client has a certificate, too."""


SECRET_FIELDS: Mapping[Authentication, tuple[str, ...]] = {
    Authentication.PLAIN: ("username", "password"),
    Authentication.SCRAM_SHA_256: ("username", "password"),
    Authentication.SCRAM_SHA_512: ("username", "password"),
    Authentication.MUTUAL_TLS: ("certificate", "privateKey"),
}
"""
What the secret of a kind of authentication holds, by the names that Lambda's own mappings want.

Source: AWS Lambda developer guide, "Configuring cluster authentication methods".
"""

CA_FIELDS = ("certificate",)


def hosts(brokers: str) -> list[str]:
    """Return the hosts of ``host:port,…``."""
    return [broker.rpartition(":")[0].strip("[]") for broker in brokers.split(",")]


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster and the way to it."""

    brokers: str
    """``host:port``, separated by commas."""
    authentication: Authentication
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By :data:`SECRET_FIELDS`, and ``privateKeyPassword`` if the key has one."""
    authority: str | None = field(default=None, repr=False)
    """The certificate, in PEM, that the brokers' are signed with; by default one that the system trusts."""
    region: str | None = None
    """Of Amazon MSK, for IAM."""

    def configuration(self) -> dict[str, Any]:
        """
        Return librdkafka's options; no log may show them.

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
        """Return those hosts, of which a broker says that the cluster has them, that nothing may be sent to."""
        if self.authentication is not Authentication.PLAINTEXT:
            return []
        return [host for host in found if not is_loopback(host)]


def iam_tokens(region: str | None) -> Callable[[str], tuple[str, float]]:
    """
    Return what librdkafka calls for a token: it gives the token and when that expires, in Unix seconds.

    The credentials are the environment's own, and each token is signed with those of its time.

    Raises:
        SettingsError: The signer is not installed, or no region is known.

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
