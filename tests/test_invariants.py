"""The delivery promise, under any schedule of finite faults: see tests/faults/invariants.py for each sentence of it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from stream_consumer.local.mapping.config import MappingConfig
from tests.fakes import GARBLED, HANG_THEN_LATER, READ_TIMEOUT_BEFORE, RESET_AFTER, Fault, rejecting
from tests.faults.figures import Figures
from tests.faults.invariants import INVARIANTS, Outcome
from tests.faults.schedules import Again, Die, Restart, Schedule, Trouble, schedules
from tests.faults.simulation import World

SCHEDULES = int(os.environ.get("SCHEDULES", "50"))
"""How many; ``make invariants`` tries 10,000."""
PHASES = tuple(Phase) if os.environ.get("SHRINK", "yes") == "yes" else (Phase.explicit, Phase.generate)


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    figures = Figures()
    yield figures
    if "FIGURES" in os.environ:
        figures.save(Path(os.environ["FIGURES"]))


def promise_holds(schedule: Schedule) -> Outcome:
    outcome = Outcome(World(schedule).play())
    for invariant in INVARIANTS:
        invariant(outcome)
    return outcome


# What the test has found so far.
SMALLER_DELIVERY_ENDS_LAST = Schedule(
    records=(("a", "ride 7"), ("a", "zone 0"), ("a", "zone 266")), troubles=(Again(1, 0, 2),)
)
UNREADABLE_ANSWER_OF_THE_DESTINATION = Schedule(
    records=(("a", "zone 0"),),
    mapping=MappingConfig(stream_name="ride_events", maximum_retry_attempts=0, report_batch_item_failures=True),
    bucket=False,
    destination=(GARBLED,),
)


A_HALF_OF_AN_AGGREGATE_TIMES_OUT = Schedule(
    records=(("a", "aggregate of refusals"),), aggregate_keys=1, kinesis=(None, None, READ_TIMEOUT_BEFORE)
)


@example(schedule=A_HALF_OF_AN_AGGREGATE_TIMES_OUT)
@example(schedule=SMALLER_DELIVERY_ENDS_LAST)
@example(schedule=UNREADABLE_ANSWER_OF_THE_DESTINATION)
@settings(max_examples=SCHEDULES, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(schedule=schedules())
def test_the_delivery_promise_holds_under_any_schedule(schedule: Schedule, figures: Figures) -> None:
    """Whatever goes wrong, nothing is lost, nothing blocks the shard, and what came twice can be recognised."""
    figures.add(promise_holds(schedule).figures())


LARGE = Schedule(
    records=(("a", "ride 7"), *[("b", "aggregate of a thousand")] * 3, ("a", "zone 0"), ("c", "ride 8")),
    mapping=MappingConfig(stream_name="ride_events", report_batch_item_failures=True),
)


@pytest.mark.parametrize(
    ("trouble", "faults"),
    [
        (None, ()),
        (None, (rejecting(3, 499), RESET_AFTER, rejecting(0))),
        (Die(1, frozenset({0, 2})), ()),
        (Die(2), (None, HANG_THEN_LATER)),
        (Again(2, 1, 4), (None, None, rejecting(7))),
        (Restart(), (*[None] * 5, HANG_THEN_LATER)),
    ],
    ids=["no fault", "rejections", "killed in a round", "killed late", "delivered twice", "restarted"],
)
def test_the_promise_holds_at_kinesis_own_limits(trouble: Trouble | None, faults: tuple[Fault | None, ...]) -> None:
    """3,000 events in six records, in requests of 500: the aggregates are larger than a round of requests."""
    promise_holds(replace(LARGE, kinesis=faults, troubles=(trouble,)))


def test_a_batch_of_rows_that_the_model_refuses_slowly_advances() -> None:
    """Without bisecting, and though isolating all of them takes several times the timeout."""
    records = (*[("a", "refused by the model")] * 20, ("a", "ride 7"), *[("a", "refused by the model")] * 20)
    outcome = Outcome(World(Schedule(records=records, model_seconds=0.5)).play())
    assert len(outcome.letters) == 40
    assert len(outcome.output) == 1
