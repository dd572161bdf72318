"""The demo's consumer of a topic: a member of a consumer group, in a thread of its own."""

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError

from stream_consumer.composition import Composition
from stream_consumer.consumer import BatchResult
from stream_consumer.contract.record import Record
from stream_consumer.group.loop import Subscription, consume
from stream_consumer.group.member import Member, Pace
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.kafka.connection import Connection
from stream_consumer.local.demo.background import Background
from stream_consumer.telemetry import Telemetry

GROUP = "stream-consumer-demo"


class BatchTally:
    """Counts the batches of a member, and keeps its last error."""

    def __init__(self, report: Telemetry) -> None:
        self.batches = 0
        self.failed_batches = 0
        self.last_error = ""
        self._report = report

    def decided(self, result: BatchResult, seconds: float) -> None:
        del seconds
        self.batches += 1
        self._report.invoked(result, None, time.time())

    def failed(self, error: Exception, records: Sequence[Record], seconds: float) -> None:
        del records, seconds
        self.failed_batches += 1
        self.last_error = f"{type(error).__name__}: {error}"

    def moved(self, change: str, keys: Sequence[PartitionKey], owned: int) -> None:
        """Ignore this event: the demo has one member."""

    def behind(self, lags: Mapping[PartitionKey, int]) -> None:
        """Ignore this event: the end of the demo shows unsettled records."""

    def warned(self, message: str, **fields: object) -> None:
        self.last_error = f"{message}: {fields}"

    def trouble(self, error: KafkaError) -> None:
        self.last_error = f"{error.name()}: {error.str()}"


class GroupConsuming:
    """Runs a member, from the assignment of the topic to the stop."""

    def __init__(
        self, composed: Composition, connection: Connection, topic: str, tally: BatchTally, batch_size: int
    ) -> None:
        self.asked = False
        """Whether the loop shall stop."""
        self._topic = topic
        self._member = Member(composed.consumer, connection.brokers, Pace(batch_size=batch_size), tally)
        subscription = Subscription(connection=connection, group=GROUP, topics=[topic])
        self._background = Background("member", lambda: consume(subscription, self._member, self, tally.trouble))
        self._background.start()
        while not self._member.assigned and self._background.running(0.05):
            pass
        self._background.check()

    def drain(self, ends: Mapping[int, int], meanwhile: Callable[[], None]) -> None:
        """Wait until every record before the offsets *ends* of the partitions is settled."""
        while not all(self._is_settled(partition, end) for partition, end in ends.items() if end):
            if not self._background.running(0.05):
                self._background.check()
                return
            meanwhile()

    def _is_settled(self, partition: int, end: int) -> bool:
        owned = self._member.partitions.get(PartitionKey(self._topic, partition))
        return owned is not None and owned.is_settled_to(end)

    def stop(self) -> None:
        """Commit, leave the group and end at the next step."""
        self.asked = True
        self._background.stop()
