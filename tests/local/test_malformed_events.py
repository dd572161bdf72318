"""Every malformed kind gets the verdict that it is made for, so a run that mixes them in can be checked."""

import pytest

from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.local.demo.malformed_events import KINDS, mixed_in
from stream_consumer.sinks import Entry

SCHEMA = EventSchema(
    [
        Column("PULocationID", "long", minimum=1, maximum=265),
        Column("DOLocationID", "long", minimum=1, maximum=265),
        Column("trip_distance", "double", minimum=0, maximum=200),
    ]
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gets_its_verdict(kind: str) -> None:
    data, reason = KINDS[kind]
    verdict = SCHEMA.decode(data)
    assert isinstance(verdict, InvalidRecord)
    assert verdict.reason is reason


def test_malformed_entries_are_the_share_asked_for_and_the_good_ones_keep_their_order() -> None:
    good = [Entry(str(number), b"{}") for number in range(990)]
    mixed, expected = mixed_in(good, 0.01, seed=7)
    assert len(mixed) == 1_000
    assert [entry for entry in mixed if entry.data == b"{}"] == good
    assert sum(expected.values()) == 10


def test_every_kind_comes_in_turn() -> None:
    mixed, expected = mixed_in([Entry("1", b"{}")] * 1_000, 0.2, seed=7)
    assert {entry.data for entry in mixed} == {b"{}"} | {data for data, _ in KINDS.values()}
    assert all(expected[reason] for reason in Reason if reason is not Reason.UNSCORABLE)


def test_the_same_seed_gives_the_same_mixture() -> None:
    good = [Entry(str(number), b"{}") for number in range(100)]
    assert mixed_in(good, 0.1, seed=3) == mixed_in(good, 0.1, seed=3)
    assert mixed_in(good, 0.1, seed=3) != mixed_in(good, 0.1, seed=4)


def test_no_share_changes_nothing() -> None:
    assert mixed_in([Entry("1", b"{}")], 0, seed=1) == ([Entry("1", b"{}")], dict.fromkeys(Reason, 0))
