"""
The composition root: settings become clients, a model, sinks and a consumer.

The rule: only this module knows which sinks a consumer has.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import boto3
from botocore.exceptions import BotoCoreError

from stream_consumer.aws.clients import client_config
from stream_consumer.consumer import Consumer
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.errors import SettingsError
from stream_consumer.inference import Decider
from stream_consumer.kinesis.aggregates import AggregatedStream
from stream_consumer.kinesis.put_records import shorten
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, PredictionStream
from stream_consumer.model import Model
from stream_consumer.models.loading import chosen_model
from stream_consumer.settings import Settings
from stream_consumer.sinks import Sink

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient


class Closable(Protocol):
    """A client: closing it drops its connections, and its next call opens new ones."""

    def close(self) -> None: ...


class Composition(NamedTuple):
    """A consumer, and the clients that it holds."""

    consumer: Consumer
    clients: Sequence[Closable]


def compose(settings: Settings, loaded: Callable[[Model], object]) -> Composition:
    """
    Compose the consumer that *settings* ask for; *loaded* is told of the model before any sink is made.

    Raises:
        InitError: The model cannot be served or a client cannot be made; nothing is consumed until that is mended.
    """
    session = boto3.session.Session()
    # With botocore's own timeouts: fetching a large model outlasts those of a dead letter.
    model = chosen_model(settings, lambda: _client(session, "s3"))
    loaded(model)
    predictions = dead_letters = None
    clients: list[Closable] = []
    if not settings.test_run:
        # Validation costs as much as the call itself; the contract stands before it.
        kinesis = _client(
            session,
            "kinesis",
            endpoint_url=settings.kinesis_endpoint_url,
            config=client_config(settings.publish_concurrency, parameter_validation=False),
        )
        predictions = _output(shorten(kinesis), settings)
        clients.append(kinesis)
        if settings.dead_letter_bucket:
            s3 = _client(session, "s3", config=client_config(1))
            dead_letters = DeadLetters(s3, settings.dead_letter_bucket, settings.dead_letter_prefix)
            clients.append(s3)
    consumer = Consumer(
        Decider(model),
        predictions=predictions,
        dead_letters=dead_letters,
        max_dead_letter_share=settings.dead_letter_max_share,
    )
    return Composition(consumer, clients)


def _output(kinesis: "KinesisClient", settings: Settings) -> Sink:
    in_flight, keys = settings.publish_concurrency, settings.publish_aggregate_keys
    stream = PredictionStream(kinesis, settings.predictions_stream_name, in_flight=in_flight)
    return AggregatedStream(stream, keys=keys, stretch=in_flight * MAX_ENTRIES) if keys else stream


def _client(session: boto3.session.Session, service: Any, **options: Any) -> Any:
    try:
        return session.client(service, **options)
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise SettingsError(
            f"no client of {service} can be made: {error}; look at AWS_REGION and the AWS_ENDPOINT_URL… variables"
        ) from error
