"""The prediction stream: what is on it, what comes back as unwritten, and the exact requests made."""

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.sinks import Entry, Unwritten, Written
from tests.fakes import (
    DENIED,
    ENTRY_FAULTS,
    GARBLED,
    HANG,
    HANG_AFTER,
    HANG_THEN_LATER,
    HOPELESS_FAULTS,
    INTERNAL_REJECTION,
    NOT_FOUND,
    READ_TIMEOUT_AFTER,
    REJECTING_ALL,
    RESET_AFTER,
    THROTTLED,
    TRANSIENT_FAULTS,
    TRUNCATED,
    FakeKinesis,
    FakeTime,
    Fault,
    answering,
    client_error,
    rejecting,
    slow,
)

MIB = 2**20
LATE = "the deadline came before an answer"
UNTRIED = "not sent after a failure"


class Stream:
    """A prediction stream on fakes, and what to ask of it."""

    def __init__(self, *faults: Fault | None, in_flight: int = 4, name: str = "ride_predictions") -> None:
        self.time = FakeTime()
        self.kinesis = FakeKinesis(self.time, faults)
        self.sink = PredictionStream(self.kinesis.client, name, in_flight=in_flight, retry=self.time.retry())

    def write(self, entries: Sequence[Entry], seconds: float = 60.0) -> Written:
        return self.sink.write(entries, self.time.clock() + seconds)

    @property
    def datas(self) -> list[bytes]:
        return [entry.data for entry in self.kinesis.records]

    @property
    def requests(self) -> list[list[bytes]]:
        return [[entry.data for entry in request.entries] for request in self.kinesis.requests]


def numbered(count: int, keys: int | None = None) -> list[Entry]:
    """Return entries ``0``, ``1``, … of keys of their own, or of so many keys in turn."""
    return [Entry(f"k{at % keys if keys else at}", str(at).encode()) for at in range(count)]


def datas(entries: Sequence[Entry]) -> list[bytes]:
    return [entry.data for entry in entries]


def positions(written: Written) -> list[int]:
    return [unwritten.position for unwritten in written.unwritten]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_nothing_to_write_is_no_request() -> None:
    stream = Stream()
    assert stream.write([]) == Written([], 0)
    assert stream.requests == []


def test_a_request_has_at_most_500_entries() -> None:
    stream = Stream()
    assert stream.write(numbered(1_001)) == Written([], 0)
    assert [len(request) for request in stream.requests] == [500, 500, 1]
    assert stream.datas == datas(numbered(1_001))


def test_a_request_has_at_most_5_mib_keys_included() -> None:
    """Five entries of exactly 1 MiB with their keys fit; one byte more and they do not."""
    stream = Stream()
    entries = [Entry(str(at), b"x" * (MIB - 1)) for at in range(5)]
    assert stream.write([*entries, Entry("5", b"")]) == Written([], 0)
    assert [len(request) for request in stream.requests] == [5, 1]


def test_the_size_of_a_key_is_that_of_its_utf_8() -> None:
    stream = Stream()
    assert stream.write([Entry("🚕", b"x" * (MIB - 4))]) == Written([], 0)
    assert stream.write([Entry("🚕", b"x" * (MIB - 3))]) == Written(
        [Unwritten(0, "larger than 1048576 bytes with its key", refused=True)], 0
    )
    assert len(stream.requests) == 1


def test_what_precedes_an_oversize_entry_is_written_and_nothing_behind_it() -> None:
    """Kinesis would refuse the whole request that carries it."""
    stream = Stream()
    written = stream.write([*numbered(3), Entry("big", b"x" * MIB), *numbered(2)])
    assert positions(written) == [3, 4, 5]
    assert written.unwritten[0].reason == "larger than 1048576 bytes with its key"
    assert stream.datas == [b"0", b"1", b"2"]


@pytest.mark.parametrize("name", ["ride_predictions", "arn:aws:kinesis:us-east-1:123456789012:stream/ride_predictions"])
def test_the_stream_is_named_or_given_by_arn(name: str) -> None:
    stream = Stream(name=name)
    assert stream.write(numbered(1)) == Written([], 0)
    assert stream.datas == [b"0"]


def test_entries_of_one_key_are_never_in_two_requests_of_a_wave() -> None:
    """501 entries of one key: the second request waits until the first one is acknowledged."""
    stream = Stream(REJECTING_ALL)
    assert stream.write(numbered(501, keys=1)) == Written([], 500)
    assert [len(request) for request in stream.requests] == [500, 500, 1]
    assert stream.datas == datas(numbered(501))


