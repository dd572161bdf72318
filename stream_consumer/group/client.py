"""
The client of a member: librdkafka's consumer, how it is set up, and where its group starts.

The rule: nothing is committed but what the member commits, and topics are never created.
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
from stream_consumer.kafka.producer import OPTIONS, READ_BY_COMMAND, TopicSession

_OPTIONS: dict[str, Any] = {
    **OPTIONS,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Says when everything is delivered that was there, and where that ends.
    "enable.partition.eof": True,
    # A rebalance takes only those partitions away that another member gets.
    "partition.assignment.strategy": "cooperative-sticky",
    # Where an offset is not kept any more, what is still there is consumed.
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    # Warnings, for the sake of one: see _Log.
    "log_level": 4,
}

_LOGGER = logging.getLogger("stream_consumer.kafka")
_SECONDS = 10.0
"""How long a question to the cluster may take."""


class StartOfGroup(NamedTuple):
    """Where a group begins in partitions of which it has committed no offset."""

    position: str = "TRIM_HORIZON"
    """Or LATEST, or AT_TIMESTAMP."""
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
    # Not a producer: to be one may take rights that a reader does not have.
    chosen: dict[str, Any] = {**connection.configuration(), **OPTIONS, "error_cb": on_error}
    return AdminClient(chosen, logger=_LOGGER)


class _Log:
    """
    The log of a member's client.

    librdkafka says nowhere else that a partition does not have the offset to read from.
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
    Make a client of *group*, which is none of its members before it subscribes.

    *on_reset* is told of a partition that does not have the offset to read from, and is read from its oldest record.
    """
    chosen = {**connection.configuration(), **_OPTIONS, "group.id": group, **options}
    log: Any = _Log(on_reset)  # of a logger librdkafka calls this one method
    return KafkaConsumer(chosen, logger=log)


def partitions_of(client: KafkaConsumer, topics: Sequence[str]) -> list[PartitionKey]:
    """
    Return the partitions that *topics* have now.

    Raises:
        TopicUnusable: The cluster does not say.
    """
    try:
        described = [client.list_topics(topic, timeout=_SECONDS).topics[topic] for topic in topics]
    except KafkaException as error:
        raise _unanswered("which partitions the topics have", error) from None
    return [PartitionKey(one.topic, number) for one in described for number in sorted(one.partitions)]


def ends_of(client: KafkaConsumer, keys: Sequence[PartitionKey]) -> dict[PartitionKey, int]:
    """
    Return where each of *keys* ends now, without those that are empty.

    Raises:
        TopicUnusable: The cluster does not say.
    """
    try:
        bounds = {key: client.get_watermark_offsets(TopicPartition(*key), timeout=_SECONDS) for key in keys}
    except KafkaException as error:
        raise _unanswered("where the partitions end", error) from None
    return {key: high for key, (low, high) in bounds.items() if high > low}


def fetched_end(client: KafkaConsumer, key: PartitionKey) -> int:
    """Return where *key* ends by the last answer that the client has of it; negative if it has none."""
    return client.get_watermark_offsets(TopicPartition(*key), cached=True)[1]


def committed_of(client: KafkaConsumer, keys: Sequence[PartitionKey]) -> dict[PartitionKey, int]:
    """
    Return the offset that the group has committed of each of *keys*, without those of which it has none.

    Raises:
        TopicUnusable: The cluster does not say.
    """
    try:
        answers = client.committed([TopicPartition(*key) for key in keys], timeout=_SECONDS)
    except KafkaException as error:
        raise _unanswered("what the group has committed", error) from None
    return {PartitionKey(one.topic, one.partition): one.offset for one in answers if one.offset >= 0}


def begin(client: KafkaConsumer, keys: Sequence[PartitionKey], start: StartOfGroup) -> None:
    """
    Commit where the group begins in those of *keys* of which it has committed nothing.

    Otherwise a member that dies before its first commit would begin later the next time, and what lies between would
    be lost. A group with members takes no such commit. It has done so before, or begins there with the oldest record.

    Raises:
        TopicUnusable: The cluster does not answer.
    """
    if start.position == "TRIM_HORIZON" or not (new := set(keys) - committed_of(client, keys).keys()):
        return
    try:
        offsets = _starts(client, sorted(new), start)
    except KafkaException as error:
        raise _unanswered("where the group is to begin", error) from None
    try:
        client.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() not in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION}:
            raise _unanswered("to begin where it was told", error) from None
        _warn_of(sorted(new - committed_of(client, keys).keys()), start)


def _warn_of(late: Sequence[PartitionKey], start: StartOfGroup) -> None:
    if late:
        names = ", ".join(f"{key.topic}-{key.number}" for key in late)
        _LOGGER.warning(
            "the group has members already and cannot begin at %s in %s: there it begins with the oldest record",
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
