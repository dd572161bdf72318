"""The output topic: what is on it, what comes back as unwritten and why, in simulated time."""

from collections import defaultdict
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.kafka.connection import Connection
from stream_consumer.kafka.producer import TopicProducer
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.sinks import Entry, Unwritten, Written
from tests.fakes import FakeTime
from tests.kafka.fakes import (
    CONNECTION,
    DENIED,
    FATAL,
    FAULTS,
    HANG,
    HANG_AFTER,
    HANG_THEN_LATER,
    LOST,
    NOT_LEADER,
    FakeTopic,
    Fault,
    refusing,
)

LATE = "the deadline came before an answer"
UNTRIED = "not sent after a failure"
INVALID = "the topic was answered with INVALID_RECORD"


class Output:
    """An output topic on fakes, and what to ask of it."""

    def __init__(self, *faults: Fault | None, partitions: int = 1, forbidden: bytes = b"poison") -> None:
        self.time = FakeTime()
        self.topic = FakeTopic(self.time, faults, partitions, [forbidden])
        self.sink = PredictionTopic(CONNECTION, "ride_predictions", connect=self.topic.connect, clock=self.time.clock)

    def write(self, entries: list[Entry], seconds: float = 60.0) -> Written:
        return self.sink.write(entries, self.time.clock() + seconds)

    @property
    def datas(self) -> list[bytes]:
        return [entry.data for entry in self.topic.records]


def entries(*datas: str, key: str = "k") -> list[Entry]:
    return [Entry(key, data.encode()) for data in datas]


def test_entries_are_written_in_order_with_key_and_event_id() -> None:
    output = Output()
    wanted = [Entry("7", b"a", "rides-0:1"), Entry("\N{TAXI}", b"b", None), Entry("7", b"c", "rides-0:2")]
    assert output.write(wanted) == Written()
    assert output.topic.records == wanted


def test_nothing_to_write_is_written() -> None:
    output = Output()
    assert output.write([]) == Written()
    assert output.topic.log == []


@pytest.mark.parametrize("fault", [NOT_LEADER, LOST])
def test_what_fails_on_the_way_is_written_once(fault: Fault) -> None:
    output = Output(fault, fault)
    assert output.write(entries("a", "b")) == Written()
    assert output.datas == [b"a", b"b"]


def test_what_is_not_acknowledged_by_the_deadline_comes_back() -> None:
    output = Output(HANG)
    assert output.write(entries("a", "b"), 5.0) == Written([Unwritten(0, LATE), Unwritten(1, LATE)])
    assert output.datas == []
    assert output.time.now == pytest.approx(1_005.0)


def test_a_write_behind_a_missed_deadline_has_a_new_producer() -> None:
    """What the old one had in flight may still be written: it must not be counted to the new write."""
    output = Output(HANG_THEN_LATER)
    output.write(entries("a"), 5.0)
    assert output.write(entries("b"), 5.0) == Written()
    output.topic.land()
    assert output.datas == [b"b", b"a"]
    assert output.topic.producers == 2


def test_the_producer_is_kept_while_all_is_well() -> None:
    output = Output(NOT_LEADER)
    for _ in range(3):
        output.write(entries("a"))
    assert output.topic.producers == 1


def test_after_a_close_the_next_write_connects_anew() -> None:
    """Nothing of a connection may come out of a SnapStart snapshot."""
    output = Output()
    output.write(entries("a"))
    output.sink.close()
    assert output.write(entries("b")) == Written()
    assert output.topic.producers == 2


def test_no_write_begins_at_or_after_the_deadline() -> None:
    output = Output()
    assert output.write(entries("a"), 0.0) == Written([Unwritten(0, LATE)])
    assert output.topic.producers == 0


def test_only_what_a_partition_refuses_comes_back() -> None:
    output = Output(DENIED, partitions=2)
    keys = [next(str(n) for n in range(99) if output.topic.partition(Entry(str(n), b"")) == at) for at in (0, 1)]
    wanted = [Entry(keys[0], b"a"), Entry(keys[1], b"b"), Entry(keys[0], b"c")]
    reason = "the topic was answered with TOPIC_AUTHORIZATION_FAILED"
    assert output.write(wanted) == Written([Unwritten(0, reason), Unwritten(2, reason)])
    assert output.datas == [b"b"]


def test_a_producer_of_no_more_use_is_replaced() -> None:
    """It tells of some entries no more; those count as not written."""
    output = Output(FATAL)
    reason = "the producer failed before an answer; the last error is INVALID_PRODUCER_EPOCH"
    assert output.write(entries("a", "b")) == Written([Unwritten(0, reason), Unwritten(1, reason)])
    assert output.write(entries("a")) == Written()
    assert output.topic.producers == 2


def test_nothing_is_sent_behind_an_entry_that_is_too_large() -> None:
    """Its dead letter must be written first."""
    output = Output()
    output.topic.largest = 3
    found = output.write(entries("a", "toolong", "b", "c"))
    too_large = Unwritten(1, "the topic was answered with MSG_SIZE_TOO_LARGE", refused=True)
    assert found == Written([too_large, Unwritten(2, UNTRIED), Unwritten(3, UNTRIED)])
    assert output.datas == [b"a"]


def test_the_entries_at_fault_for_a_refused_request_are_found() -> None:
    """The broker refuses the whole request; what is sound of it is written alone."""
    output = Output()
    found = output.write(entries("a", "poison", "b", "poison too"))
    assert found == Written([Unwritten(1, INVALID, refused=True), Unwritten(3, INVALID, refused=True)], resent=4)
    assert output.datas == [b"a", b"b"]


