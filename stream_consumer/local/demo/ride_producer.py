"""
Rides → records on a stream, one JSON event per ride, as producers of the MLOps Zoomcamp reference solution put them.

The rule: only acknowledged records count as put. Rejected records are put again until they are acknowledged.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from stream_consumer.errors import StreamConsumerError
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES
from stream_consumer.sinks import Entry, Sink
from stream_consumer.training.rides import Rides

# Time after which the producer gives up a rejected chunk.
_WRITING_SECONDS = 60.0


class NotPut(StreamConsumerError):
    """The stream rejected records for longer than the producer waits."""


def ride_events(rides: Rides) -> Iterator[Entry]:
    """Yield an event for each ride. The partition key is ride_id, so that the shards share the load."""
    encode = msgspec.json.Encoder().encode
    columns = (rides.ride_id, rides.PULocationID, rides.DOLocationID, rides.trip_distance)
    for ride_id, pickup, dropoff, distance in zip(*(column.tolist() for column in columns), strict=True):
        ride = {"PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": distance}
        yield Entry(str(ride_id), encode({"ride": ride, "ride_id": ride_id}))


@dataclass(frozen=True, slots=True)
class Producer:
    """Puts entries on a stream or a topic, in order, at a rate."""

    stream: Sink
    rate: float | None = None
    """Records per second. None means as fast as the stream accepts records."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def put(self, entries: Iterable[Entry], progress: Callable[[Sequence[Entry], float], None]) -> int:
        """
        Put all *entries*. The iterable may be endless.

        *progress* gets each acknowledged chunk, and the time (of the clock) at which its put began.

        Returns:
            Number of entries that were put again, counted each time.

        Raises:
            NotPut: A chunk was not acknowledged within a minute. The stream has the chunks that *progress* got.
        """
        begun, resent = self.clock(), 0
        # At a low rate a chunk has the records of a tenth of a second, so that the flow is even.
        size = min(MAX_ENTRIES, max(1, round(self.rate / 10))) if self.rate else MAX_ENTRIES
        to_put, first = iter(entries), 0
        while chunk := list(itertools.islice(to_put, size)):
            if self.rate:
                self.sleep(max(0.0, begun + first / self.rate - self.clock()))
            started = self.clock()
            written = self.stream.write(chunk, started + _WRITING_SECONDS)
            resent += written.resent
            if written.unwritten:
                raise NotPut(
                    f"{len(written.unwritten)} of {len(chunk)} records were not put after {first}: "
                    f"{written.unwritten[0].reason}"
                )
            progress(chunk, started)
            first += len(chunk)
        return resent
