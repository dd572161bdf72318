"""What the loop counts: a lost, overtaken or wrongly served record is found, whatever the totals say."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.loop.audit import Audit, Phase
from stream_consumer.reader import Received
from stream_consumer.training.file_registry import Entry

WHEN = datetime(2026, 11, 27, tzinfo=UTC)
MINUTES = 10.0


def predicted(number: int, version: str, *, off: float = 0, shard: str = "in-0") -> Received:
    """Return the prediction for ride *number*, which is *off* by so many minutes."""
    made = predicted_type(Envelope())(MINUTES + off, number)
    event_id = f"{shard}:{4_960_000_000_000_000_000_000 + number}"
    return Received(Prediction("rides", version, made, event_id), "out-0", "1", WHEN)


def audit(received: Iterable[Received], **other: Any) -> Audit:
    """Return the audit of six rides, of which the first and last two were for version a."""
    whole = Audit(
        rides=6,
        malformed={Reason.SCHEMA: 1},
        released=["a", "b", "a"],
        durations=np.full(4, MINUTES),
        received=list(received),
        duplicates=0,
        dead_letters={Reason.SCHEMA: 1},
        discarded=0,
        refused=Entry(version="c", digest="0" * 64, metrics={}, reason="worse"),
    )
    return replace(whole, **other)


GOOD = [
    *(predicted(number, "a", off=2) for number in (0, 1)),
    *(predicted(number, "b") for number in (2, 3)),
    *(predicted(number, "a", off=3) for number in (4, 5)),
]


def test_what_adds_up_has_no_fault_and_a_phase_a_release() -> None:
    found = audit(GOOD)
    assert (found.put, found.lost, found.overtaken, found.faults) == (7, 0, 0, [])
    assert found.phases == [Phase("a", 2, 2.0), Phase("b", 2, 0.0), Phase("a", 2, 3.0)]


def test_each_shard_changes_its_version_at_a_record_of_its_own() -> None:
    """Shard 1 has come as far as record 1 when shard 0 is at record 4."""
    one = [predicted(0, "a"), predicted(3, "b"), predicted(5, "a")]
    late = [predicted(1, "b", shard="in-1"), predicted(2, "b", shard="in-1"), predicted(4, "a", shard="in-1")]
    assert audit([*one, *late]).phases == [], "shard 1 has seen nothing of the first release"
    begun = [predicted(1, "a", shard="in-1"), *late[1:]]
    phases = audit([*one, *begun]).phases
    assert [(phase.version, phase.predictions) for phase in phases] == [("a", 2), ("b", 2), ("a", 2)]


@pytest.mark.parametrize(
    ("received", "fault"),
    [
        ([], "6 of 7 records are lost"),
        ([*GOOD[:3], *GOOD[4:]], "1 of 7 records are lost"),
        ([*GOOD[:3], GOOD[2], *GOOD[4:]], "1 of 7 records are lost"),
        ([*GOOD, GOOD[5]], "7 predictions came of 6 rides"),
        ([GOOD[1], GOOD[0], *GOOD[2:]], "1 predictions were published after the one of a later record"),
        ([*GOOD[:5], predicted(5, "c")], "version c was refused, and has predicted"),
        (
            [GOOD[0], predicted(1, "b"), predicted(2, "a"), *GOOD[3:]],
            "have not seen the model versions a, b, a in this",
        ),
    ],
    ids=["all lost", "lost", "lost and another doubled", "doubled", "overtaken", "refused", "back and forth"],
)
def test_a_fault_is_named(received: list[Received], fault: str) -> None:
    assert any(fault in found for found in audit(received).faults)


def test_dead_letters_that_are_missing_or_of_another_reason_are_named() -> None:
    assert audit(GOOD, dead_letters={}).faults == ["1 of 7 records are lost"]
    assert audit(GOOD, dead_letters={Reason.SCHEMA: 1, Reason.BOUNDS: 2}).faults == [
        "2 dead letters are bounds, 0 were expected"
    ]
    assert audit(GOOD, discarded=3).faults == ["the event source mapping gave up on 3 records"]
