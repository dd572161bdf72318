"""What a member does with its partitions, without faults of the group."""

from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import KafkaError

from stream_consumer.consumer import BatchResult
from stream_consumer.contract.record import KafkaOrigin, Record
from stream_consumer.errors import ModelError, TopicUnusable
from stream_consumer.group.loop import Drain
from stream_consumer.group.member import Member, Pace
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.group.work import Work, WorkThread
from tests.fakes import FakeTime
from tests.group.fakes import CommitFault, FakeClient, FakeGroup, FakeMessage
from tests.group.simulation import Heard

A, B = PartitionKey("rides", 0), PartitionKey("rides", 1)


class Scripted:
    """A consumer that settles all but what it is told not to."""

    def __init__(self, *stuck: str) -> None:
        self.stuck = set(stuck)
        self.fails_with: Exception | None = None
        self.batches: list[list[str | None]] = []

    def process(self, records: Sequence[Record], deadline: float) -> BatchResult:
        assert deadline > 0
        self.batches.append([record.event_id for record in records])
        if self.fails_with:
            raise self.fails_with
        result = BatchResult(records)
        for at, record in enumerate(records):
            if record.event_id in self.stuck:
                result.stop_at(at, "it is stuck")
        return result


class Done:
    """Work that is done at once."""

    def __init__(self, call: Callable[[], BatchResult]) -> None:
        self._call = call

    def wait(self, seconds: float) -> bool:
        return seconds >= 0

    def result(self) -> BatchResult:
        return self._call()


class Scene:
    """One member of a group with two partitions of three records."""

    def __init__(self, *stuck: str, batch_size: int = 100, window: float = 0.0) -> None:
        self.time = FakeTime()
        self.consumer, self.heard = Scripted(*stuck), Heard()
        log = {key: [FakeMessage(KafkaOrigin(*key, at), b"{}") for at in range(3)] for key in (A, B)}
        self.group = FakeGroup(self.time, log)
        pace = Pace(batch_size=batch_size, window_seconds=window)
        self.is_asked = False
        self.member = Member(
            self.consumer,
            "localhost:9092",
            pace,
            self.heard,
            start=self.start,
            is_asked=lambda: self.is_asked,
            clock=self.time.clock,
            uniform=max,
        )
        self.client = FakeClient(self.group, self.member)
        self.member.joins(self.client)
        self.group.join(self.client)

    @staticmethod
    def start(call: Callable[[], BatchResult]) -> Work:
        return Done(call)


@pytest.mark.parametrize(("timeout", "window", "silence"), [(60.0, 5.0, 300.0), (900.0, 30.0, 930.0)])
def test_the_group_bears_the_silence_of_a_member_at_its_longest_batch(
    timeout: float, window: float, silence: float
) -> None:
    """Else a rebalance that waits for the batch would put the member out, and the batch would come twice."""
    assert Pace(timeout_seconds=timeout, window_seconds=window).silence_seconds == silence


def test_one_batch_is_of_all_partitions_and_each_is_committed_behind_its_last_record() -> None:
    scene = Scene()
    assert scene.member.step() == 6
    assert scene.consumer.batches == [["rides-0:0", "rides-0:1", "rides-0:2", "rides-1:0", "rides-1:1", "rides-1:2"]]
    assert scene.group.committed == {A: 3, B: 3}


def test_a_partition_that_is_stuck_goes_back_after_waits_that_grow_and_holds_up_no_other() -> None:
    scene = Scene("rides-0:1")
    scene.member.step()
    assert scene.group.committed == {A: 1, B: 3}
    scene.group.log[B].append(FakeMessage(KafkaOrigin(*B, 3), b"{}"))
    assert scene.member.step() == 1
    assert scene.group.committed == {A: 1, B: 4}
    waits: list[float] = []
    while len(waits) < 3:
        before, tries = scene.time.now, len(scene.consumer.batches)
        while len(scene.consumer.batches) == tries:
            scene.member.step()
        assert scene.consumer.batches[-1] == ["rides-0:1", "rides-0:2"]
        waits.append(scene.time.now - before)
    assert waits == [1.0, 2.0, 4.0]
    scene.consumer.stuck.clear()
    while scene.group.committed[A] != 3:
        scene.member.step()


@pytest.mark.parametrize("change", ["revoked", "lost"])
def test_a_stuck_partition_that_is_given_away_and_comes_back_is_read_again(change: str) -> None:
    """A pause outlives the assignment. Source: seen with librdkafka 2.16.0; test_group_real.py has it."""
    scene = Scene("rides-0:1")
    scene.member.step()
    scene.client.told += [(change, A), ("assigned", A)]
    scene.consumer.stuck.clear()
    scene.member.step()
    scene.member.step()
    assert scene.group.committed == {A: 3, B: 3}


def test_a_batch_of_which_the_model_is_at_fault_comes_again_whole() -> None:
    scene = Scene()
    scene.consumer.fails_with = ModelError("the model fails on its own example")
    scene.member.step()
    assert scene.group.committed == {}
    assert scene.heard.failures == [(scene.consumer.fails_with, 6)]
    scene.consumer.fails_with = None
    while scene.group.committed != {A: 3, B: 3}:
        scene.member.step()
    assert scene.consumer.batches[1] == scene.consumer.batches[0]


def test_any_other_error_of_a_batch_ends_the_member_and_commits_nothing() -> None:
    scene = Scene()
    scene.consumer.fails_with = ZeroDivisionError("a mistake of ours")
    with pytest.raises(ZeroDivisionError):
        scene.member.step()
    scene.client.close()
    assert scene.group.committed == {}


