"""The rides of the loop: what is known, what arrives, and what a mistaken producer makes of them."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stream_consumer.contract.record import InvalidRecord
from stream_consumer.local.demo.loop.rides import LoopRides, endless_events, loop_rides, shuffled, verdict_of
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.training.progress import silent
from stream_consumer.training.record import fingerprints


@pytest.fixture(scope="module")
def rides() -> LoopRides:
    return loop_rides([], 3_000, 7, silent)


def test_the_last_month_arrives_and_the_others_are_known(rides: LoopRides) -> None:
    assert str(rides.arriving_from) == "2021-02-01T00:00:00"
    assert rides.known.pickup_time.max() < rides.arriving_from <= rides.arriving.pickup_time.min()
    assert len(rides.known) + len(rides.arriving) == len(rides.everything) == 3_000


def test_a_mistaken_producer_changes_known_distances_alone(rides: LoopRides) -> None:
    known = rides.everything.pickup_time < rides.arriving_from
    factors = rides.in_kilometres.trip_distance / rides.everything.trip_distance
    assert np.allclose(factors[known], 1.609344, rtol=0.02)
    assert (factors[~known] == 1).all()


def test_rides_are_shuffled_whole_and_the_same_way_for_a_seed(rides: LoopRides) -> None:
    once, again, other = (shuffled(rides.arriving, seed) for seed in (1, 1, 2))
    assert once.ride_id.tolist() == again.ride_id.tolist() != other.ride_id.tolist()
    assert sorted(fingerprints(once)) == sorted(fingerprints(rides.arriving))


def test_events_have_no_end_and_a_number_each(rides: LoopRides) -> None:
    few = rides.arriving.where(np.arange(len(rides.arriving)) < 10)
    events = list(itertools.islice(endless_events(few, 0), 25))
    assert [event.partition_key for event in events] == list(map(str, range(25)))
    assert {verdict_of(event) for event in events} == {None}
    assert events[3].data.replace(b'"ride_id":3', b"") == events[13].data.replace(b'"ride_id":13', b"")


def test_malformed_events_are_such_a_share_and_get_the_verdict_that_is_said(
    rides: LoopRides, rides_model: Path
) -> None:
    schema = load_directory(rides_model, str(rides_model), Choice()).schema
    events = list(itertools.islice(endless_events(rides.arriving, 0.2), 1_000))
    said = [verdict_of(event) for event in events]
    assert sum(one is not None for one in said) == 200
    found = [schema.decode(event.data) for event in events]
    assert said == [one.reason if isinstance(one, InvalidRecord) else None for one in found]
    assert len(Counter(said)) == 4
