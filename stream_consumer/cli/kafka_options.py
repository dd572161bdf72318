"""
Options of the commands that read or write topics of Kafka, and what they turn into.

The rule: the cluster is named by ``--kafka``. How the client is known to it is said by the variables KAFKA_… of the
environment, the same as the function's, since secrets are no arguments.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stream_consumer.errors import SettingsError, UsageError
from stream_consumer.kafka.connection import Authentication, Connection, hosts
from stream_consumer.kafka_settings import FIELDS, KafkaSettings
from stream_consumer.loopback import is_loopback

if TYPE_CHECKING:
    import boto3

    from stream_consumer.aws.clients import Clients

Brokers = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="BROKERS",
        help="Kafka brokers to use instead of Kinesis, as host:port separated by commas.",
        show_default="Kinesis",
    ),
]
InputTopic = Annotated[
    str | None,
    typer.Option("--topic", metavar="NAME", help="Kafka topic (with --kafka).", show_default="ride_events"),
]
OutputTopic = Annotated[
    str | None,
    typer.Option("--topic", metavar="NAME", help="Kafka topic (with --kafka).", show_default="ride_predictions"),
]
Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        metavar="NAME",
        help="Kafka topic, required with --kafka. May be repeated.",
        show_default="no topic",
    ),
]


def environment(brokers: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return the variables by which a function reaches the cluster at *brokers*, unless *environ* names another.

    Brokers on loopback are spoken to in plaintext, unless KAFKA_AUTHENTICATION says otherwise.

    Raises:
        UsageError: *brokers* are none.
    """
    _parsed("--kafka", "brokers", brokers)
    chosen = {name: environ.get(name, "").strip() for name in ("KAFKA_BROKERS", "KAFKA_AUTHENTICATION")}
    chosen["KAFKA_BROKERS"] = chosen["KAFKA_BROKERS"] or brokers
    if not chosen["KAFKA_AUTHENTICATION"] and all(map(is_loopback, hosts(brokers))):
        chosen["KAFKA_AUTHENTICATION"] = Authentication.PLAINTEXT
    return {name: value for name, value in chosen.items() if value}


def connection(brokers: str, session: "boto3.Session", environ: Mapping[str, str] = os.environ) -> Connection:
    """
    Return the way to the cluster at *brokers*, its secrets read.

    Raises:
        UsageError: *brokers* are none.
        SettingsError: A variable is wrong, or a secret cannot be read.
    """
    from stream_consumer.composition import kafka_connection

    names = [FIELDS[name].variable for name in ("authentication", "secret_arn", "ca_secret_arn")]
    ways = {name: environ[name] for name in names if name in environ}
    settings, faults = KafkaSettings.read(ways | environment(brokers, environ) | {"KAFKA_BROKERS": brokers})
    if faults:
        # These brokers are the option's. The variable of the environment may name others.
        raise SettingsError("; ".join(faults).replace(FIELDS["brokers"].variable, "--kafka"))
    return kafka_connection(settings, session)


def topic_names(texts: Sequence[str] | None) -> list[str]:
    """
    Return the values of ``--topic``, each once.

    Raises:
        UsageError: There are none, or no topic can be called so.
    """
    if not texts:
        raise UsageError("--kafka needs --topic NAME")
    return [topic_name(text) for text in dict.fromkeys(texts)]


def topic_name(text: str) -> str:
    """
    Return *text*, the value of ``--topic``.

    Raises:
        UsageError: No topic can be called so.
    """
    _parsed("--topic", "predictions_topic", text)
    return text


def clients(endpoint_url: str | None, region: str | None, profile: str | None) -> "Clients":
    """Return clients of AWS, which a command of Kafka may never use, so no region needs to be known."""
    from stream_consumer.aws.clients import Clients, session

    return Clients(session(environ=os.environ, endpoint_url=endpoint_url, region=region, profile=profile), endpoint_url)


def cluster(brokers: str, region: str | None, profile: str | None) -> Connection:
    """
    Return the way to the cluster at *brokers*, with secrets and tokens of AWS by *region* and *profile*.

    Raises:
        UsageError: *brokers* are none, or there is no such profile.
        SettingsError: A variable is wrong, or a secret cannot be read.
    """
    return connection(brokers, clients(None, region, profile).session)


def chosen_topic(kafka: str | None, topic: str | None, stream: str | None, default: str) -> str | None:
    """
    Return the topic that the options name, by default *default*, or None where they name a stream.

    Raises:
        UsageError: They name a stream and a cluster of Kafka, or a topic and no cluster.
    """
    if kafka is None:
        if topic is not None:
            raise UsageError(f"--topic {topic} needs the brokers of its cluster. Add --kafka BROKERS")
        return None
    if stream is not None:
        raise UsageError(f"--stream {stream} and --kafka {kafka} cannot be combined. Name a topic with --topic")
    return topic_name(default if topic is None else topic)


def _parsed(option: str, field: str, text: str) -> None:
    try:
        FIELDS[field].parse(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {error}") from None
