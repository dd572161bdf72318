"""
Reading partitions of a topic from given offsets, without a consumer group and without commits.

The rule: the records of a partition come once each, in order, without a gap. librdkafka itself retries. An error for
which a retry cannot help is ``StreamUnreadable``.
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
"""Means the offset of the oldest record of a partition."""

_ASKING_SECONDS = 10.0
_MOST_RECORDS = 500
_OPTIONS: dict[str, Any] = {
    "client.id": "stream-consumer",
    # Required by librdkafka's consumer. Without a subscription, the client does not join the group.
    "group.id": "stream-consumer-reader",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    # Time that a broker waits for new records, before it reports the end of a partition.
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
    """The part of librdkafka's consumer that is used."""

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def incremental_assign(self, partitions: list[TopicPartition]) -> None: ...

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None: ...

    def consume(self, num_messages: int, timeout: float) -> list[Message]: ...

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]: ...

    def close(self) -> None: ...


def connect(connection: Connection, on_error: Callable[[KafkaError], None]) -> TopicConsumer:
    """Make a consumer. It connects by itself, and *on_error* gets the errors of the connections."""
    logger = logging.getLogger("stream_consumer.kafka")
    made: Any = Consumer({**connection.configuration(), **_OPTIONS, "error_cb": on_error}, logger=logger)
    consumer: TopicConsumer = made  # its stubs give every argument a default
    return consumer


@dataclass(frozen=True, slots=True)
class Page:
    """The result of a read."""

    records: list[Record]
    """Records of any partitions, in order within each."""
    tips: frozenset[int]
    """Partitions that were read to their end."""


class TopicReader:
    """Reads partitions of a topic from assigned offsets on."""

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
        Request the topic from the cluster, for up to *seconds*.

        Raises:
            TopicUnusable: No broker can be reached, or the client or the topic is refused.
        """
        self._session.check(seconds)

    def close(self) -> None:
        """Close the client. Another read begins anew."""
        self._session.client().close()
        self._session.close()

    def partitions(self) -> list[int]:
        """
        Return the numbers of the topic's partitions.

        Raises:
            ReadFailed: No broker answers.
            StreamUnreadable: The topic is gone, or the cluster refuses the client.
        """
        found = self._asked(partial(self._session.client().list_topics, self.topic, _ASKING_SECONDS)).topics[self.topic]
        if found.error is not None:
            self._refuse(found.error)
        return sorted(found.partitions)

    def tips(self, partitions: Iterable[int]) -> dict[int, int]:
        """
        Return the offset behind the last record of each of *partitions*. Clears the assignment.

        The offsets come from a fetch, since Tansu answers a request for offsets with the first record of the last
        batch.

        Raises:
            ReadFailed, StreamUnreadable: As :meth:`partitions`.
        """
        found: dict[int, int] = {}
        wanted, until = set(partitions), self._clock() + _ASKING_SECONDS
        self.assign(dict.fromkeys(wanted, OFFSET_END))
        while missing := wanted - found.keys():
            if self._clock() >= until:
                raise ReadFailed(f"{self.location} does not tell the ends of its partitions {sorted(missing)}")
            for message in self._messages(0.05):
                if self._is_end(message):
                    found[message.partition() or 0] = message.offset() or 0
        return found

    def at_time(self, partitions: Iterable[int], seconds: float) -> dict[int, int | None]:
        """
        Return the offset of the first record of each of *partitions* at or after *seconds* of Unix time, or None.

        Later records may have earlier times.

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
        """Read only these partitions, from these offsets on."""
        self._session.client().assign(self._places(offsets))

    def add(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions as well."""
        self._session.client().incremental_assign(self._places(offsets))

    def drop(self, partitions: Iterable[int]) -> None:
        """Stop reading these partitions."""
        self._session.client().incremental_unassign(self._places(dict.fromkeys(partitions, OFFSET_END)))

    def read(self, seconds: float) -> Page:
        """
        Return the records that come within *seconds*. The page may be empty.

        Raises:
            StreamUnreadable: The topic is gone, the cluster refuses the client, or a partition lacks the offset.
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
        Return whether *message* marks the end of its partition.

        Raises:
            StreamUnreadable: *message* is an error, and the partition cannot be read.
        """
        error = message.error()
        if error is None:
            return False
        if error.code() in _FORGOTTEN:
            raise StreamUnreadable(
                f"{self.topic}-{message.partition()} of {self.location} does not have the record to begin with: "
                f"{error.str()}; its retention has ended, or the topic was deleted and made again: begin elsewhere"
            )
        if error.code() in _REFUSED:
            self._refuse(error)
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (its name)
            _LOGGER.warning("still reading %s after an error: %s", self.location, error.name())
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