def test_so_many_requests_are_in_flight_at_once() -> None:
    """A wave of four meets the first fault; nothing of the second wave is sent before it is mended."""
    stream = Stream(None, THROTTLED)
    stream.write(numbered(2_500))
    assert [request[0] for request in stream.requests] == [b"0", b"500", b"1000", b"1500", b"500", b"2000"]


# --- faults that another try mends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*TRANSIENT_FAULTS, *ENTRY_FAULTS, slow(3.0)], ids=lambda fault: fault.name)
def test_after_a_transient_fault_everything_is_written(fault: Fault) -> None:
    stream = Stream(fault)
    assert stream.write(numbered(10)).unwritten == []
    assert set(stream.datas) == set(datas(numbered(10)))


def test_only_rejected_entries_are_sent_again_each_in_its_own_request() -> None:
    stream = Stream(rejecting(0, 499), None, rejecting(7), None, INTERNAL_REJECTION)
    assert stream.write(numbered(1_300)) == Written([], 4)
    assert [len(request) for request in stream.requests] == [500, 500, 300, 2, 1, 1]
    assert stream.requests[3:] == [[b"0", b"499"], [b"1007"], [b"1007"]]
    assert sorted(stream.datas) == sorted(datas(numbered(1_300)))


@pytest.mark.parametrize("fault", [RESET_AFTER, READ_TIMEOUT_AFTER, GARBLED, TRUNCATED], ids=lambda fault: fault.name)
def test_when_the_answer_is_lost_the_request_is_sent_again_and_its_entries_are_there_twice(fault: Fault) -> None:
    """One duplicate for each entry and lost answer; event_id tells them apart."""
    stream = Stream(fault)
    assert stream.write(numbered(3)) == Written([], 3)
    assert stream.datas == [b"0", b"1", b"2", b"0", b"1", b"2"]


ACKNOWLEDGED = {"SequenceNumber": "4963", "ShardId": "shardId-000000000000"}
REJECTED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
UNREADABLE: dict[str, dict[str, Any]] = {
    "an entry without a word": {"FailedRecordCount": 0, "Records": [ACKNOWLEDGED, {}]},
    "an entry of nulls": {"Records": [ACKNOWLEDGED, {"SequenceNumber": None, "ErrorCode": None}]},
    "an empty sequence number": {"Records": [ACKNOWLEDGED, {"SequenceNumber": "", "ShardId": "shardId-000000000000"}]},
    "a shard alone": {"Records": [ACKNOWLEDGED, {"ShardId": "shardId-000000000000"}]},
    "an empty error code": {"FailedRecordCount": 1, "Records": [ACKNOWLEDGED, {"ErrorCode": ""}]},
    "more failures than error codes": {"FailedRecordCount": 1, "Records": [ACKNOWLEDGED, ACKNOWLEDGED]},
    "fewer failures than error codes": {"FailedRecordCount": 0, "Records": [ACKNOWLEDGED, REJECTED]},
    "too few entries": {"FailedRecordCount": 0, "Records": [ACKNOWLEDGED]},
    "too many entries": {"FailedRecordCount": 0, "Records": [ACKNOWLEDGED] * 3},
    "no entries": {"FailedRecordCount": 0},
    "null for entries": {"FailedRecordCount": 0, "Records": None},
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_does_not_account_for_each_entry_acknowledges_none(answer: dict[str, Any]) -> None:
    """Only a sequence number acknowledges; without one the entry may be nowhere, so the request is sent again."""
    stream = Stream(answering(answer))
    assert stream.write(numbered(2)) == Written([], 2)
    assert stream.requests == [[b"0", b"1"]] * 2


@pytest.mark.parametrize("failed", [{"FailedRecordCount": 1}, {"FailedRecordCount": None}, {}])
def test_an_answer_need_not_count_its_failures(failed: dict[str, Any]) -> None:
    stream = Stream(answering(failed | {"Records": [ACKNOWLEDGED | {"ErrorCode": None}, REJECTED]}))
    assert stream.write(numbered(2)) == Written([], 1)
    assert stream.requests == [[b"0", b"1"], [b"1"]]


def test_an_error_code_outweighs_a_sequence_number() -> None:
    stream = Stream(answering({"FailedRecordCount": 1, "Records": [ACKNOWLEDGED, ACKNOWLEDGED | REJECTED]}))
    assert stream.write(numbered(2)) == Written([], 1)
    assert stream.requests == [[b"0", b"1"], [b"1"]]


def test_each_backoff_is_drawn_from_an_interval_that_doubles_up_to_two_seconds() -> None:
    """Full jitter: from nothing to the bound."""
    stream = Stream(*[THROTTLED] * 9)
    assert stream.write(numbered(1)) == Written([], 9)
    assert stream.time.slept == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


@given(st.integers(0))
def test_every_backoff_is_within_its_bound(seed: int) -> None:
    time = FakeTime(dice=random.Random(seed).uniform)  # noqa: S311 (jitter, not secrets)
    sink = PredictionStream(FakeKinesis(time, [THROTTLED] * 8).client, "ride_predictions", retry=time.retry())
    sink.write(numbered(1), math.inf)
    assert all(
        0 <= slept <= bound for slept, bound in zip(time.slept, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2], strict=True)
    )


