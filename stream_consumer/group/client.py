"""
The client of a member: the configuration of librdkafka's consumer, and the start of its group.

The rule: only the member's own commits are made, and topics are never created.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka.admin import AdminClient

from stream_consumer.errors import TopicUnusable
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.kafka.connection import Connection
from stream_consumer.kafka.producer import NOT_MADE, OPTIONS, READ_BY_COMMAND, TopicSession, unmade

_OPTIONS: dict[str, Any] = {
    **OPTIONS,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Reports when a partition was read to its end, with the offset of the end.
    "enable.partition.eof": True,
    # A rebalance revokes only partitions that another member gets.
    "partition.assignment.strategy": "cooperative-sticky",
    # If the wanted offset has expired, reading begins at the oldest record.
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    # Warnings, because _Log needs one of them.
    "log_level": 4,
}

_LOGGER = logging.getLogger("stream_consumer.kafka")
_SECONDS = 10.0
"""Time limit of a request to the cluster."""


class StartOfGroup(NamedTuple):
    """The start of a group in partitions without a committed offset."""

    position: str = "TRIM_HORIZON"
    """TRIM_HORIZON, LATEST or AT_TIMESTAMP."""
    timestamp: float | None = None
    """Unix seconds, with AT_TIMESTAMP."""


FROM_THE_OLDEST = StartOfGroup()


def check_topics(connection: Connection, topics: Sequence[str], seconds: float = 5.0) -> None:
    """
    Ask the cluster for each of *topics*.

    Raises:
        TopicUnusable: No broker can be reached, or the client or a topic is refused.
    """
    for topic in topics:
        TopicSession(connection, topic, _administrator, use=READ_BY_COMMAND).check(seconds)


def _administrator(connection: Connection, on_error: Callable[[KafkaError], None]) -> Any:
    # Not a producer, which may need rights that a reader does not have.
    chosen: dict[str, Any] = {**connection.configuration(), **OPTIONS, "error_cb": on_error}
    return AdminClient(chosen, logger=_LOGGER)


class _Log:
    """
    The log of a member's client.

    librdkafka reports only in its log that a partition does not have the wanted offset.
    """

    def __init__(self, on_reset: Callable[[str], None]) -> None:
        self._on_reset = on_reset

    def log(self, level: int, form: str, facility: str, client: str, text: str) -> None:
        """Take an entry, whose *text* begins with the name of a thread."""
        if facility == "OFFSET" and "offset reset" in text:
            self._on_reset(text.partition("]: ")[2])
        elif level >= logging.CRITICAL:  # as of the other clients
            _LOGGER.log(level, form, facility, client, text)


def connect(
    connection: Connection, group: str, options: Mapping[str, Any], on_reset: Callable[[str], None]
) -> KafkaConsumer:
    """
    Make a client for *group*. The client becomes a member when it subscribes.

    *on_reset* gets each partition that does not have the wanted offset, and is read from its oldest record instead.

    Raises:
        TopicUnusable: The library refuses a certificate, key or password, or gets no token from IAM.
    """
    chosen = {**connection.configuration(), **_OPTIONS, "group.id": group, **options}
    log: Any = _Log(on_reset)  # librdkafka calls only this method of a logger
    try:
        return KafkaConsumer(chosen, logger=log)
    except NOT_MADE as error:
        raise unmade(connection, error) from None


def partitions_of(client: KafkaConsumer, topics: Sequence[str]) -> list[PartitionKey]:
    """
    Return the current partitions of *topics*.

    Raises:
        TopicUnusable: The cluster does not answer.
    """
    try:
        described = [client.list_topics(topic, timeout=_SECONDS).topics[topic] for topic in topics]
    except KafkaException as error:
        raise _unanswered("the request for the topics' partitions", error) from None
    return [PartitionKey(one.topic, number) for one in described for number in sorted(one.partitions)]


def ends_of(client: KafkaConsumer, keys: Sequence[PartitionKey]) -> dict[PartitionKey, int]:
    """
    Return the current end of each of *keys*, without empty partitions.

    Raises:
        TopicUnusable: The cluster does not answer.
    """
    try:
        bounds = {key: client.get_watermark_offsets(TopicPartition(*key), timeout=_SECONDS) for key in keys}
    except KafkaException as error:
        raise _unanswered("the request for the ends of the partitions", error) from None
    return {key: high for key, (low, high) in bounds.items() if high > low}


def fetched_end(client: KafkaConsumer, key: PartitionKey) -> int:
    """Return the end of *key* by the client's last answer from a broker. Negative without an answer."""
    return client.get_watermark_offsets(TopicPartition(*key), cached=True)[1]


def committed_of(
    client: KafkaConsumer, keys: Sequence[PartitionKey], seconds: float = _SECONDS
) -> dict[PartitionKey, int]:
    """
    Return the committed offset of each of *keys*, without partitions that have no commit of the group.

    Raises:
        TopicUnusable: The cluster does not answer.
    """
    try:
        answers = client.committed([TopicPartition(*key) for key in keys], timeout=seconds)
    except KafkaException as error:
        raise _unanswered("the request for the group's committed offsets", error) from None
    return {PartitionKey(one.topic, one.partition): one.offset for one in answers if one.offset >= 0}


def begin(client: KafkaConsumer, keys: Sequence[PartitionKey], start: StartOfGroup) -> None:
    """
    Commit the start of the group in the partitions of *keys* that have no commit.

    Otherwise a member that dies before its first commit would begin later the next time, and lose the records between.
    A group with members refuses this commit. Either an earlier member made it, or the group begins with the oldest
    record.

    Raises:
        TopicUnusable: The cluster does not answer.
    """
    if start.position == "TRIM_HORIZON" or not (new := set(keys) - committed_of(client, keys).keys()):
        return
    try:
        offsets = _starts(client, sorted(new), start)
    except KafkaException as error:
        raise _unanswered("the request for the start of the group", error) from None
    try:
        client.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() not in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION}:
            raise _unanswered("the commit of the group's start", error) from None
        _warn_of(sorted(new - committed_of(client, keys).keys()), start)


def _warn_of(late: Sequence[PartitionKey], start: StartOfGroup) -> None:
    if late:
        names = ", ".join(f"{key.topic}-{key.number}" for key in late)
        _LOGGER.warning(
            "the group has members already, so it cannot begin at %s in %s and begins there with the oldest record",
            start.position,
            names,
        )


def _starts(client: KafkaConsumer, keys: Sequence[PartitionKey], start: StartOfGroup) -> list[TopicPartition]:
    ends = {key: client.get_watermark_offsets(TopicPartition(*key), timeout=_SECONDS)[1] for key in keys}
    if start.timestamp is None:
        return [TopicPartition(*key, end) for key, end in ends.items()]
    asked = [TopicPartition(*key, int(start.timestamp * 1000)) for key in keys]
    found = client.offsets_for_times(asked, timeout=_SECONDS)
    return [
        TopicPartition(one.topic, one.partition, ends[PartitionKey(one.topic, one.partition)])
        if one.offset in {OFFSET_END, -1}
        else TopicPartition(one.topic, one.partition, one.offset)
        for one in found
    ]


def _unanswered(what: str, error: KafkaException) -> TopicUnusable:
    reason = error.args[0]
    return TopicUnusable(f"the cluster does not answer {what}: {reason.name()}: {reason.str()}; look at its state")
