"""
The composition root: settings become clients, a model, sinks and a consumer.

The rule: only this module knows the sinks of a consumer.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from stream_consumer.aws.clients import client, client_config, default_session
from stream_consumer.consumer import Consumer
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.errors import ModelError, SettingsError
from stream_consumer.inference import Decider
from stream_consumer.kafka.connection import CA_FIELDS, SECRET_FIELDS, Connection
from stream_consumer.kafka.secrets import read_secret
from stream_consumer.kafka_settings import KafkaSettings
from stream_consumer.kinesis.aggregate_writer import AggregatedStream
from stream_consumer.kinesis.answer_parser import shorten
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, MAX_ENTRY_BYTES, PredictionStream
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.settings import Settings
from stream_consumer.sinks import Sink

if TYPE_CHECKING:
    import boto3

    from stream_consumer.challenger.challenger import Challenger


class Closable(Protocol):
    """A client. Closing the client drops its connections, and its next call opens new connections."""

    def close(self) -> None: ...


class Composition(NamedTuple):
    """A consumer, its clients, and the challenger if the settings name one."""

    consumer: Consumer
    clients: Sequence[Closable]
    challenger: "Challenger | None" = None


def compose(settings: Settings, loaded: Callable[[Model], object]) -> Composition:
    """
    Compose the consumer of *settings*. *loaded* receives the model before any sink is made.

    Raises:
        InitError: The model cannot be served or a client cannot be made. No record is consumed until the fault is
            mended.
    """
    session = default_session()
    # With botocore's own timeouts: fetching a large model takes longer than the timeouts for dead letters allow.
    model = load_model(settings.model_location, s3=lambda: client(session, "s3"), choice=settings.choice)
    loaded(model)
    predictions = dead_letters = None
    clients: list[Closable] = []
    if not settings.test_run:
        _check_room(model)
        output = _topic(settings, session) if settings.kafka.predictions_topic else _stream(settings, session)
        predictions = output.sink
        clients.append(output.client)
        if settings.dead_letter_bucket:
            s3 = client(session, "s3", config=client_config(1))
            dead_letters = DeadLetters(s3, settings.dead_letter_bucket, settings.dead_letter_prefix)
            clients.append(s3)
    consumer = Consumer(
        Decider(model),
        predictions=predictions,
        dead_letters=dead_letters,
        max_dead_letter_share=settings.dead_letter_max_share,
    )
    return Composition(consumer, clients, _challenger(settings, model) if settings.challenger_location else None)


def _challenger(settings: Settings, model: Model) -> "Challenger":
    # Imported on demand, so that a deployment without a challenger does not pay for the import.
    from stream_consumer.challenger.challenger import Challenger  # noqa: PLC0415

    return Challenger(settings, model.schema.columns)


def _check_room(model: Model) -> None:
    """Refuse a model whose name and version leave no room for a prediction in a record."""
    try:
        size = len(msgspec.json.encode([model.name, model.version]))
    except UnicodeEncodeError as error:
        raise ModelError(
            f"the name or version of the model at {model.location} cannot be encoded: {error}; log it under another"
        ) from error
    if size > MAX_ENTRY_BYTES // 2:
        raise ModelError(
            f"the name and version of the model at {model.location} take {size} bytes of each prediction, and a record "
            f"holds {MAX_ENTRY_BYTES}; log it under a shorter name"
        )


class _Output(NamedTuple):
    """The sink of predictions and its client."""

    sink: Sink
    client: Closable


def _stream(settings: Settings, session: "boto3.Session") -> _Output:
    # Validation costs as much as the call itself, and the contract has already checked the values.
    config = client_config(settings.publish_concurrency, parameter_validation=False)
    kinesis = client(session, "kinesis", endpoint_url=settings.kinesis_endpoint_url, config=config)
    in_flight, keys = settings.publish_concurrency, settings.publish_aggregate_keys
    name = settings.predictions_stream_name
    stream = PredictionStream(shorten(kinesis), name, in_flight=in_flight, stop_at_refused=keys > 0)
    folded = AggregatedStream(stream, keys=keys, at_once=in_flight * MAX_ENTRIES) if keys else stream
    return _Output(folded, kinesis)


def _topic(settings: Settings, session: "boto3.Session") -> _Output:
    """Connect to the output topic. Only this function imports the Kafka library."""
    try:
        from stream_consumer.kafka.topic_writer import PredictionTopic  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"PREDICTIONS_TOPIC needs a library that is not installed ({error}): pip install 'stream-consumer[kafka]'"
        ) from error
    topic = PredictionTopic(kafka_connection(settings.kafka, session), settings.kafka.predictions_topic or "")
    topic.check()
    return _Output(topic, topic)


def kafka_connection(kafka: KafkaSettings, session: "boto3.Session") -> Connection:
    """
    Return the connection parameters of the cluster in *kafka*, with the secrets read.

    Raises:
        SettingsError: A secret cannot be read.
    """
    held = {
        arn: read_secret(client(session, "secretsmanager", config=client_config(1)), arn, fields)
        for arn, fields in (
            (kafka.secret_arn, SECRET_FIELDS.get(kafka.authentication, ())),
            (kafka.ca_secret_arn, CA_FIELDS),
        )
        if arn
    }
    authority = held[kafka.ca_secret_arn]["certificate"] if kafka.ca_secret_arn else None
    secret = held[kafka.secret_arn] if kafka.secret_arn else {}
    return Connection(kafka.brokers or "", kafka.authentication, secret, authority, session.region_name)
