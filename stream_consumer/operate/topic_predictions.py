"""
Reading a topic downstream: its records, or its typed predictions, the first of each ``event_id``.

The rule is the rule of :mod:`stream_consumer.reader`. The reader keeps its own checkpoint and commits nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.record import Record
from stream_consumer.deduplication import CheckpointedReader, FirstOfEach
from stream_consumer.kafka.topic_reader import TopicReader
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.kinesis.stream_pages import Positions
from stream_consumer.operate.topic_pages import TopicPages, origin, partition_name
from stream_consumer.reader import Received

_REMEMBERED = 200_000


class TopicPredictionReader(CheckpointedReader):
    """Iterates over the predictions of a topic. Not thread-safe."""

    def __init__(  # noqa: PLR0913 (each has a default that fits)
        self,
        reader: TopicReader,
        *,
        start: Start | None = None,
        follow: bool = True,
        envelope: Envelope = Envelope(),  # noqa: B008 (frozen)
        checkpoint: Mapping[str, Any] | None = None,
        turn: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Prepare to read. The first request to the topic comes with the iteration.

        Args:
            reader: Of the topic.
            start: The start in partitions that *checkpoint* does not have. By default the oldest record.
            follow: True reads on forever. False stops at the end that the topic has when reading begins.
            envelope: The names of a prediction's fields.
            checkpoint: An earlier value of :meth:`checkpoint`. Reading continues behind it. The iteration raises
                UsageError if it is of another topic.
            turn: Called after each read.
        """
        known = checkpoint or {"shards": {}, "event_ids": []}
        positions = Positions(dict(known["shards"]), known.get("stream_arn"))
        super().__init__(positions, FirstOfEach(envelope, _REMEMBERED, known["event_ids"]))
        self._pages = TopicPages(reader, positions, start or Start(), follow)
        self._turn = turn

    def records(self) -> Iterator[Record]:
        """Yield the records without decoding them."""
        for page in self._pages:
            for record in page:
                yield record
                # Only now: a checkpoint must not be past a record on which the caller still works.
                place = origin(record)
                self._positions.shards[partition_name(place.topic, place.partition)] = str(place.offset)
            self._turn()

    def __iter__(self) -> Iterator[Received]:
        for record in self.records():
            prediction = self._first.take(record.data, str(record.event_id))
            if prediction is not None:
                yield Received(prediction, str(record.shard), str(record.sequence_number), arrival(record))


def arrival(record: Record) -> datetime:
    """Return the timestamp of *record*, or the present if it has none."""
    return datetime.now(UTC) if record.arrival is None else datetime.fromtimestamp(record.arrival, UTC)
