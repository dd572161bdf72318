"""
Fold predictions into KPL aggregates: fewer and fuller output records.

User records carry the aggregate's key instead of their own. The KCL drops a user record if its key hashes into another
shard than its aggregate's. Predictions are folded a range at a time. The size of a range is the number of predictions
in flight without aggregation. If the service refuses an aggregate, the aggregate is halved until the refused
predictions stand alone.

Example: three predictions and two aggregate keys::

    position        0     1     2
    partition key   "7"   "8"   "6"
    aggregate key   "0"   "1"   "0"
    chunks          [0, 2] and [1]
    stream gets     key "0" with predictions 0 and 2, then key "1" with prediction 1

Invariant: the aggregate key is a function of the partition key alone, so the order of a partition key's predictions
holds as far as without aggregation. Each position of a range is in exactly one chunk, and positions ascend within a
chunk. A range is settled before the next begins, so a failure publishes no more than without aggregation.
"""

import time
import zlib
from collections.abc import Callable, Sequence

from stream_consumer.contract import kpl
from stream_consumer.sinks import NOT_SENT, Entry, Sink, Unwritten, Written

# Source: amazon-kinesis-producer, "AggregationMaxSize". Producers keep to this size, and readers rely on this limit.
MAX_AGGREGATE_BYTES = 51_200
# Size of the magic number, the digest, and the table with a single key.
_FRAME_BYTES = 40
# Size of the message's overhead for a user record: three tags, a key index, two lengths.
_RECORD_BYTES = 10


Chunk = Sequence[int]
"""Positions of the predictions in an aggregate, ascending."""


class AggregatedStream:
    """An output stream whose records hold many predictions each. Every reader must unfold them."""

    def __init__(self, stream: Sink, *, keys: int, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Fold predictions for *stream*.

        Args:
            stream: Takes the aggregates. Behind a refused aggregate of a request, this stream must send nothing of the
                request.
            keys: Number of aggregate keys, several for each shard of the output.
            at_once: Number of predictions to fold and settle at a time.
            clock: Clock of the deadlines, in seconds.
        """
        self._stream = stream
        self._keys = keys
        self._at_once = at_once
        self._clock = clock

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Put *items* on the stream until *deadline* (of the clock). An aggregate is written whole or not at all.

        A refused aggregate is halved until the refused predictions stand alone. No prediction behind the range of a
        refused prediction is sent.
        """
        resent = 0
        for first in range(0, len(items), self._at_once):
            end = min(first + self._at_once, len(items))
            chunks = self._chunks(items, range(first, end))
            unwritten, again = self._settle(items, chunks, deadline)
            resent += again
            if unwritten:
                untried = [Unwritten(at, NOT_SENT) for at in range(end, len(items))]
                return Written(sorted(unwritten) + untried, resent)
        return Written(resent=resent)

    def _settle(self, items: Sequence[Entry], chunks: Sequence[Chunk], deadline: float) -> tuple[list[Unwritten], int]:
        """
        Write *chunks* in order, and the halves of refused chunks.

        Return the unwritten entries and the number of resent entries.
        """
        # Half of the time at most: the refused predictions must still become dead letters.
        began = self._clock()
        isolating_until = began + (deadline - began) / 2
        unwritten: list[Unwritten] = []
        resent = 0
        while chunks:
            written = self._stream.write([self._folded(items, chunk) for chunk in chunks], deadline)
            resent += written.resent
            left = [(chunks[one.position], one) for one in written.unwritten]
            failed = any(not one.refused and not one.untried for _, one in left)
            # The stream itself isolates for half of the time until its deadline. The new deadline makes this half end
            # at `isolating_until`, rather than at half of the remaining time.
            chunks, deadline = [], 2 * isolating_until - self._clock()
            for chunk, one in left:
                if one.refused and len(chunk) == 1:
                    unwritten.append(Unwritten(chunk[0], one.reason, refused=True))
                elif failed or self._clock() >= isolating_until:
                    unwritten += [Unwritten(at, one.reason) for at in chunk]
                elif one.refused:
                    chunks += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
                    resent += 2
                else:  # held back behind a refused chunk
                    chunks.append(chunk)
        return unwritten, resent

    def _chunks(self, items: Sequence[Entry], positions: range) -> Sequence[Chunk]:
        """Return the positions of a range by aggregate, in the order of each aggregate's first position."""
        chunks: dict[str, list[list[int]]] = {}
        room: dict[str, int] = {}
        for position in positions:
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
