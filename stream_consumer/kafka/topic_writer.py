"""
Entries are written to a Kafka topic by an idempotent producer.

The rule: entries that were *not* written come back, by position. Until the caller's deadline librdkafka sends again
what fails on the way, keeps the order of a partition and writes nothing twice. What is not acknowledged then is purged,
and the producer is given up with it, as after any other failure: the next write begins with a new one.

A broker that refuses an entry as invalid refuses all that came in one request with it. So what is refused is sent again
alone, to find the entries at fault. Among the entries of such a request no order is promised. As long as the topic has
taken nothing, a fault that many entries share is the deployment's, and none of them is at fault.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.connection import Connection
from stream_consumer.sinks import NOT_SENT, Entry, Unwritten, Written

EVENT_ID_HEADER = "event_id"
"""Header with the event id of a prediction: readers keep the first of each without parsing values."""

OUT_OF_TIME = "the deadline came before an answer"

# Longer than any invocation: the deadline of a write is what ends it.
_LONGEST_SECONDS = 900
_PURGING_SECONDS = 0.1
_MANY = 100
_FULL_QUEUE_SECONDS = 0.05
_METADATA_SECONDS = 1.0

_OPTIONS: dict[str, Any] = {
    "client.id": "stream-consumer",
    "enable.idempotence": True,
    "allow.auto.create.topics": False,
    # As Java's producers choose it, so that one key is in one partition, whoever writes it.
    "partitioner": "murmur2_random",
    "message.timeout.ms": _LONGEST_SECONDS * 1000,
    # A frozen environment does not notice that its connections are gone. Load balancers drop them after 350 s.
    "connections.max.idle.ms": 300_000,
    "socket.timeout.ms": 10_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,
    # Errors are told by what could not be written. Only what nobody is told of otherwise is logged.
    "log_level": 2,
}

_INVALID = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.RECORD_LIST_TOO_LARGE})
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._MSG_TIMED_OUT})  # noqa: SLF001 (their names)
_HOPELESS: dict[int, str] = {
    KafkaError._AUTHENTICATION: (  # noqa: SLF001
        "look at KAFKA_AUTHENTICATION, at what KAFKA_SECRET_ARN holds or, with IAM, at the role's kafka-cluster:Connect"
    ),
    KafkaError._SSL: "look at KAFKA_AUTHENTICATION and KAFKA_CA_SECRET_ARN",  # noqa: SLF001
    KafkaError._RESOLVE: "look at KAFKA_BROKERS, and at the DNS of the function's VPC",  # noqa: SLF001
}
"""Errors of a connection that the next try does not mend, and their remedies."""
_OUT_OF_REACH = (
    "look at KAFKA_BROKERS, at the subnets and security groups of the function and the brokers and, where a broker "
    "closes the connection, at KAFKA_AUTHENTICATION"
)

Delivered = Callable[[KafkaError | None, object], None]


class TopicProducer(Protocol):
    """What is asked of librdkafka's producer."""

    def produce(
        self, topic: str, *, key: bytes, value: bytes, headers: list[tuple[str, bytes]], on_delivery: Delivered
    ) -> None: ...

    def flush(self, timeout: float) -> int: ...

    def poll(self, timeout: float) -> int: ...

    def purge(self) -> None: ...

    def list_topics(self, topic: str, timeout: float) -> Any: ...


class _Failure(NamedTuple):
    """Why one entry was not written."""

    reason: str
    invalid: bool = False
    """Whether the topic refuses what the request holds."""
    at_fault: bool = False
    """Whether it is this very entry that is refused."""


def connect(connection: Connection, on_error: Callable[[KafkaError], None]) -> TopicProducer:
    """Make a producer, which connects by itself; *on_error* is told what goes wrong with that."""
    logger = logging.getLogger("stream_consumer.kafka")
    made: Any = Producer({**connection.configuration(), **_OPTIONS, "error_cb": on_error}, logger=logger)
    producer: TopicProducer = made  # whose stubs give every argument a default
    return producer


