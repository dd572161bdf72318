"""The aggregated output stream: what an unfolding reader finds, and what comes back as unwritten."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_consumer.contract import kpl
from stream_consumer.kinesis.aggregate_writer import MAX_AGGREGATE_BYTES, AggregatedStream
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.sinks import Entry, Unwritten, Written
from tests.fakes import (
    DENIED,
    REJECTING_ALL,
    THROTTLED,
    FakeKinesis,
    FakeTime,
    Fault,
    client_error,
    rejecting,
    slow,
)

UNTRIED = "not sent after a failure"


class Stream:
    """An aggregated stream on fakes, and what to ask of it."""

    def __init__(
        self, *faults: Fault | None, keys: int = 2, at_once: int = 100, forbidden: Sequence[Entry] = ()
    ) -> None:
        self.time = FakeTime()
        self.kinesis = FakeKinesis(self.time, faults, forbidden=[entry.data for entry in forbidden])
        retry = self.time.retry()
        inner = PredictionStream(self.kinesis.client, "ride_predictions", retry=retry, stop_at_refused=True)
        self.sink = AggregatedStream(inner, keys=keys, at_once=at_once, clock=self.time.clock)

    def write(self, entries: Sequence[Entry], seconds: float = 60.0) -> Written:
        return self.sink.write(entries, self.time.clock() + seconds)

    @property
    def unfolded(self) -> list[list[int]]:
        """The numbers of the user records, by record."""
        return [[int(part.data) for part in kpl.unfold(entry.data)] for entry in self.kinesis.records]


def numbered(count: int) -> list[Entry]:
    """
    Return entries of keys of their own; of two aggregate keys, 0 to 3 have one and 4 to 7 the other.

    Their data ends in a space, so that none is in that of another together with the digest behind it.
    """
    return [Entry(str(at), b"%029d " % at) for at in range(count)]


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
    stream = Stream(keys=1, at_once=1_000)
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


def test_a_group_is_settled_before_the_next_is_begun() -> None:
    """Nothing is published beyond the group that a failure strikes."""
    stream = Stream(None, DENIED, at_once=4)
    written = stream.write(numbered(10))
    assert [unwritten.position for unwritten in written.unwritten] == [4, 5, 6, 7, 8, 9]
    assert written.unwritten[-2:] == [Unwritten(8, UNTRIED), Unwritten(9, UNTRIED)]
    assert stream.unfolded == [[0, 1, 2, 3]]


# --- predictions that the service refuses ----------------------------------------------------------------------------

REFUSED = "PutRecords was answered with ValidationException (HTTP status 400)"


@pytest.mark.parametrize("refused", [(0,), (5,), (11,), (0, 11), (4, 5), (1, 3, 8), tuple(range(12))])
@pytest.mark.parametrize("keys", [1, 2, 5])
def test_a_refused_aggregate_is_halved_until_the_predictions_at_fault_stand_alone(
    refused: tuple[int, ...], keys: int
) -> None:
    entries = numbered(12)
    stream = Stream(keys=keys, forbidden=[entries[at] for at in refused])
    written = stream.write(entries)
    assert written.unwritten == [Unwritten(at, REFUSED, refused=True) for at in refused]
    published = sorted(number for numbers in stream.unfolded for number in numbers)
    assert published == [at for at in range(12) if at not in refused]


@pytest.mark.parametrize("refused", [0, 77, 124, 249])
def test_isolating_one_prediction_of_250_takes_32_requests_at_most(refused: int) -> None:
    """Two to four for each time that 250 can be halved."""
    entries = numbered(250)
    stream = Stream(keys=1, at_once=2_000, forbidden=[entries[refused]])
    assert [one.position for one in stream.write(entries).unwritten] == [refused]
    assert len(stream.kinesis.requests) <= 32


def test_what_precedes_and_follows_a_refused_prediction_keeps_its_order() -> None:
    """Several aggregates of one key are in one request: none goes before the halves of an earlier one."""
    entries = [Entry("1", b"%04d".ljust(20_000) % at) for at in range(10)]
    stream = Stream(keys=1, forbidden=entries[2:3])
    assert [one.position for one in stream.write(entries).unwritten] == [2]
    assert [number for numbers in stream.unfolded for number in numbers] == [0, 1, 3, 4, 5, 6, 7, 8, 9]


def test_nothing_is_sent_behind_the_group_of_a_refused_prediction() -> None:
    """Its dead letter must be written before."""
    entries = numbered(10)
    stream = Stream(at_once=4, forbidden=entries[1:2])
    assert stream.write(entries).unwritten == [
        Unwritten(1, REFUSED, refused=True),
        *(Unwritten(at, UNTRIED) for at in range(4, 10)),
    ]


def test_when_a_half_fails_nothing_else_is_refused_or_sent() -> None:
    entries = numbered(4)
    stream = Stream(None, DENIED, keys=1, forbidden=entries[3:])
    written = stream.write(entries)
    assert [(one.position, one.refused) for one in written.unwritten] == [(at, False) for at in range(4)]
    assert len(stream.kinesis.requests) == 2


def test_isolating_takes_half_of_the_time_at_most() -> None:
    """What is found to be at fault by then must still become a dead letter, and the rest comes again."""
    entries = numbered(100)
    stream = Stream(*[slow(1.0)] * 99, keys=1, forbidden=entries)
    written = stream.write(entries, seconds=60.0)
    assert stream.time.now <= 1_030.0
    assert written.unwritten[0] == Unwritten(0, REFUSED, refused=True)
    assert not written.unwritten[-1].refused


def test_a_deployments_fault_is_no_predictions() -> None:
    """A service that blames no entry, and has never taken one."""
    vague = Fault("VAGUE", client_error("InvalidArgumentException", 400))
    written = Stream(*[vague] * 9, keys=1).write(numbered(4))
    assert [(one.position, one.refused) for one in written.unwritten] == [(at, False) for at in range(4)]


FAULTS = st.sampled_from([None, THROTTLED, DENIED, REJECTING_ALL, rejecting(0), rejecting(1, 2)])


@given(
    faults=st.lists(FAULTS, max_size=6),
    count=st.integers(0, 60),
    keys=st.integers(1, 5),
    at_once=st.integers(1, 30),
    forbidden=st.sets(st.integers(0, 59), max_size=4),
)
def test_what_does_not_come_back_is_on_the_stream(
    faults: list[Fault | None], count: int, keys: int, at_once: int, forbidden: set[int]
) -> None:
    """Each prediction is once on the stream or among the unwritten, whatever the faults; only refused ones are so."""
    entries = numbered(count)
    refused = [entries[at] for at in forbidden if at < count]
    stream = Stream(*faults, keys=keys, at_once=at_once, forbidden=refused)
    written = stream.write(entries, seconds=1.0)
    lost = [unwritten.position for unwritten in written.unwritten]
    assert lost == sorted(set(lost))
    published = sorted(number for numbers in stream.unfolded for number in numbers)
    assert sorted([*published, *lost]) == list(range(count))
    assert forbidden >= {one.position for one in written.unwritten if one.refused}


@settings(max_examples=40)
@given(keys=st.integers(1, 5), forbidden=st.sets(st.integers(0, 39), max_size=4), size=st.sampled_from([30, 4_000]))
def test_predictions_of_one_key_stay_in_order_around_those_that_are_refused(
    keys: int, forbidden: set[int], size: int
) -> None:
    entries = [Entry(f"k{at % 7}", b"%04d".ljust(size) % at) for at in range(40)]
    stream = Stream(keys=keys, forbidden=[entries[at] for at in forbidden])
    assert {one.position for one in stream.write(entries).unwritten} == forbidden
    order = [number for numbers in stream.unfolded for number in numbers]
    for key in range(7):
        assert [number for number in order if number % 7 == key] == [
            at for at in range(key, 40, 7) if at not in forbidden
        ]