def test_a_batch_has_no_more_records_than_it_may_and_is_gathered_for_the_window() -> None:
    scene = Scene(batch_size=4)
    assert [scene.member.step() for _ in range(3)] == [4, 2, 0]
    waiting = Scene(window=3.0)
    began = waiting.time.now
    waiting.member.step()
    assert waiting.time.now - began >= 3.0


def test_a_member_that_is_asked_to_stop_settles_what_it_has_gathered_and_waits_for_no_more() -> None:
    scene = Scene(window=300.0)
    scene.is_asked = True
    began = scene.time.now
    assert scene.member.step() == 6
    assert scene.time.now - began < 1
    assert scene.group.committed == {A: 3, B: 3}


def test_what_is_settled_is_committed_when_the_client_is_closed() -> None:
    scene = Scene()
    scene.group.commit_faults = iter([CommitFault.REFUSED])
    scene.member.step()
    assert scene.group.committed == {}
    scene.client.close()
    assert scene.group.committed == {A: 3, B: 3}


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_refusal_ends_the_member_and_another_error_does_not(code: int) -> None:
    scene = Scene()
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Subscribed topic not available: rides")
    scene.group.log[A].insert(0, FakeMessage(KafkaOrigin(*A, 0), failure=gone))
    scene.member.step()
    assert scene.heard.warnings == [
        ("poll failed", {"error": "UNKNOWN_TOPIC_OR_PART: Subscribed topic not available: rides"})
    ]
    scene.group.log[A].append(FakeMessage(KafkaOrigin(*A, 3), failure=KafkaError(code)))
    with pytest.raises(TopicUnusable, match="allow the client to read from the topic and to join the group"):
        scene.member.step()


def test_a_drain_is_over_when_the_group_has_settled_what_was_there() -> None:
    """Of its own partitions the member knows; of the others the group is asked, once a second."""
    scene = Scene("rides-0:1")
    other = PartitionKey("rides", 2)
    committed = {other: 4}
    drain = Drain({A: 3, B: 3, other: 5}, lambda _keys: committed, lambda _key: 3, clock=scene.time.clock)
    assert not drain.is_over(scene.member)
    scene.member.step()
    assert not drain.is_over(scene.member)
    scene.consumer.stuck.clear()
    while not scene.member.is_idle or scene.group.committed != {A: 3, B: 3}:
        scene.member.step()
    assert not drain.is_over(scene.member)
    committed[other] = 5
    scene.time.now += 1
    assert drain.is_over(scene.member)


def test_a_drain_ends_with_an_error_when_its_topic_was_deleted() -> None:
    """A broker may learn late of a topic, so a partition must be missing twice, and only one with records left."""
    scene, gone = Scene(), PartitionKey("trips", 0)
    there = [A, B]
    drain = Drain({A: 3, gone: 5}, lambda _keys: {}, lambda _key: 3, there=lambda: there, clock=scene.time.clock)
    assert not drain.is_over(scene.member)
    there.append(gone)
    scene.time.now += 1
    assert not drain.is_over(scene.member), "it is there again"
    there.remove(gone)
    scene.time.now += 1
    assert not drain.is_over(scene.member)
    assert not drain.is_over(scene.member), "the cluster is asked once a second"
    scene.time.now += 1
    with pytest.raises(TopicUnusable, match=r"^trips: the topic was deleted before all its records were consumed"):
        drain.is_over(scene.member)


def test_a_topic_that_is_deleted_behind_its_last_record_is_no_error() -> None:
    scene = Scene()
    drain = Drain({A: 3}, lambda _keys: {}, lambda _key: 3, there=list, clock=scene.time.clock)
    assert not drain.is_over(scene.member)
    scene.member.step()
    while not scene.member.is_idle:
        scene.member.step()
    scene.time.now += 1
    assert drain.is_over(scene.member)


def test_a_drain_goes_on_while_the_group_does_not_answer() -> None:
    scene = Scene()

    def silent(_keys: list[PartitionKey]) -> dict[PartitionKey, int]:
        raise TopicUnusable("the cluster does not answer what the group has committed")

    assert not Drain({PartitionKey("rides", 2): 5}, silent, lambda _key: 5, clock=scene.time.clock).is_over(
        scene.member
    )


def test_a_drain_looks_at_the_end_once_more_since_a_broker_may_have_told_too_little() -> None:
    scene = Scene(batch_size=1)
    drain = Drain({A: 1}, lambda _keys: {}, lambda key: len(scene.group.log[key]), clock=scene.time.clock)
    while not drain.is_over(scene.member):
        scene.member.step()
    assert scene.group.committed[A] == 3


def test_markers_of_transactions_at_the_end_are_no_records_to_wait_for() -> None:
    scene = Scene()
    drain = Drain({A: 3, B: 3}, lambda _keys: {}, lambda _key: 3, clock=scene.time.clock)
    end = FakeMessage(KafkaOrigin(*A, 3), failure=KafkaError(KafkaError._PARTITION_EOF))  # noqa: SLF001 (its name)
    scene.group.log[A][1:] = [end]
    scene.member.step()
    assert drain.is_over(scene.member)


def test_the_thread_of_a_batch_gives_what_it_returns_and_raises_what_it_raises() -> None:
    threads, result = WorkThread(), BatchResult([])

    def fail() -> BatchResult:
        raise ModelError("no")

    for _ in range(2):
        work = threads.start(lambda: result)
        assert work.wait(20)
        assert work.result() is result
    work = threads.start(fail)
    assert work.wait(20)
    with pytest.raises(ModelError, match="no"):
        work.result()
