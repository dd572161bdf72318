"""
The topics of a Kafka cluster to which dead letters go back.

The rule: a dead letter goes to the topic that it came from. A dead letter of a Kinesis stream or of another cluster
goes to a topic only if the operator names that topic. Key, headers and value do not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.contract.kafka_event import topic_url
from stream_consumer.errors import TopicUnusable
from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter
from stream_consumer.sinks import Entry, Sink, TopicEntry, Unwritten, Written

_URL = "kafka://"


class StaysPut(ValueError):
    """A dead letter does not go back. The message has the reason and a remedy."""


@dataclass(frozen=True, slots=True)
class TopicTarget:
    """The target topics of dead letters on a cluster."""

    brokers: str
    topic: str | None = None
    """The target topic. By default the topic that each dead letter came from."""
    tombstones: bool = False
    """Whether null values go back. On a compacted topic a null value deletes its key."""

    def location(self, letter: StoredDeadLetter) -> str:
        """
        Return the topic for *letter*, with its cluster.

        Raises:
            StaysPut: The topic is unknown.
        """
        if self.topic is not None:
            return topic_url(self.brokers, self.topic)
        if letter.kafka is None:
            came_from = letter.stream_arn or letter.stream or "a direct invocation"
            raise StaysPut(f"it came from {came_from}, not from a Kafka topic; name a topic with --topic")
        if self._is_of_another_cluster(letter.stream_arn or ""):
            raise StaysPut(
                f"it came from {letter.stream_arn}, and --kafka names none of those brokers; name the topic with "
                "--topic if it is the same cluster, or if it is meant"
            )
        return topic_url(self.brokers, letter.kafka.topic)

    def _is_of_another_cluster(self, location: str) -> bool:
        """Return whether the clusters have no broker in common. An ARN does not name brokers."""
        brokers = location.removeprefix(_URL).rpartition("/")[0]
        return location.startswith(_URL) and brokers != "" and not {*brokers.split(",")} & {*self.brokers.split(",")}

    def entries(self, letter: StoredDeadLetter, datas: Sequence[bytes], *, edited: bool) -> tuple[Entry, ...]:
        """
        Return the messages to put for *letter*, with *datas* as values.

        Raises:
            StaysPut: The value is null, and tombstones do not go back.
        """
        kafka = letter.kafka
        is_tombstone = kafka is not None and kafka.null_value and not edited
        if is_tombstone and not self.tombstones:
            raise StaysPut(
                "its value is null, a tombstone, which deletes its key on a compacted topic; put it back with "
                "--tombstones"
            )
        text = letter.partition_key or ""
        key = kafka.key if kafka else letter.partition_key.encode() if letter.partition_key is not None else None
        headers = tuple((header.name, header.value) for header in kafka.headers) if kafka else ()
        return tuple(TopicEntry(text, data, key=key, headers=headers, is_tombstone=is_tombstone) for data in datas)


class Topic(Sink, Protocol):
    """A sink with a check."""

    def check(self) -> None: ...


def usable(topic: Topic) -> Sink:
    """Return *topic* or, if its check fails, a sink that refuses everything. Dead letters of other topics go back."""
    try:
        topic.check()
    except TopicUnusable as error:
        return _Refusing(str(error))
    return topic


@dataclass(frozen=True, slots=True)
class _Refusing:
    reason: str

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        del deadline
        return Written([Unwritten(at, self.reason) for at in range(len(items))])
