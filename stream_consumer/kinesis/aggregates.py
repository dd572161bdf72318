"""
Fewer and fuller output records: predictions folded into KPL aggregates.

The rule: a partition key always goes under the same aggregate key, on which it depends alone, so that the order of its
predictions holds as far as it does without aggregation. User records carry the aggregate's key, not their own: the KCL
drops a user record whose key hashes into another shard than the one that its aggregate was read from.

Predictions are folded a stretch at a time, as many as would be in flight without aggregation, and a stretch is settled
before the next one is begun: a failure publishes no more than it otherwise would.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from stream_consumer.contract import kpl
from stream_consumer.sinks import NOT_SENT, Entry, Sink, Unwritten, Written

# Source: amazon-kinesis-producer, "AggregationMaxSize": what producers of aggregates keep to, and readers count on.
MAX_AGGREGATE_BYTES = 51_200
# Magic number, digest, and the table of one key.
_FRAME_BYTES = 40
# What the message adds to a user record: three tags, a key index, two lengths.
_RECORD_BYTES = 10


class _Aggregate(NamedTuple):
    positions: list[int]
    entry: Entry


class AggregatedStream:
    """An output stream whose records hold many predictions each; every reader of it must unfold."""

    def __init__(self, stream: Sink, *, keys: int, stretch: int) -> None:
        """
        Fold what goes to *stream*.

        Args:
            stream: Takes the aggregates.
            keys: How many aggregate keys there are, several for each shard of the output.
            stretch: How many predictions are folded, and settled, at a time.
        """
        self._stream = stream
        self._keys = keys
        self._stretch = stretch

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """Put *items* on the stream until *deadline* (of the clock); an aggregate is written whole or not at all."""
        resent = 0
        for first in range(0, len(items), self._stretch):
            end = min(first + self._stretch, len(items))
            aggregates = self._folded(items, range(first, end))
            written = self._stream.write([aggregate.entry for aggregate in aggregates], deadline)
            resent += written.resent
            if written.unwritten:
                lost = sorted(
                    # Of several predictions in a refused aggregate nobody can say which one is at fault.
                    Unwritten(position, reason, refused and len(aggregates[at].positions) == 1)
                    for at, reason, refused in written.unwritten
                    for position in aggregates[at].positions
                )
                return Written([*lost, *(Unwritten(at, NOT_SENT) for at in range(end, len(items)))], resent)
        return Written(resent=resent)

    def _folded(self, items: Sequence[Entry], stretch: range) -> list[_Aggregate]:
        """Return the aggregates of a stretch, by the first position of each."""
        chunks: dict[str, list[list[int]]] = {}
        room: dict[str, int] = {}
        for position in stretch:
            entry = items[position]
            key = str(zlib.crc32(entry.partition_key.encode()) % self._keys)
            size = len(entry.data) + _RECORD_BYTES
            room[key] = room.get(key, 0) - size
            if room[key] < 0:
                room[key] = MAX_AGGREGATE_BYTES - _FRAME_BYTES - size
                chunks.setdefault(key, []).append([])
            chunks[key][-1].append(position)
        aggregates = [
            _Aggregate(chunk, Entry(key, kpl.fold([kpl.SubRecord(key, items[at].data) for at in chunk])))
            for key, of_key in chunks.items()
            for chunk in of_key
        ]
        return sorted(aggregates, key=lambda aggregate: aggregate.positions[0])
