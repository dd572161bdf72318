"""
Rides → records on a stream, as producers of the lineage put them: JSON events, one record a ride.

The rule: what is counted as put was acknowledged. What the stream rejects is put again until it is.
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

# How long one chunk may be rejected before the producer gives up.
_WRITING_SECONDS = 60.0


class NotPut(StreamConsumerError):
    """The stream would not take records, for as long as a producer waits."""


def ride_events(rides: Rides) -> Iterator[Entry]:
    """Yield a ride event for each ride, keyed by ride_id so that the shards share the load."""
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
    """Records a second; None for as fast as the stream takes them."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def put(self, entries: Iterable[Entry], progress: Callable[[Sequence[Entry], float], None]) -> int:
        """
        Put all *entries*, which may have no end.

        *progress* gets each acknowledged chunk and when (on the clock) its put began.

        Returns:
            How often an entry had to be put again.

        Raises:
            NotPut: A chunk was still not acknowledged after a minute; what progress was told of is on the stream.
        """
        begun, resent = self.clock(), 0
        # At a low rate a chunk is what falls due in a tenth of a second, so that the flow is even.
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
