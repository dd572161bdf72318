"""
The client of a topic: making, checking, serving and replacing it.

The rule: an error of the library leaves this module as an exception only if init must refuse it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.connection import Connection

LONGEST_SECONDS = 900
"""Longer than any invocation, so the deadline of a write always comes first."""
_METADATA_SECONDS = 1.0

OPTIONS: dict[str, Any] = {
    "client.id": "stream-consumer",
    "allow.auto.create.topics": False,
    # A frozen environment does not notice lost connections. Load balancers drop connections after 350 s.
    "connections.max.idle.ms": 300_000,
    "socket.timeout.ms": 10_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,
    # The library only logs critical messages. Other errors come back as failures.
    "log_level": 2,
}
"""Options of every client."""

_PRODUCER_OPTIONS: dict[str, Any] = {
    **OPTIONS,
    "enable.idempotence": True,
    # As Java's producers do, so that a key is in one partition for all producers.
    "partitioner": "murmur2_random",
    "message.timeout.ms": LONGEST_SECONDS * 1000,
}


@dataclass(frozen=True, slots=True)
class TopicUse:
    """The source of a topic's names and rights, for remedies that name the option or setting to change."""

    brokers: str
    """The option or setting of the brokers."""
    network: str
    """The DNS that resolves the brokers."""
    routes: str
    """The network between the client and the brokers."""
    topic: str
    """The option or setting of the topic."""
    rights: str
    """The permission that the client needs."""


OUTPUT = TopicUse(
    "KAFKA_BROKERS",
    "the DNS of the function's VPC",
    "the subnets and security groups of the function and the brokers",
    "PREDICTIONS_TOPIC",
    "allow the function to describe the topic and to write to it",
)
"""The output topic of the settings."""
_COMMAND = TopicUse("--kafka", "the DNS", "the way to the brokers", "--topic", "")
READ_BY_COMMAND = replace(_COMMAND, rights="allow the client to describe the topic and to read from it")
WRITTEN_BY_COMMAND = replace(_COMMAND, rights="allow the client to describe the topic and to write to it")


Delivered = Callable[[KafkaError | None, object], None]


class TopicClient(Protocol):
    """The part of librdkafka's clients that is used."""

    def poll(self, timeout: float) -> object: ...

    def list_topics(self, topic: str, timeout: float) -> Any: ...


class TopicProducer(TopicClient, Protocol):
    """The part of librdkafka's producer that is used."""

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
        on_delivery: Delivered,
    ) -> None: ...

    def flush(self, timeout: float) -> int: ...

    def purge(self) -> None: ...


def connect(connection: Connection, on_error: Callable[[KafkaError], None]) -> TopicProducer:
    """Make a producer. It connects by itself, and *on_error* gets the errors of the connections."""
    logger = logging.getLogger("stream_consumer.kafka")
    made: Any = Producer({**connection.configuration(), **_PRODUCER_OPTIONS, "error_cb": on_error}, logger=logger)
    producer: TopicProducer = made  # its stubs give every argument a default
    return producer


Connect = Callable[[Connection, Callable[[KafkaError], None]], TopicProducer]
Client = TypeVar("Client", bound=TopicClient)


NOT_MADE = (KafkaException, SystemError)
"""
What a client raises that cannot be made.

Source: seen with confluent-kafka 2.16.1, which waits 10 s for a token of IAM and then raises a SystemError.
"""