class PredictionTopic:
    """The output topic."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        connect: Callable[[Connection, Callable[[KafkaError], None]], TopicProducer] = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._name = name
        self._connect = connect
        self._clock = clock
        self._producer: TopicProducer | None = None
        self._accepted = False
        """Whether the topic has ever taken an entry."""
        self._trouble: KafkaError | None = None
        """The last error of a connection."""

    def check(self, seconds: float = 5.0) -> None:
        """
        Ask the cluster for the topic, for some *seconds*.

        Raises:
            TopicUnusable: No broker can be reached, or the client or the topic is refused.
        """
        ends = self._clock() + seconds
        while True:
            producer = self._connected()
            self._serve(partial(producer.poll, 0.0))  # which fetches a token of IAM
            try:
                found = producer.list_topics(self._name, timeout=min(_METADATA_SECONDS, seconds))
            except KafkaException as error:
                self._serve(partial(producer.poll, 0.0))  # which tells of the connections' errors
                trouble = self._trouble or error.args[0]
                if trouble.code() in _HOPELESS or self._clock() >= ends:
                    self.close()
                    raise TopicUnusable(self._unreachable(trouble)) from None
                continue
            self._check_hosts([broker.host for broker in found.brokers.values()])
            refusal = found.topics[self._name].error
            if refusal is None:
                return
            if refusal.code() != KafkaError.LEADER_NOT_AVAILABLE or self._clock() >= ends:
                raise TopicUnusable(self._refused(refusal))
            self._serve(partial(producer.poll, _METADATA_SECONDS / 4))

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Write *items* to the topic until *deadline* (of the clock).

        Nothing is sent behind an entry that is larger than the producer takes, or once it is known that any failed.
        """
        # Half of the time at most: what is found to be at fault must still become a dead letter.
        began = self._clock()
        isolating_until = began + (deadline - began) / 2
        failures, tried = self._send(items, range(len(items)), deadline)
        failed = any(not failure.invalid for failure in failures.values())
        resent = 0
        for at in sorted(failures) if not failed else ():
            if failures[at].at_fault or failed or self._clock() >= isolating_until:
                continue
            alone, _ = self._send(items, [at], isolating_until)
            resent += 1
            if at not in alone:
                del failures[at]
            else:
                failures[at] = alone[at]._replace(at_fault=alone[at].invalid)
                failed = not alone[at].invalid
        if not self._accepted and sum(why.at_fault for why in failures.values()) >= _MANY:
            failures = {at: why._replace(at_fault=False) for at, why in failures.items()}
        unwritten = [Unwritten(at, why.reason, refused=why.at_fault) for at, why in sorted(failures.items())]
        return Written([*unwritten, *(Unwritten(at, NOT_SENT) for at in range(tried, len(items)))], resent)

    def close(self) -> None:
        """Give the producer up: the next write makes a new one."""
        self._producer = None

    def _connected(self) -> TopicProducer:
        if self._producer is None:
            self._trouble = None
            self._producer = self._connect(self._connection, self._on_error)
        return self._producer

    def _on_error(self, error: KafkaError) -> None:
        # What says more is kept: that all brokers are down follows from it.
        if self._trouble is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 (its name)
            self._trouble = error

    def _send(
        self, items: Sequence[Entry], positions: Sequence[int], deadline: float
    ) -> tuple[dict[int, _Failure], int]:
        """
        Send the entries at *positions*, and none behind one that the producer refuses.

        Returns:
            Why entries were not written, by position, and how many of *positions* were tried.
        """
        if self._clock() >= deadline:
            return {at: _Failure(OUT_OF_TIME) for at in positions}, len(positions)
        producer = self._connected()
        acknowledged: set[int] = set()
        failures: dict[int, _Failure] = {}
        tried = 0
        while tried < len(positions) and not failures:
            at = positions[tried]
            try:
                failure = self._produce(producer, items[at], self._report(at, acknowledged, failures))
            except BufferError:  # the queue is full: wait until something of it is written
                if self._clock() >= deadline:
                    break
                self._serve(partial(producer.poll, min(_FULL_QUEUE_SECONDS, self._left(deadline))))
                continue
            tried += 1
            if failure:
                failures[at] = failure
        self._serve(partial(producer.flush, self._left(deadline)))
        if len(acknowledged) + len(failures) < tried:
            self._serve(producer.purge)
            self._serve(partial(producer.flush, _PURGING_SECONDS))
        # Whatever has no report was not acknowledged: reports get lost with a producer that fails.
        unknown = [at for at in positions[:tried] if at not in acknowledged and at not in failures]
        failures |= {at: _Failure(self._unanswered(deadline)) for at in unknown}
        if not all(failure.invalid for failure in failures.values()):
            self.close()  # which forgets what it has heard of the topic, too
        self._accepted = self._accepted or bool(acknowledged)
        return failures, tried

    def _serve(self, wait: Callable[[], object]) -> None:
        """
        Have the producer call back, for as long as *wait* does.

        A fatal error is raised from within, and calls of its reports then fail with a SystemError that it causes.
        Source: seen with confluent-kafka 2.16.1; tests/kafka/test_topic_writer_real.py has it.
        """
        try:
            wait()
        except (KafkaException, SystemError) as error:
            self.close()
            cause = error if isinstance(error, KafkaException) else error.__cause__
            if isinstance(cause, KafkaException):
                self._trouble = cause.args[0]

    def _produce(self, producer: TopicProducer, entry: Entry, delivered: Delivered) -> _Failure | None:
        """
        Hand *entry* to the producer; why the producer refuses it.

        Raises:
            BufferError: The producer's queue is full.
        """
        headers = [(EVENT_ID_HEADER, entry.event_id.encode())] if entry.event_id is not None else []
        key = entry.partition_key.encode()
        try:
            producer.produce(self._name, key=key, value=entry.data, headers=headers, on_delivery=delivered)
        except KafkaException as error:
            return self._failure(error.args[0])._replace(at_fault=error.args[0].code() in _INVALID)
        return None

    def _report(self, at: int, acknowledged: set[int], failures: dict[int, _Failure]) -> Delivered:
        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is None:
                acknowledged.add(at)
            elif error.code() not in _PURGED:
                failures[at] = self._failure(error)

        return delivered

    def _failure(self, error: KafkaError) -> _Failure:
        # Without the broker's own words, which may quote a record.
        return _Failure(f"the topic was answered with {error.name()}", error.code() in _INVALID)

    def _unanswered(self, deadline: float) -> str:
        reason = OUT_OF_TIME if self._clock() >= deadline else "the producer failed before an answer"
        return f"{reason}; the last error is {self._trouble.name()}" if self._trouble else reason

    def _left(self, deadline: float) -> float:
        return min(max(0.0, deadline - self._clock()), _LONGEST_SECONDS)

    def _check_hosts(self, found: Iterable[str]) -> None:
        strangers = self._connection.strangers(list(found))
        if strangers:
            self.close()
            raise TopicUnusable(
                f"the cluster at {self._connection.brokers} has brokers beyond loopback, {', '.join(strangers)}, and "
                "KAFKA_AUTHENTICATION=plaintext is for loopback only; set another"
            )

    def _unreachable(self, error: KafkaError) -> str:
        remedy = _HOPELESS.get(error.code(), _OUT_OF_REACH)
        return (
            f"the topic {self._name!r} cannot be asked for at {self._connection.brokers} with "
            f"KAFKA_AUTHENTICATION={self._connection.authentication}: {error.name()}: {error.str()}; {remedy}"
        )

    def _refused(self, error: KafkaError) -> str:
        remedies = {
            KafkaError.UNKNOWN_TOPIC_OR_PART: "create it, or set PREDICTIONS_TOPIC to another",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow the function to describe the topic and to write to it",
        }
        return (
            f"the cluster at {self._connection.brokers} refuses the topic {self._name!r}: {error.name()}; "
            f"{remedies.get(error.code(), 'look at the state of the topic')}"
        )
