"""
The partitions of a topic are read without a consumer group, from given offsets on, and nothing is committed.

The rule: the records of a partition come once each, in order, without a gap. librdkafka itself tries again what fails
on the way. What no other try mends is ``StreamUnreadable``.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_consumer.contract.kafka_event import topic_url
from stream_consumer.contract.record import Record
from stream_consumer.errors import ReadFailed, StreamUnreadable
from stream_consumer.kafka.connection import Connection
from stream_consumer.kafka.messages import record_of
from stream_consumer.kafka.producer import READ_BY_COMMAND, TopicClient, TopicSession

BEGINNING = OFFSET_BEGINNING
"""Stands for the offset of the oldest record that a partition still has."""

_ASKING_SECONDS = 10.0
_MOST_RECORDS = 500
_OPTIONS: dict[str, Any] = {
    "client.id": "stream-consumer",
    # librdkafka's consumer must have one. Nothing joins it without a subscription.
    "group.id": "stream-consumer-reader",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    # How long a broker waits for records to come. It delays the news that a partition has no more.
    "fetch.wait.max.ms": 100,
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,
    "log_level": 2,
}
_FORGOTTEN = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 (its name)
_REFUSED: Mapping[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow the client to read it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "it was deleted",
    KafkaError._UNKNOWN_TOPIC: "it was deleted",  # noqa: SLF001 (its name)
    KafkaError._UNKNOWN_PARTITION: "it was deleted and made again",  # noqa: SLF001 (its name)
}
_LOGGER = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class TopicConsumer(TopicClient, Protocol):
    """What is asked of librdkafka's consumer."""

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def incremental_assign(self, partitions: list[TopicPartition]) -> None: ...

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None: ...

    def consume(self, num_messages: int, timeout: float) -> list[Message]: ...

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]: ...

    def close(self) -> None: ...


def connect(connection: Connection, on_error: Callable[[KafkaError], None]) -> TopicConsumer:
    """Make a consumer, which connects by itself; *on_error* is told what goes wrong with that."""
    logger = logging.getLogger("stream_consumer.kafka")
    made: Any = Consumer({**connection.configuration(), **_OPTIONS, "error_cb": on_error}, logger=logger)
    consumer: TopicConsumer = made  # whose stubs give every argument a default
    return consumer


@dataclass(frozen=True, slots=True)
class Page:
    """What one read gave."""

    records: list[Record]
    """Of any partitions, in order within each."""
    tips: frozenset[int]
    """Partitions that had no more."""


class TopicReader:
    """Reads partitions of a topic onwards from the offsets that they are assigned."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        *,
        connect: Callable[[Connection, Callable[[KafkaError], None]], TopicConsumer] = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic = topic
        self.location = topic_url(connection.brokers, topic)
        self._session = TopicSession(connection, topic, connect, clock, use=READ_BY_COMMAND)
        self._clock = clock

    def check(self, seconds: float = 5.0) -> None:
        """
        Ask the cluster for the topic, for some *seconds*.

        Raises:
            TopicUnusable: No broker can be reached, or the client or the topic is refused.
        """
        self._session.check(seconds)

    def close(self) -> None:
        """Leave the cluster: another read begins anew."""
        self._session.client().close()
        self._session.close()

    def partitions(self) -> list[int]:
        """
        Return the numbers of the topic's partitions.

        Raises:
            ReadFailed: No broker answers.
            StreamUnreadable: The topic is gone, or the client is refused.
        """
        found = self._asked(partial(self._session.client().list_topics, self.topic, _ASKING_SECONDS)).topics[self.topic]
        if found.error is not None:
            self._refuse(found.error)
        return sorted(found.partitions)

    def tips(self, partitions: Iterable[int]) -> dict[int, int]:
        """
        Return the offset behind the last record of each of *partitions*. What was assigned is assigned no more.

        A fetch says so, since Tansu's answer to the request for offsets is that of the last batch's first record.

        Raises:
            ReadFailed, StreamUnreadable: As :meth:`partitions`.
        """
        found: dict[int, int] = {}
        wanted, until = set(partitions), self._clock() + _ASKING_SECONDS
        self.assign(dict.fromkeys(wanted, OFFSET_END))
        while missing := wanted - found.keys():
            if self._clock() >= until:
                raise ReadFailed(f"{self.location} does not tell where its partitions {sorted(missing)} end")
            for message in self._messages(0.05):
                if self._is_end(message):
                    found[message.partition() or 0] = message.offset() or 0
        return found

    def at_time(self, partitions: Iterable[int], seconds: float) -> dict[int, int | None]:
        """
        Return the offset of the first record of each of *partitions* that is not before *seconds* of Unix time.

        It is None where no record is. The records behind it may be of earlier times.

        Raises:
            ReadFailed, StreamUnreadable: As :meth:`partitions`.
        """
        asked = [TopicPartition(self.topic, partition, round(seconds * 1000)) for partition in partitions]
        answers = self._asked(partial(self._session.client().offsets_for_times, asked, _ASKING_SECONDS))
        for error in (answer.error for answer in answers):
            if error is not None:
                self._refuse(error)
        return {answer.partition: answer.offset if answer.offset >= 0 else None for answer in answers}

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._session.client().assign(self._places(offsets))

    def add(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions as well."""
        self._session.client().incremental_assign(self._places(offsets))

    def drop(self, partitions: Iterable[int]) -> None:
        """Read these partitions no more."""
        self._session.client().incremental_unassign(self._places(dict.fromkeys(partitions, OFFSET_END)))

    def read(self, seconds: float) -> Page:
        """
        Return what comes within *seconds*, which may be nothing.

        Raises:
            StreamUnreadable: The topic is gone, the client is refused, or a partition does not have the offset.
        """
        records: list[Record] = []
        tips: set[int] = set()
        for message in self._messages(seconds):
            if self._is_end(message):
                tips.add(message.partition() or 0)
            elif message.error() is None:
                records.append(record_of(message, self.location))
        return Page(records, frozenset(tips))

    def _messages(self, seconds: float) -> list[Message]:
        found: list[Message] = []

        def consume() -> None:
            found.extend(self._session.client().consume(_MOST_RECORDS, seconds))

        self._session.serve(consume)
        return found

    def _is_end(self, message: Message) -> bool:
        """
        Return whether *message* says that its partition has no more.

        Raises:
            StreamUnreadable: It says that the partition cannot be read.
        """
        error = message.error()
        if error is None:
            return False
        if error.code() in _FORGOTTEN:
            raise StreamUnreadable(
                f"{self.topic}-{message.partition()} of {self.location} does not have the record to begin with: "
                f"{error.str()}; Kafka has forgotten it, or the topic was deleted and made again: begin elsewhere"
            )
        if error.code() in _REFUSED:
            self._refuse(error)
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (its name)
            _LOGGER.warning("reading %s goes on after: %s", self.location, error.name())
            return False
        return True

    def _refuse(self, error: KafkaError) -> None:
        remedy = _REFUSED.get(error.code(), "look at the state of the topic")
        raise StreamUnreadable(f"{self.location} cannot be read: {error.name()}; {remedy}")

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except KafkaException as error:
            raise ReadFailed(f"{self.location} does not answer: {error.args[0].name()}") from error

    def _places(self, offsets: Mapping[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()]
