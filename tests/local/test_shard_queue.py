"""Batches as they are gathered and dealt to lanes, and the properties of delivery under any finite faults."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.delivery_rules import Batch, Discarded, Work
from stream_consumer.local.mapping.lambda_records import PAYLOAD_LIMIT, StreamRecord, render_event
from stream_consumer.local.mapping.shard_queue import Lane, ShardQueue
from stream_consumer.local.runtime.functions import Invocation
from tests.local.fakes import START, fail, report, respond, stream_records, succeed, throttle


def queue_of(**config: object) -> ShardQueue:
    return ShardQueue(MappingConfig(stream_name="rides", **config), Pace())  # type: ignore[arg-type]


def numbers(work: Work) -> list[int]:
    batch = work.batch if isinstance(work, Discarded) else work
    return [int(record.sequence_number) for record in batch.records]


def taken(queue: ShardQueue, now: float = START) -> list[list[int]]:
    return [numbers(work) for _, work in queue.take(now)]


def test_without_a_window_what_was_read_is_delivered_at_once() -> None:
    queue = queue_of(batch_size=100)
    queue.add(stream_records([1, 2]), START)

    assert queue.wait(START) == 0.0
    assert taken(queue) == [[1, 2]]


def test_a_batch_has_at_most_batch_size_records() -> None:
    queue = queue_of(batch_size=2)
    queue.add(stream_records([1, 2, 3]), START)

    assert taken(queue) == [[1, 2]]


def test_one_batch_at_a_time() -> None:
    """Without a parallelization factor the next batch waits for the first to be settled."""
    queue = queue_of(batch_size=2)
    queue.add(stream_records([1, 2, 3]), START)
    [(lane, batch)] = queue.take(START)
    assert isinstance(batch, Batch)

    assert queue.take(START) == []
    assert queue.wait(START) is None
    queue.invoked(lane, batch, succeed(()), START)
    assert taken(queue) == [[3]]


def test_a_window_gathers_records_from_the_first_one_on() -> None:
    """The window begins with the first record of the batch and is not prolonged by later ones."""
    queue = queue_of(maximum_batching_window_in_seconds=10)
    queue.add(stream_records([1]), START)
    queue.add(stream_records([2]), START + 6)

    assert taken(queue, START + 9.9) == []
    assert queue.wait(START + 6) == 4.0
    assert taken(queue, START + 10) == [[1, 2]]


def test_a_full_batch_ends_the_window() -> None:
    queue = queue_of(maximum_batching_window_in_seconds=10, batch_size=2)
    queue.add(stream_records([1]), START)
    queue.add(stream_records([2]), START + 1)

    assert taken(queue, START + 1) == [[1, 2]]


def heavy(number: int, size: int) -> StreamRecord:
    return StreamRecord(str(number), "key", START, b"x" * size)


def test_six_megabytes_end_the_window_and_the_batch() -> None:
    """A batch's event has at most 6 MB, whatever the batch size and the window."""
    queue = queue_of(maximum_batching_window_in_seconds=10, batch_size=10_000)
    queue.add([heavy(number, PAYLOAD_LIMIT // 3) for number in (1, 2, 3)], START)

    [(_, batch)] = queue.take(START)

    assert numbers(batch) == [1, 2]
    assert isinstance(batch, Batch)
    assert len(render_event(batch.records)) <= PAYLOAD_LIMIT


def test_an_event_of_exactly_six_megabytes_is_one_batch() -> None:
    overhead = len(b'{"Records":[,]}')
    half, rest = divmod(PAYLOAD_LIMIT - overhead, 2)
    queue = queue_of(batch_size=10_000)
    queue.add([heavy(1, half), heavy(2, half + rest)], START)
    larger = queue_of(batch_size=10_000)
    larger.add([heavy(1, half), heavy(2, half + rest + 1)], START)

    assert taken(queue) == [[1, 2]]
    assert taken(larger) == [[1]]


def test_a_record_that_is_too_large_alone_is_a_batch_of_its_own() -> None:
    queue = queue_of(batch_size=10_000)
    queue.add([heavy(1, 10), heavy(2, PAYLOAD_LIMIT), heavy(3, 10)], START)

    assert taken(queue) == [[1]]


def test_the_queue_is_full_when_every_lane_has_its_next_batch() -> None:
    queue = queue_of(batch_size=2, parallelization_factor=3)
    queue.add(stream_records(range(1, 6)), START)
    assert not queue.full
    queue.add(stream_records([6]), START)
    assert queue.full


def test_the_queue_is_full_by_weight() -> None:
    queue = queue_of(batch_size=10_000)
    queue.add([heavy(1, PAYLOAD_LIMIT)], START)
    assert queue.full
    queue.take(START)
    assert not queue.full


def test_reading_stops_far_beyond_a_stuck_lane() -> None:
    """Lanes run ahead of a stuck one only so far: everything behind it comes again after a restart."""
    queue = queue_of(batch_size=10_000, parallelization_factor=10)
    queue.add(stream_records([0], key="a"), START)
    queue.take(START)
    for begin in range(1, 100_000, 10_000):
        assert not queue.full
        queue.add(stream_records(range(begin, begin + 10_000), key="b"), START)
        [(lane, work)] = queue.take(START)
        settle(queue, lane, work)
        assert queue.checkpoint() is None

    assert queue.full


def test_keys_run_beside_each_other_and_each_in_order() -> None:
    """With a parallelization factor a key always goes to the same lane, and a lane has one batch at a time."""
    queue = queue_of(batch_size=1, parallelization_factor=10)
    queue.add([*stream_records([1, 3], key="a"), *stream_records([2, 4], key="b")], START)

    assert sorted(taken(queue)) == [[1], [2]]


def test_the_checkpoint_waits_for_the_slowest_lane() -> None:
    """What other lanes settled beyond the first unsettled record is not checkpointed: it would come again."""
    queue = queue_of(batch_size=1, parallelization_factor=10)
    queue.add([*stream_records([1], key="a"), *stream_records([2, 3], key="b")], START)
    slow, quick = sorted(queue.take(START), key=lambda one: numbers(one[1]))

    settle(queue, *quick)
    assert queue.checkpoint() is None
    settle(queue, *slow)
    assert queue.checkpoint() == (2, "2")
    assert queue.checkpoint() is None


def test_a_destination_that_refuses_keeps_the_lane_where_it_is() -> None:
    """Records whose document was not written are neither settled nor passed; the same document comes again, later."""
    queue = queue_of(maximum_retry_attempts=0, batch_size=1)
    queue.add(stream_records([1, 2]), START)
    [(lane, batch)] = queue.take(START)
    assert isinstance(batch, Batch)
    queue.invoked(lane, batch, fail(), START)
    [(lane, discarded)] = queue.take(START)
    assert isinstance(discarded, Discarded)

    assert queue.postpone(lane, START) == 1.0
    assert queue.checkpoint() is None
    assert queue.take(START + 0.9) == []
    [(lane, again)] = queue.take(START + 1)
    assert again == discarded
    assert queue.postpone(lane, START + 1) == 2.0
    queue.take(START + 3)
    queue.delivered(lane, discarded)
    assert queue.checkpoint() == (1, "1")
    assert taken(queue, START + 3) == [[2]]


def settle(queue: ShardQueue, lane: Lane, work: Work) -> None:
    assert isinstance(work, Batch)
    queue.invoked(lane, work, succeed(()), START)


# Properties


@dataclass(frozen=True)
class Plan:
    config: MappingConfig
    keys: tuple[str, ...]
    poison: frozenset[int]
    faults: tuple[str, ...]
    """What the first invocations do, in order; afterwards only poison fails."""


@st.composite
def plans(draw: st.DrawFn, *, retries: st.SearchStrategy[int], poison: bool) -> Plan:
    keys = tuple(draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=20)))
    places = st.integers(1, len(keys))
    return Plan(
        config=MappingConfig(
            stream_name="rides",
            batch_size=draw(st.integers(1, 8)),
            parallelization_factor=draw(st.integers(1, 4)),
            maximum_retry_attempts=draw(retries),
            bisect_batch_on_function_error=draw(st.booleans()),
            report_batch_item_failures=draw(st.booleans()),
        ),
        keys=keys,
        poison=frozenset(draw(st.sets(places, max_size=3))) if poison else frozenset(),
        faults=tuple(draw(st.lists(st.sampled_from(["error", "throttle", "partial", "nonsense"]), max_size=12))),
    )


@dataclass
class World:
    """Delivers a plan's records, with the outcomes of concurrent batches in an order that *data* chooses."""

    plan: Plan
    data: st.DataObject

    def __post_init__(self) -> None:
        self.queue = ShardQueue(self.plan.config, Pace())
        self.faults = list(self.plan.faults)
        self.in_flight: list[tuple[Lane, Work]] = []
        self.invoked: list[list[int]] = []
        self.throttles = 0
        self.ended: list[int] = []
        self.discarded: list[int] = []
        self.checkpoints: list[int] = []
        self.now = START

    def run(self) -> "World":
        self.queue.add(
            (record for place, key in enumerate(self.plan.keys, 1) for record in stream_records([place], key=key)),
            START,
        )
        while not self.queue.empty:
            assert len(self.invoked) + self.throttles < 1000, "it would go on for ever"
            self.in_flight += self.queue.take(self.now)
            self.check_keys_apart()
            if self.in_flight:
                chosen = self.data.draw(st.integers(0, len(self.in_flight) - 1))
                self.finish(*self.in_flight.pop(chosen))
            else:
                self.now += self.queue.wait(self.now) or 0.0
        return self

    def check_keys_apart(self) -> None:
        keys = [{self.plan.keys[number - 1] for number in numbers(work)} for _, work in self.in_flight]
        assert sum(map(len, keys)) == len(set().union(*keys)), "a key is in two concurrent batches"

    def finish(self, lane: Lane, work: Work) -> None:
        if isinstance(work, Discarded):
            self.discarded += numbers(work)
            self.ended += numbers(work)
            self.queue.delivered(lane, work)
        else:
            invocation = self.function(numbers(work))
            following = self.queue.invoked(lane, work, invocation, self.now)
            self.ended += numbers(work)[: following.settled]
        moved = self.queue.checkpoint()
        if moved:
            self.checkpoints.append(int(moved[1]))
            assert set(range(1, self.checkpoints[-1] + 1)) <= set(self.ended), "the checkpoint is past a pending record"

    def function(self, batch: list[int]) -> Invocation:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "throttle":
            self.throttles += 1
            return throttle()
        self.invoked.append(batch)
        bad = sorted(self.plan.poison & set(batch))
        if fault == "error" or (bad and not self.plan.config.report_batch_item_failures):
            return fail()
        if fault == "nonsense":
            return report("no such number")
        if fault == "partial":
            bad = sorted({*bad, batch[len(batch) // 2]})
        return report(*map(str, bad)) if bad else respond(None)


@given(plans(retries=st.integers(0, 3), poison=True), st.data())
def test_every_record_ends_exactly_once(plan: Plan, data: st.DataObject) -> None:
    """With finite retries every record ends exactly once, settled or discarded, and the shard comes to its end."""
    world = World(plan, data).run()

    assert Counter(world.ended) == Counter(range(1, len(plan.keys) + 1))
    assert world.checkpoints[-1] == len(plan.keys)
    assert world.checkpoints == sorted(set(world.checkpoints))


@given(plans(retries=st.just(-1), poison=False), st.data())
def test_nothing_is_discarded_while_retries_are_unlimited(plan: Plan, data: st.DataObject) -> None:
    """With finite faults and unlimited retries everything is settled, with at most one more invocation a fault."""
    world = World(plan, data).run()

    assert world.discarded == []
    assert sorted(world.ended) == list(range(1, len(plan.keys) + 1))
    assert len(world.invoked) <= 2 * len(plan.keys) + len(plan.faults)


@given(plans(retries=st.integers(0, 3), poison=True), st.data())
def test_a_key_is_settled_in_order(plan: Plan, data: st.DataObject) -> None:
    """Records of one partition key end in the order of the shard, and first reach the function in that order."""
    world = World(plan, data).run()
    first_reached = dict.fromkeys(number for batch in world.invoked for number in batch)

    for key in set(plan.keys):
        of_key = [place for place, other in enumerate(plan.keys, 1) if other == key]
        assert [number for number in world.ended if number in of_key] == of_key
        assert [number for number in first_reached if number in of_key] == of_key


@given(plans(retries=st.integers(0, 3), poison=True), st.data())
def test_invocations_are_bounded(plan: Plan, data: st.DataObject) -> None:
    """For n records and r retries there are at most n (r + 3) invocations: r + 1 a record, and two for a split."""
    world = World(plan, data).run()

    assert len(world.invoked) <= len(plan.keys) * (plan.config.maximum_retry_attempts + 3)


@given(plans(retries=st.integers(0, 3), poison=True), st.data())
def test_without_bisect_a_checkpoint_is_tried_once_and_for_each_retry(plan: Plan, data: st.DataObject) -> None:
    """Without splits no record stands first in a batch more than 1 + MaximumRetryAttempts times."""
    assume(not plan.config.bisect_batch_on_function_error)
    world = World(plan, data).run()

    first = Counter(batch[0] for batch in world.invoked)
    assert max(first.values()) <= plan.config.maximum_retry_attempts + 1


@pytest.mark.parametrize("factor", [1, 4])
def test_every_lane_serves_only_its_own_keys(factor: int) -> None:
    """The lane of a key depends on the key alone."""
    queue = queue_of(parallelization_factor=factor, batch_size=1)
    lanes: dict[str, Lane] = {}
    for number, key in enumerate("abcabcabc", 1):
        queue.add(stream_records([number], key=key), START)
        [(lane, work)] = queue.take(START)
        assert lanes.setdefault(key, lane) is lane
        settle(queue, lane, work)