@pytest.mark.parametrize(("count", "refused"), [(1, {True}), (99, {True}), (100, {False})])
def test_a_fault_that_many_entries_share_is_not_theirs(count: int, refused: set[bool]) -> None:
    """Until the topic has taken one. Fewer must become dead letters, lest they block their partition for ever."""
    output = Output(forbidden=b"")
    assert {one.refused for one in output.write(entries(*"a" * count)).unwritten} == refused


def test_once_the_topic_has_taken_an_entry_any_number_may_be_at_fault() -> None:
    output = Output()
    assert output.write(entries("a")) == Written()
    assert {one.refused for one in output.write(entries(*["poison"] * 100)).unwritten} == {True}


def test_isolating_takes_half_of_the_time_at_most() -> None:
    """What is found to be at fault must still become a dead letter."""
    output = Output(None, HANG)
    found = output.write(entries("a", "poison", "b"), 10.0)
    assert found.unwritten == [Unwritten(0, LATE), Unwritten(1, INVALID), Unwritten(2, INVALID)]
    assert output.time.now == pytest.approx(1_005.0)


def test_a_failure_on_the_way_is_no_time_to_isolate() -> None:
    output = Output(refusing(KafkaError.INVALID_RECORD), DENIED, partitions=2)
    wanted = [Entry(str(n), b"a") for n in range(9)]
    assert {one.refused for one in output.write(wanted).unwritten} == {False}
    assert len(output.topic.faults_met) == 2


def test_a_full_queue_is_waited_for() -> None:
    output = Output()
    output.topic.queue = 2
    assert output.write(entries("a", "b", "c", "d", "e")) == Written()
    assert output.datas == [b"a", b"b", b"c", b"d", b"e"]


def test_a_full_queue_is_waited_for_until_the_deadline_only() -> None:
    output = Output(HANG, HANG, HANG, *[HANG_AFTER] * 500)
    output.topic.queue = 2
    found = output.write(entries("a", "b", "c", "d"), 3.0)
    assert found.unwritten == [Unwritten(0, LATE), Unwritten(1, LATE), Unwritten(2, UNTRIED), Unwritten(3, UNTRIED)]
    assert output.time.now == pytest.approx(1_003.0, abs=0.2)


def test_nothing_is_sent_behind_what_failed_while_the_queue_was_full() -> None:
    output = Output(DENIED)
    output.topic.queue = 2
    reason = "the topic was answered with TOPIC_AUTHORIZATION_FAILED"
    found = output.write(entries("a", "b", "c"))
    assert found.unwritten == [Unwritten(0, reason), Unwritten(1, reason), Unwritten(2, UNTRIED)]
    assert output.datas == []


def test_no_reason_has_the_words_of_the_broker() -> None:
    """They may quote a record, and reasons are logged."""
    output = Output(refusing(KafkaError.POLICY_VIOLATION))
    [unwritten] = output.write(entries("secret")).unwritten
    assert unwritten.reason == "the topic was answered with POLICY_VIOLATION"


faults = st.lists(st.sampled_from((None, None, *FAULTS)), max_size=12)
batches = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["sound", "poison", "x" * 50])), min_size=1, max_size=12
)


@given(faults=faults, batch=batches, queue=st.sampled_from([2, 100]), partitions=st.integers(1, 3))
def test_what_is_not_listed_is_written_and_each_write_ends_by_its_deadline(
    faults: list[Fault | None], batch: list[tuple[str, str]], queue: int, partitions: int
) -> None:
    """Whatever the requests meet. And as long as nothing is refused, the order of each key holds."""
    output = Output(*faults, partitions=partitions)
    output.topic.queue, output.topic.largest = queue, 40
    output.sink.write([Entry("a", b"warm")], output.time.clock() + 1_000)
    output.topic.log.clear()
    wanted = [Entry(key, f"{at} {data}".encode()) for at, (key, data) in enumerate(batch)]
    found = output.write(wanted, 7.0)
    assert output.time.now <= 1_000 + 1_000 + 7.2
    listed = {one.position for one in found.unwritten}
    assert [one.position for one in found.unwritten] == sorted(listed)
    assert [entry for at, entry in enumerate(wanted) if at not in listed and entry not in output.topic.records] == []
    assert len(output.topic.records) == len(set(map(bytes, output.datas)))
    assert all(b"sound" not in wanted[one.position].data for one in found.unwritten if one.refused)
    if not any(b"poison" in entry.data for entry in wanted):
        assert all(
            positions == sorted(positions) for positions in _positions_by_key(wanted, output.topic.records).values()
        )


def _positions_by_key(wanted: list[Entry], written: list[Entry]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for entry in written:
        found[entry.partition_key].append(wanted.index(entry))
    return found


def test_a_write_without_a_client_comes_back_whole_and_the_next_one_makes_a_client() -> None:
    """With IAM a client needs a token, and the role's credentials may be out of reach for a while."""
    time, tokens = FakeTime(), iter([False, True])
    topic = FakeTopic(time, [], 1, [])

    def connect(connection: Connection, on_error: Callable[[KafkaError], None]) -> TopicProducer:
        if next(tokens):
            return topic.connect(connection, on_error)
        refusal = KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "OAuth token not set within 10 seconds timeout")
        raise SystemError("the call back returned a result with an exception set") from KafkaException(refusal)

    sink = PredictionTopic(CONNECTION, "ride_predictions", connect=connect, clock=time.clock)
    entries = [Entry("1", b"a"), Entry("2", b"b")]
    unwritten = sink.write(entries, time.now + 10).unwritten
    assert [one.position for one in unwritten] == [0, 1]
    assert not any(one.refused for one in unwritten)
    assert "OAuth token not set within 10 seconds timeout; look at" in unwritten[0].reason
    assert sink.write(entries, time.now + 10).unwritten == []
    assert topic.records == entries
