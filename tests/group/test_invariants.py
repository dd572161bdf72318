"""The delivery promise of docs/delivery.md of a consumer group, under any schedule of finite faults and rebalances."""

from hypothesis import HealthCheck, example, given, settings

from tests.group.fakes import CommitFault
from tests.group.simulation import JOIN, LOSE, REBALANCE, STEP, Action, AtWork, Schedule, World, schedules
from tests.kafka.fakes import HANG
from tests.kafka.test_invariants import (
    SCHEDULES,
    every_event_ends_as_it_should_with_its_bytes_intact,
    output,
    the_order_of_a_key_holds,
    what_is_published_twice_is_the_same,
)
from tests.test_invariants import PHASES


def nothing_is_committed_before_it_is_acknowledged(world: World) -> None:
    """Whatever is in front of a committed offset is on the topic or in the bucket by then."""
    assert world.settled_too_early == []


def rebalances_alone_make_nothing_come_twice(world: World) -> None:
    """A partition that is taken away in the midst of a batch is given away only once it is committed."""
    if world.schedule.is_quiet:
        assert len(world.run.topic.records) == len(output(world.run))


def promise_holds(schedule: Schedule) -> World:
    world = World(schedule)
    run = world.play()
    every_event_ends_as_it_should_with_its_bytes_intact(run)
    what_is_published_twice_is_the_same(run)
    the_order_of_a_key_holds(run)
    nothing_is_committed_before_it_is_acknowledged(world)
    rebalances_alone_make_nothing_come_twice(world)
    return world


RIDES = tuple((at % 3, f"ride {7 + at % 2}") for at in range(12))
TWO = (Action(JOIN, 1), Action(STEP, 0), Action(STEP, 1))
REVOKED_IN_MID_BATCH = Schedule(
    records=RIDES, batch_size=4, actions=TWO * 3, batches=(AtWork(early=False, meanwhile=(Action(JOIN, 1),)),)
)
LOST_BEHIND_A_WRITE = Schedule(
    records=RIDES, batch_size=4, actions=TWO * 3, batches=(AtWork(meanwhile=(Action(JOIN, 1), Action(LOSE, 0))),)
)
REFUSED_COMMITS = Schedule(
    records=RIDES, batch_size=2, actions=(*TWO, Action(REBALANCE), *TWO), commits=(CommitFault.REFUSED,) * 3
)

LOST_BEHIND_A_MESSAGE = Schedule(
    records=((0, "ride 7"), (0, "ride 7")),
    batch_size=1,
    partitions=1,
    batches=(AtWork(early=False, meanwhile=(Action(STEP), Action(LOSE))),),
    topic=(HANG,),
)


@example(schedule=REVOKED_IN_MID_BATCH)
@example(schedule=LOST_BEHIND_A_MESSAGE)
@example(schedule=LOST_BEHIND_A_WRITE)
@example(schedule=REFUSED_COMMITS)
@settings(max_examples=SCHEDULES, phases=PHASES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(schedule=schedules())
def test_the_delivery_promise_holds_of_a_consumer_group(schedule: Schedule) -> None:
    """Whatever goes wrong, nothing is lost, nothing blocks a partition, and what came twice can be recognised."""
    promise_holds(schedule)


def test_a_member_that_is_lost_in_mid_batch_commits_nothing_of_it() -> None:
    """The batch was written, and another member writes it again: a reader keeps the first of each."""
    world = promise_holds(LOST_BEHIND_A_WRITE)
    assert len(world.run.topic.records) > len(output(world.run)) == len(RIDES)


def test_what_came_in_mid_batch_before_the_partition_was_lost_is_not_taken_for_its_beginning() -> None:
    """Its first record would be committed unseen, and lost."""
    world = promise_holds(LOST_BEHIND_A_MESSAGE)
    assert len(output(world.run)) == 2


def test_a_rebalance_in_mid_batch_moves_partitions_and_publishes_nothing_twice() -> None:
    world = promise_holds(REVOKED_IN_MID_BATCH)
    assert len(world.run.topic.records) == len(RIDES)