def test_backing_off_for_long_overflows_nothing() -> None:
    stream = Stream(*[THROTTLED] * 2_000)
    assert stream.write(numbered(1), math.inf) == Written([], 2_000)
    assert max(stream.time.slept) == 2.0


# --- the deadline -----------------------------------------------------------------------------------------------------


def test_when_the_deadline_comes_the_last_word_of_the_service_comes_back_by_position() -> None:
    stream = Stream(rejecting(1), *[REJECTING_ALL] * 9)
    assert stream.write(numbered(3), seconds=1.0) == Written(
        [Unwritten(1, "ProvisionedThroughputExceededException")], resent=4
    )
    assert stream.datas == [b"0", b"2"]
    assert stream.time.now < 1_001.0


def test_no_attempt_is_made_whose_backoff_would_outlast_the_deadline() -> None:
    stream = Stream(THROTTLED)
    assert positions(stream.write(numbered(1), seconds=0.05)) == [0]
    assert stream.time.slept == []
    assert len(stream.requests) == 1


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_nothing_is_started_at_or_after_the_deadline(seconds: float) -> None:
    """A request that nobody waits for would be a duplicate in the making."""
    stream = Stream()
    assert stream.write(numbered(2), seconds) == Written([Unwritten(0, LATE), Unwritten(1, LATE)], 0)
    assert stream.requests == []


def test_no_wave_is_started_after_the_deadline() -> None:
    stream = Stream(slow(2.0), in_flight=1)
    written = stream.write(numbered(1_001), seconds=2.0)
    assert written.unwritten[0] == Unwritten(500, LATE)
    assert written.unwritten[-1] == Unwritten(1_000, UNTRIED)
    assert len(stream.requests) == 1


@pytest.mark.parametrize("fault", [HANG, HANG_AFTER, HANG_THEN_LATER, slow(9.0)], ids=lambda fault: fault.name)
def test_a_hanging_call_is_given_up_at_the_deadline(fault: Fault) -> None:
    """What became of it is unknown, so it counts as unwritten; the other calls of the wave keep their answers."""
    stream = Stream(None, fault)
    written = stream.write(numbered(1_100), seconds=5.0)
    assert written == Written([Unwritten(at, LATE) for at in range(500, 1_000)], 0)
    assert stream.time.now == 1_005.0
    assert len(stream.requests) == 3


def test_after_a_hanging_call_the_next_write_works() -> None:
    stream = Stream(HANG)
    stream.write(numbered(1), seconds=1.0)
    assert stream.write(numbered(1)) == Written([], 0)


def test_what_was_given_up_may_still_be_written() -> None:
    """The bound on duplicates is what is in flight, so nothing else may have been sent behind it."""
    stream = Stream(HANG_THEN_LATER, in_flight=1)
    stream.write(numbered(600), seconds=1.0)
    assert stream.datas == []
    stream.kinesis.land()
    assert stream.datas == datas(numbered(500))


# --- faults that nothing mends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", HOPELESS_FAULTS, ids=lambda fault: fault.name)
def test_a_hopeless_fault_is_not_tried_again(fault: Fault) -> None:
    stream = Stream(fault)
    assert positions(stream.write(numbered(3))) == [0, 1, 2]
    assert len(stream.requests) == 1
    assert stream.time.slept == []


def test_nothing_is_sent_beyond_the_wave_in_which_a_failure_struck() -> None:
    """What was rejected in that wave is not sent again either: the batch stops here."""
    stream = Stream(None, rejecting(0), DENIED)
    written = stream.write(numbered(3_000))
    assert [request[0] for request in stream.requests] == [b"0", b"500", b"1000", b"1500"]
    assert positions(written) == [500, *range(1_000, 1_500), *range(2_000, 3_000)]
    assert written.unwritten[0].reason == "ProvisionedThroughputExceededException"
    assert written.unwritten[1].reason == ("PutRecords was answered with AccessDeniedException (HTTP status 400)")
    assert written.unwritten[-1].reason == UNTRIED


