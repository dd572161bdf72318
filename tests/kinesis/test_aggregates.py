"""The aggregated output stream: what an unfolding reader finds, and what comes back as unwritten."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract import kpl
from stream_consumer.kinesis.aggregates import MAX_AGGREGATE_BYTES, AggregatedStream
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.sinks import Entry, Unwritten, Written
from tests.fakes import DENIED, REJECTING_ALL, THROTTLED, FakeKinesis, FakeTime, Fault, rejecting

UNTRIED = "not sent after a failure"


class Stream:
    """An aggregated stream on fakes, and what to ask of it."""

    def __init__(self, *faults: Fault | None, keys: int = 2, stretch: int = 100) -> None:
        self.time = FakeTime()
        self.kinesis = FakeKinesis(self.time, faults)
        inner = PredictionStream(self.kinesis.client, "ride_predictions", retry=self.time.retry())
        self.sink = AggregatedStream(inner, keys=keys, stretch=stretch)

    def write(self, entries: Sequence[Entry], seconds: float = 60.0) -> Written:
        return self.sink.write(entries, self.time.clock() + seconds)

    @property
    def unfolded(self) -> list[list[int]]:
        """The numbers of the user records, by record."""
        return [[int(part.data) for part in kpl.unfold(entry.data)] for entry in self.kinesis.records]


def numbered(count: int) -> list[Entry]:
    """Return entries of keys of their own; of two aggregate keys, 0 to 3 have one and 4 to 7 the other."""
    return [Entry(str(at), b"%030d" % at) for at in range(count)]


def test_nothing_to_write_is_no_request() -> None:
    stream = Stream()
    assert stream.write([]) == Written([], 0)
    assert stream.kinesis.requests == []


def test_every_prediction_is_in_one_aggregate() -> None:
    stream = Stream()
    assert stream.write(numbered(6)) == Written([], 0)
    assert stream.unfolded == [[0, 1, 2, 3], [4, 5]]
    assert [entry.partition_key for entry in stream.kinesis.records] == ["1", "0"]


def test_a_partition_key_is_always_under_the_same_aggregate_key() -> None:
    """Whatever it is written with: so its predictions meet in one shard, in their order."""
    stream = Stream(keys=8)
    stream.write([Entry("256", b"100"), *numbered(50), Entry("256", b"101")])
    stream.write([*numbered(50), Entry("256", b"102")])
    found = [
        (entry.partition_key, number)
        for entry, numbers in zip(stream.kinesis.records, stream.unfolded, strict=True)
        for number in numbers
        if number >= 100
    ]
    assert found == [("3", 100), ("3", 101), ("3", 102)]


def test_user_records_carry_the_aggregates_key() -> None:
    """With a key of their own, a KCL reader would drop most of them."""
    stream = Stream(keys=3)
    stream.write(numbered(20))
    for entry in stream.kinesis.records:
        assert {part.partition_key for part in kpl.unfold(entry.data)} == {entry.partition_key}


@pytest.mark.parametrize("size", [40, 200, 5_000, 25_000])
def test_an_aggregate_is_as_large_as_readers_count_on(size: int) -> None:
    stream = Stream(keys=1, stretch=1_000)
    count = 120_000 // size
    stream.write([Entry("1", b"0".rjust(size)) for _ in range(count)])
    sizes = [len(entry.data) for entry in stream.kinesis.records]
    assert max(sizes) <= MAX_AGGREGATE_BYTES == 51_200
    assert all(full + size > 0.8 * MAX_AGGREGATE_BYTES for full in sizes[:-1])
    assert sum(map(len, stream.unfolded)) == count


def test_a_prediction_larger_than_an_aggregate_has_one_of_its_own() -> None:
    stream = Stream(keys=1)
    assert stream.write([Entry("1", b"1"), Entry("1", b"2".rjust(60_000)), Entry("1", b"3")]) == Written([], 0)
    assert [len(parts) for parts in stream.unfolded] == [1, 1, 1]


def test_only_a_rejected_aggregate_is_sent_again() -> None:
    stream = Stream(rejecting(0))
    assert stream.write(numbered(6)) == Written([], 1)
    assert stream.unfolded == [[4, 5], [0, 1, 2, 3]]


def test_what_was_not_written_comes_back_by_position() -> None:
    stream = Stream(rejecting(1), DENIED)
    written = stream.write(numbered(6))
    assert [unwritten.position for unwritten in written.unwritten] == [4, 5]
    assert stream.unfolded == [[0, 1, 2, 3]]


def test_a_stretch_is_settled_before_the_next_is_begun() -> None:
    """Nothing is published beyond the stretch that a failure strikes."""
    stream = Stream(None, DENIED, stretch=4)
    written = stream.write(numbered(10))
    assert [unwritten.position for unwritten in written.unwritten] == [4, 5, 6, 7, 8, 9]
    assert written.unwritten[-2:] == [Unwritten(8, UNTRIED), Unwritten(9, UNTRIED)]
    assert stream.unfolded == [[0, 1, 2, 3]]


FAULTS = st.sampled_from([None, THROTTLED, DENIED, REJECTING_ALL, rejecting(0), rejecting(1, 2)])


@given(st.lists(FAULTS, max_size=6), st.integers(0, 60), st.integers(1, 5), st.integers(1, 30))
def test_what_does_not_come_back_is_on_the_stream(
    faults: list[Fault | None], count: int, keys: int, stretch: int
) -> None:
    """Each prediction is once on the stream or among the unwritten, whatever the faults."""
    stream = Stream(*faults, keys=keys, stretch=stretch)
    written = stream.write(numbered(count), seconds=1.0)
    lost = [unwritten.position for unwritten in written.unwritten]
    assert lost == sorted(set(lost))
    published = sorted(number for numbers in stream.unfolded for number in numbers)
    assert sorted([*published, *lost]) == list(range(count))
