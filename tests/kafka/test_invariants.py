"""The delivery promise of docs/delivery.md with Kafka on both sides, under any schedule of finite faults."""

import os
from collections import defaultdict
from collections.abc import Callable

from hypothesis import HealthCheck, example, given, settings

from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Reason, Record
from stream_consumer.sinks import Entry
from tests.faults.ingredients import AGGREGATES, INGREDIENTS
from tests.kafka.fakes import HANG_AFTER, LOST
from tests.kafka.simulation import TIMEOUT_SECONDS, TOMBSTONE, Run, Schedule, World, schedules
from tests.test_invariants import PHASES

SCHEDULES = int(os.environ.get("SCHEDULES", "50"))
"""How many; ``make invariants`` tries more."""


def event_of(entry: Entry) -> str:
    """Return the event id of a prediction, from its header: a reader need not parse the value."""
    assert entry.event_id is not None
    assert decode_prediction(entry.data).event_id == entry.event_id
    return entry.event_id


def output(run: Run) -> dict[str, Entry]:
    """Return the first prediction of each event, in the order of the topic."""
    first: dict[str, Entry] = {}
    for entry in run.topic.records:
        first.setdefault(event_of(entry), entry)
    return first


def verdicts(run: Run) -> dict[str | None, Reason | None]:
    """Return the reason of each event's dead letter, None for a prediction."""
    names: dict[int, list[str]] = defaultdict(list)
    for partition, name in run.schedule.records:
        names[partition].append(name)
    return {
        f"ride_events-{partition}:{offset}": _verdict(name)
        for partition, of_partition in names.items()
        for offset, name in enumerate(of_partition)
    }


def _verdict(name: str) -> Reason | None:
    # Kafka has no KPL: an aggregate is a value that is no JSON.
    return Reason.UNDECODABLE if name == TOMBSTONE or name in AGGREGATES else INGREDIENTS[name].verdicts[0]


def every_event_ends_as_it_should_with_its_bytes_intact(run: Run) -> None:
    """Every event ends as a prediction or as a dead letter, whichever it should be, and no event as both."""
    wanted = verdicts(run)
    assert {record.event_id for record in run.records} == wanted.keys()
    assert output(run).keys() == {event for event, reason in wanted.items() if reason is None}
    assert {event: letter.reason for event, letter in run.letters.items()} == {
        event: reason for event, reason in wanted.items() if reason is not None
    }
    for record in run.records:
        if record.event_id in run.letters:
            letter = run.letters[record.event_id]
            assert (letter.data, letter.kafka) == (record.data, record.kafka)


def what_is_published_twice_is_the_same(run: Run) -> None:
    """Duplicates carry the same event id, and say the same: a reader keeps the first of each."""
    first = output(run)
    assert [entry for entry in run.topic.records if entry != first[event_of(entry)]] == []


def nothing_is_settled_before_it_is_acknowledged(run: Run) -> None:
    """What a response leaves out is on the topic or in the bucket by then, or was before."""
    kept = output(run).keys() | run.letters.keys()
    for delivery in run.deliveries:
        settled = {record.event_id for record in delivery.records} - delivery.unsettled
        assert settled <= kept


def a_response_names_the_rest_of_a_partition(run: Run) -> None:
    """Each partition is settled up to a record, and every one behind it is named. Lambda knows what is named."""
    for delivery in run.deliveries:
        if delivery.response is None:
            continue
        lanes: dict[str | None, list[bool]] = defaultdict(list)
        for record in delivery.records:
            lanes[record.lane].append(record.event_id in delivery.unsettled)
        assert all(named == sorted(named) for named in lanes.values())
        assert delivery.unsettled <= {record.event_id for record in delivery.records}
        assert run.schedule.partial or not delivery.unsettled


def the_order_of_a_key_holds(run: Run) -> None:
    """As a reader sees it that keeps the first of each event, unless the broker has refused a request."""
    if any(name == "refused by the output" for _, name in run.schedule.records):
        return
    position = {record.event_id: at for at, record in enumerate(run.records)}
    order: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    lane = {record.event_id: record.lane for record in run.records}
    for event, entry in output(run).items():
        order[entry.partition_key, lane[event]].append(position[event])
    assert all(positions == sorted(positions) for positions in order.values())


def every_invocation_ends_in_time(run: Run) -> None:
    assert all(delivery.ended - delivery.began <= TIMEOUT_SECONDS for delivery in run.deliveries if not delivery.died)


def without_a_fault_nothing_comes_twice(run: Run) -> None:
    plan = run.schedule
    if not (any(plan.topic) or any(plan.s3) or plan.deaths or plan.forgotten):
        assert len(run.topic.records) == len(output(run))
        assert [one.response for one in run.deliveries] == [{"batchItemFailures": []}] * len(run.deliveries)


INVARIANTS: tuple[Callable[[Run], None], ...] = (
    every_event_ends_as_it_should_with_its_bytes_intact,
    what_is_published_twice_is_the_same,
    nothing_is_settled_before_it_is_acknowledged,
    a_response_names_the_rest_of_a_partition,
    the_order_of_a_key_holds,
    every_invocation_ends_in_time,
    without_a_fault_nothing_comes_twice,
)


def promise_holds(schedule: Schedule) -> Run:
    run = World(schedule).play()
    for invariant in INVARIANTS:
        invariant(run)
    return run


KILLED_BEHIND_A_WRITE = Schedule(
    records=((0, "ride 7"), (1, "ride 8"), (0, TOMBSTONE)), topic=(LOST, HANG_AFTER), deaths=frozenset({1})
)


@example(schedule=KILLED_BEHIND_A_WRITE)
@settings(max_examples=SCHEDULES, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(schedule=schedules())
def test_the_delivery_promise_holds_with_kafka_on_both_sides(schedule: Schedule) -> None:
    """Whatever goes wrong, nothing is lost, nothing blocks a partition, and what came twice can be recognised."""
    promise_holds(schedule)


def test_a_record_keeps_its_place_whoever_delivers_it() -> None:
    run = promise_holds(Schedule(records=((0, "ride 7"), (1, "ride 8"), (0, "ride 8")), batch_size=1))
    assert [record.event_id for record in run.records] == ["ride_events-0:0", "ride_events-0:1", "ride_events-1:0"]
    assert all(isinstance(record, Record) for record in run.records)