def unmade(connection: Connection, error: BaseException) -> TopicUnusable:
    """Return why no client of *connection* can be made, where *error* is one of :data:`NOT_MADE`."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, KafkaException):
        cause = cause.__cause__ or cause.__context__
    reason = cause.args[0].str() if cause else error
    return TopicUnusable(
        f"no client can be made for {connection.brokers} with "
        f"KAFKA_AUTHENTICATION={connection.authentication}: {reason}; look at what KAFKA_SECRET_ARN and "
        "KAFKA_CA_SECRET_ARN hold or, with IAM, at the credentials of the role"
    )


class TopicSession(Generic[Client]):
    """A client that is made on first use, and made anew after ``close``."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        connect: Callable[[Connection, Callable[[KafkaError], None]], Client],
        clock: Callable[[], float] = time.monotonic,
        *,
        use: TopicUse = OUTPUT,
    ) -> None:
        self.topic = topic
        self._use = use
        self.trouble: KafkaError | None = None
        """Last error of a connection."""
        self._connection = connection
        self._connect = connect
        self._clock = clock
        self._client: Client | None = None

    def close(self) -> None:
        """Close the client. The next call makes a new client."""
        self._client = None

    def client(self) -> Client:
        """
        Return the client, and make it first if necessary.

        Raises:
            TopicUnusable: The library refuses a certificate, key or password, or gets no token from IAM.
        """
        if self._client is None:
            self.trouble = None
            try:
                self._client = self._connect(self._connection, self._on_error)
            except NOT_MADE as error:
                raise unmade(self._connection, error) from None
        return self._client

    def _on_error(self, error: KafkaError) -> None:
        # Keep the more precise error. "All brokers down" only follows from it.
        if self.trouble is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 (its name)
            self.trouble = error

    def serve(self, wait: Callable[[], object]) -> None:
        """
        Let the client make callbacks while *wait* runs.

        The client raises a fatal error during *wait*. Its reports then fail with a SystemError, caused by that error.
        Source: seen with confluent-kafka 2.16.1, and tested in tests/kafka/test_topic_writer_real.py.
        """
        try:
            wait()
        except (KafkaException, SystemError) as error:
            self.close()
            cause = error if isinstance(error, KafkaException) else error.__cause__
            if isinstance(cause, KafkaException):
                self.trouble = cause.args[0]

    def check(self, seconds: float) -> None:
        """
        Request the topic from the cluster, for up to *seconds*.

        Raises:
            TopicUnusable: No broker can be reached, or the client or the topic is refused.
        """
        ends = self._clock() + seconds
        while True:
            client = self.client()
            self.serve(partial(client.poll, 0.0))  # fetches a token of IAM
            try:
                found = client.list_topics(self.topic, timeout=min(_METADATA_SECONDS, seconds))
            except KafkaException as error:
                self.serve(partial(client.poll, 0.0))  # reports the connections' errors
                trouble = self.trouble or error.args[0]
                if trouble.code() in self._hopeless or self._clock() >= ends:
                    self.close()
                    raise TopicUnusable(self._unreachable(trouble)) from None
                continue
            self._check_hosts([broker.host for broker in found.brokers.values()])
            refusal = found.topics[self.topic].error
            if refusal is None:
                return
            if refusal.code() != KafkaError.LEADER_NOT_AVAILABLE or self._clock() >= ends:
                raise TopicUnusable(self._refused(refusal))
            self.serve(partial(client.poll, _METADATA_SECONDS / 4))

    def _check_hosts(self, found: list[str]) -> None:
        strangers = self._connection.strangers(found)
        if strangers:
            self.close()
            raise TopicUnusable(
                f"the cluster at {self._connection.brokers} has brokers beyond loopback, {', '.join(strangers)}, and "
                "KAFKA_AUTHENTICATION=plaintext is for loopback only; set another"
            )

    @property
    def _hopeless(self) -> dict[int, str]:
        """Connection errors for which a retry cannot help, with their remedies."""
        return {
            KafkaError._AUTHENTICATION: (  # noqa: SLF001 (its name)
                "look at KAFKA_AUTHENTICATION, at what KAFKA_SECRET_ARN holds or, with IAM, at the role's "
                "kafka-cluster:Connect"
            ),
            KafkaError._SSL: "look at KAFKA_AUTHENTICATION and KAFKA_CA_SECRET_ARN",  # noqa: SLF001 (its name)
            KafkaError._RESOLVE: f"look at {self._use.brokers}, and at {self._use.network}",  # noqa: SLF001 (its name)
        }

    def _unreachable(self, error: KafkaError) -> str:
        out_of_reach = (
            f"look at {self._use.brokers}, at {self._use.routes} and, where a broker closes the connection, at "
            "KAFKA_AUTHENTICATION"
        )
        remedy = self._hopeless.get(error.code(), out_of_reach)
        return (
            f"the topic {self.topic!r} cannot be asked for at {self._connection.brokers} with "
            f"KAFKA_AUTHENTICATION={self._connection.authentication}: {error.name()}: {error.str()}; {remedy}"
        )

    def _refused(self, error: KafkaError) -> str:
        remedies = {
            KafkaError.UNKNOWN_TOPIC_OR_PART: f"create it, or set {self._use.topic} to another",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: self._use.rights,
        }
        return (
            f"the cluster at {self._connection.brokers} refuses the topic {self.topic!r}: {error.name()}; "
            f"{remedies.get(error.code(), 'look at the state of the topic')}"
        )