def test_a_stream_that_is_gone_is_hopeless_and_one_that_is_back_is_used() -> None:
    stream = Stream()
    stream.kinesis.delete_stream(StreamName="ride_predictions")
    assert positions(stream.write(numbered(1))) == [0]
    stream.kinesis.create_stream(StreamName="ride_predictions")
    assert stream.write(numbered(1)) == Written([], 0)


def test_an_unknown_error_is_unwritten_and_never_an_exception() -> None:
    stream = Stream(Fault("BUG", lambda _operation: TypeError("secret payload")))
    assert stream.write(numbered(1)) == Written([Unwritten(0, "TypeError")], 0)


def test_an_error_without_metadata_is_hopeless() -> None:
    """Botocore makes some itself."""
    error = client_error("Odd", 500)("PutRecords")
    del error.response["ResponseMetadata"]
    stream = Stream(Fault("ODD", lambda _operation: error))
    assert positions(stream.write(numbered(1))) == [0]
    assert len(stream.requests) == 1


# --- entries that the service refuses -------------------------------------------------------------------------------

WIDE = "\N{TAXI}" * 200  # as many characters as Kinesis takes, and more UTF-16 units than the fake does
REFUSED = "PutRecords was answered with ValidationException (HTTP status 400)"


def with_refused(count: int, *refused: int) -> list[Entry]:
    return [Entry(WIDE if at in refused else f"k{at}", str(at).encode()) for at in range(count)]


@pytest.mark.parametrize("refused", [(0,), (4,), (9,), (0, 9), (3, 4), (2, 5, 8), tuple(range(10))])
def test_a_refused_request_is_halved_until_the_entries_at_fault_stand_alone(refused: tuple[int, ...]) -> None:
    stream = Stream()
    written = stream.write(with_refused(10, *refused))
    assert written.unwritten == [Unwritten(at, REFUSED, refused=True) for at in refused]
    assert stream.datas == [str(at).encode() for at in range(10) if at not in refused]


def test_halving_a_request_of_500_takes_18_more_requests() -> None:
    """Two for each time that 500 can be halved."""
    stream = Stream()
    stream.write(with_refused(500, 77))
    assert len(stream.requests) <= 1 + 2 * 9


def test_the_other_requests_of_the_wave_are_written_and_nothing_behind_it() -> None:
    """The refused entry must be a dead letter before more is published."""
    stream = Stream(in_flight=2)
    written = stream.write(with_refused(1_500, 3))
    assert written.unwritten == [
        Unwritten(3, REFUSED, refused=True),
        *(Unwritten(at, UNTRIED) for at in range(1_000, 1_500)),
    ]
    assert all(unwritten.untried for unwritten in written.unwritten[1:])


def test_the_halves_of_a_request_keep_the_order_of_their_keys() -> None:
    entries = [Entry("k", b"0"), Entry("k", b"1"), Entry(WIDE, b"2"), Entry("k", b"3"), Entry("k", b"4")]
    stream = Stream(None, THROTTLED, THROTTLED)
    assert positions(stream.write(entries)) == [2]
    assert stream.datas == [b"0", b"1", b"3", b"4"]


def test_when_a_half_fails_the_other_is_not_sent() -> None:
    stream = Stream(None, DENIED)
    written = stream.write(with_refused(4, 3))
    assert [(one.position, one.refused, one.untried) for one in written.unwritten] == [
        (0, False, False),
        (1, False, False),
        (2, False, True),
        (3, False, True),
    ]
    assert len(stream.requests) == 2


def test_an_entry_is_at_fault_only_if_the_service_blames_it_or_takes_another() -> None:
    """What all entries share is the deployment's fault: a stream that takes none must not make dead letters of all."""
    vague = Fault("VAGUE", client_error("InvalidArgumentException", 400))
    stream = Stream(*[vague] * 5)
    assert {one.refused for one in stream.write(numbered(2)).unwritten} == {False}
    stream = Stream(None, vague)
    stream.write(numbered(1))
    assert [one.refused for one in stream.write(numbered(1)).unwritten] == [True]


