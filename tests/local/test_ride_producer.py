"""Producers put rides as JSON events, at a rate, and count what was acknowledged."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.ride_producer import NotPut, Producer, ride_events
from stream_consumer.sinks import Entry
from stream_consumer.training.synthetic import synthetic_rides
from tests.fakes import FakeKinesis, FakeTime, Fault, rejecting


def entries(count: int) -> list[Entry]:
    return [Entry(str(number), b"{}") for number in range(count)]


def test_a_ride_becomes_the_event_of_the_contract() -> None:
    rides = synthetic_rides(3, seed=1)
    first = next(ride_events(rides))
    zones = f'"PULocationID":{rides.PULocationID[0]},"DOLocationID":{rides.DOLocationID[0]}'
    assert first.partition_key == str(rides.ride_id[0])
    assert first.data.decode() == (
        f'{{"ride":{{{zones},"trip_distance":{rides.trip_distance[0]}}},"ride_id":{rides.ride_id[0]}}}'
    )
    assert len(list(ride_events(rides))) == 3


class Puts:
    """A producer at *rate*, with time that passes only where it waits."""

    def __init__(self, rate: float | None, faults: Sequence[Fault | None] = ()) -> None:
        self.time = FakeTime()
        self.kinesis = FakeKinesis(self.time, faults, ["ride_events"])
        stream = PredictionStream(self.kinesis.client, "ride_events", retry=self.time.retry())
        self.producer = Producer(stream, rate, clock=self.time.clock, sleep=self.time.sleep)
        self.chunks: list[tuple[int, float]] = []

    def put(self, count: int) -> int:
        return self.producer.put(entries(count), lambda chunk, at: self.chunks.append((len(chunk), at)))


def test_without_a_rate_chunks_are_as_large_as_a_request() -> None:
    puts = Puts(rate=None)
    puts.put(1_200)
    assert [size for size, _ in puts.chunks] == [500, 500, 200]
    assert puts.kinesis.records == entries(1_200)


def test_a_rate_is_kept_evenly() -> None:
    puts = Puts(rate=50)
    puts.put(100)
    assert {size for size, _ in puts.chunks} == {5}
    assert np.allclose(np.diff([at for _, at in puts.chunks]), 0.1)


def test_what_kinesis_rejects_is_put_again_and_counted() -> None:
    puts = Puts(rate=None, faults=[rejecting(0, 2)])
    assert puts.put(3) == 2
    assert Counter(puts.kinesis.records) == Counter(entries(3))


def test_a_stream_that_takes_nothing_is_an_error_that_says_how_far_it_came() -> None:
    puts = Puts(rate=None, faults=[None, *[rejecting(0)] * 1_000])
    with pytest.raises(NotPut, match="1 of 500 records were not put after 500: ProvisionedThroughputExceeded"):
        puts.put(1_000)
