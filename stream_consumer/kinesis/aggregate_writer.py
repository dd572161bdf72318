"""
Fewer and fuller output records: predictions folded into KPL aggregates.

The rule: a partition key always goes under the same aggregate key, on which it depends alone, so that the order of its
predictions holds as far as it does without aggregation. User records carry the aggregate's key, not their own: the KCL
drops a user record whose key hashes into another shard than the one that its aggregate was read from.

Predictions are folded a stretch at a time, as many as would be in flight without aggregation, and a stretch is settled
before the next one is begun: a failure publishes no more than it otherwise would. An aggregate that the service refuses
is halved until the predictions at fault stand alone.
"""

import time
import zlib
from collections.abc import Callable, Sequence

from stream_consumer.contract import kpl
from stream_consumer.sinks import NOT_SENT, Entry, Sink, Unwritten, Written

# Source: amazon-kinesis-producer, "AggregationMaxSize": what producers of aggregates keep to, and readers count on.
MAX_AGGREGATE_BYTES = 51_200
# Magic number, digest, and the table of one key.
_FRAME_BYTES = 40
# What the message adds to a user record: three tags, a key index, two lengths.
_RECORD_BYTES = 10


Chunk = Sequence[int]
"""Positions of the predictions in one aggregate, ascending."""


class AggregatedStream:
    """An output stream whose records hold many predictions each; every reader of it must unfold."""

    def __init__(self, stream: Sink, *, keys: int, stretch: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Fold what goes to *stream*.

        Args:
            stream: Takes the aggregates. Sends nothing of a request behind one that is refused.
            keys: How many aggregate keys there are, several for each shard of the output.
            stretch: How many predictions are folded, and settled, at a time.
            clock: What deadlines are told by.
        """
        self._stream = stream
        self._keys = keys
        self._stretch = stretch
        self._clock = clock

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Put *items* on the stream until *deadline* (of the clock); an aggregate is written whole or not at all.

        An aggregate that is refused is halved until the predictions at fault stand alone. Nothing is sent behind the
        stretch that holds one.
        """
        resent = 0
        for first in range(0, len(items), self._stretch):
            end = min(first + self._stretch, len(items))
            chunks = self._chunks(items, range(first, end))
            unwritten, again = self._settle(items, chunks, deadline)
            resent += again
            if unwritten:
                untried = [Unwritten(at, NOT_SENT) for at in range(end, len(items))]
                return Written(sorted(unwritten) + untried, resent)
        return Written(resent=resent)

    def _settle(self, items: Sequence[Entry], chunks: Sequence[Chunk], deadline: float) -> tuple[list[Unwritten], int]:
        """Write *chunks* in order, and the halves of those refused; what is left, and how many were sent again."""
        # Half of the time at most: what is found to be at fault must still become a dead letter.
        began = self._clock()
        isolating_until = began + (deadline - began) / 2
        unwritten: list[Unwritten] = []
        resent = 0
        while chunks:
            written = self._stream.write([self._folded(items, chunk) for chunk in chunks], deadline)
            resent += written.resent
            left = [(chunks[one.position], one) for one in written.unwritten]
            failed = any(not one.refused and not one.untried for _, one in left)
            # The stream, too, isolates for half of the time that it is given: until then, and not for half of the rest.
            chunks, deadline = [], 2 * isolating_until - self._clock()
            for chunk, one in left:
                if one.refused and len(chunk) == 1:
                    unwritten.append(Unwritten(chunk[0], one.reason, refused=True))
                elif failed or self._clock() >= isolating_until:
                    unwritten += [Unwritten(at, one.reason) for at in chunk]
                elif one.refused:
                    chunks += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
                    resent += 2
                else:  # it was held back behind a refused one
                    chunks.append(chunk)
        return unwritten, resent

    def _chunks(self, items: Sequence[Entry], stretch: range) -> Sequence[Chunk]:
        """Return the predictions of a stretch by aggregate, in the order of the first of each."""
        chunks: dict[str, list[list[int]]] = {}
        room: dict[str, int] = {}
        for position in stretch:
            entry = items[position]
            key = self._key(entry)
            size = len(entry.data) + _RECORD_BYTES
            room[key] = room.get(key, 0) - size
            if room[key] < 0:
                room[key] = MAX_AGGREGATE_BYTES - _FRAME_BYTES - size
                chunks.setdefault(key, []).append([])
            chunks[key][-1].append(position)
        return sorted(chunk for of_key in chunks.values() for chunk in of_key)

    def _folded(self, items: Sequence[Entry], chunk: Chunk) -> Entry:
        key = self._key(items[chunk[0]])
        return Entry(key, kpl.fold([kpl.SubRecord(key, items[at].data) for at in chunk]))

    def _key(self, entry: Entry) -> str:
        return str(zlib.crc32(entry.partition_key.encode()) % self._keys)