def test_a_request_that_is_too_large_for_a_proxy_is_halved() -> None:
    stream = Stream(Fault("PROXY", client_error("413", 413)))
    assert stream.write(numbered(4)) == Written([], 4)
    assert [len(request) for request in stream.requests] == [4, 2, 2]


def test_isolating_takes_half_of_the_time_at_most() -> None:
    """What is found out by then is acted on, and the rest comes again."""
    refusing = Fault("SLOW", client_error("ValidationException", 400, "Value at 'records.1.member'"), took=1.0)
    stream = Stream(*[refusing] * 99)
    written = stream.write(numbered(100), seconds=20.0)
    assert stream.time.now == 1_010.0
    assert [one.refused for one in written.unwritten].count(True) > 0
    assert written.unwritten[0].refused
    assert not written.unwritten[-1].refused


# --- properties -------------------------------------------------------------------------------------------------------

FAULTS = st.sampled_from([None, *TRANSIENT_FAULTS, *ENTRY_FAULTS, *HOPELESS_FAULTS, HANG, HANG_AFTER, slow(1.0)])
WHOLE_CALL_FAULTS = st.sampled_from([None, *TRANSIENT_FAULTS, NOT_FOUND, HANG, HANG_AFTER])
ENTRIES = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1, 300_000, MIB - 2])), max_size=30).map(
    lambda drawn: [Entry(f"k{key}", b"%d" % at + b"x" * (size - 2)) for at, (key, size) in enumerate(drawn)]
)
SETTINGS = {"in_flight": st.integers(1, 4), "seconds": st.sampled_from([0.3, 3.0, 30.0])}


@given(entries=ENTRIES, faults=st.lists(FAULTS, max_size=8), **SETTINGS)
def test_what_is_not_listed_as_unwritten_is_on_the_stream(
    entries: list[Entry], faults: list[Fault | None], in_flight: int, seconds: float
) -> None:
    stream = Stream(*faults, in_flight=in_flight)
    written = stream.write(entries, seconds)
    listed = positions(written)
    assert listed == sorted(set(listed))
    assert set(stream.datas) >= {entry.data for at, entry in enumerate(entries) if at not in listed}
    assert set(stream.datas) <= set(datas(entries))
    assert stream.time.now <= 1_000.0 + seconds


@given(entries=ENTRIES, faults=st.lists(FAULTS, max_size=8), **SETTINGS)
def test_every_request_is_within_the_limits_and_sends_nothing_acknowledged_again(
    entries: list[Entry], faults: list[Fault | None], in_flight: int, seconds: float
) -> None:
    stream = Stream(*faults, in_flight=in_flight)
    written = stream.write(entries, seconds)
    sent = sum(len(request.entries) for request in stream.kinesis.requests)
    assert sent == len(set(itertools.chain(*stream.requests))) + written.resent
    for request in stream.kinesis.requests:
        assert 1 <= len(request.entries) <= 500
        assert sum(len(entry.data) + len(entry.partition_key) for entry in request.entries) <= 5 * MIB


@given(entries=ENTRIES, faults=st.lists(WHOLE_CALL_FAULTS, max_size=8), **SETTINGS)
def test_entries_of_one_key_stay_in_order_across_requests(
    entries: list[Entry], faults: list[Fault | None], in_flight: int, seconds: float
) -> None:
    """After keeping the first of each entry. Within one request Kinesis promises none for single rejected entries."""
    stream = Stream(*faults, in_flight=in_flight)
    stream.write(entries, seconds)
    expected, actual = defaultdict(list), defaultdict(list)
    for entry in entries:
        expected[entry.partition_key].append(entry.data)
    for entry in dict.fromkeys(stream.kinesis.records):
        actual[entry.partition_key].append(entry.data)
    for key, seen in actual.items():
        assert seen == expected[key][: len(seen)]


@given(entries=ENTRIES, faults=st.lists(FAULTS, max_size=8), **SETTINGS)
def test_what_was_sent_beyond_the_first_unwritten_entry_was_in_flight_with_it(
    entries: list[Entry], faults: list[Fault | None], in_flight: int, seconds: float
) -> None:
    """So the duplicates of a redelivery are bounded: at most so many requests."""
    stream = Stream(*faults, in_flight=in_flight)
    written = stream.write(entries, seconds)
    if not written.unwritten:
        return
    beyond = set(datas(entries[written.unwritten[0].position :]))
    seen: set[bytes] = set()
    first_tries = 0
    for request in stream.requests:
        first_tries += not seen.issuperset(request) and not beyond.isdisjoint(request)
        seen.update(request)
    assert first_tries <= in_flight
