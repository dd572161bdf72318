"""Comparing two models: the figures by hand, and what only one of them scores."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.comparison import Comparison, Difference, Verdicts
from stream_consumer.consumer import Consumer
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.record import Record
from stream_consumer.inference import Decider
from stream_consumer.operate.compare import compare
from tests.extremes import FINITE
from tests.rides import RIDE_COLUMNS, FakeModel, ride_event


def consumer(row: Callable[..., float], columns: Sequence[Column] = RIDE_COLUMNS) -> Consumer:
    model = FakeModel(row, columns=columns)
    return Consumer(Decider(model), predictions=None, dead_letters=None)


def batch(*datas: bytes, first: int = 0) -> list[Record]:
    return [Record(data, f"shardId-0:{number}", str(number)) for number, data in enumerate(datas, first)]


def rides(*distances: float) -> list[Record]:
    return batch(*(ride_event(f"ride-{at}", distance=distance) for at, distance in enumerate(distances)))


def ten(_pickup: int, _dropoff: int, _distance: float) -> float:
    return 10.0


def longer(_pickup: int, _dropoff: int, distance: float) -> float:
    return 10.0 + distance


def test_the_differences_are_those_of_the_same_records() -> None:
    comparison = compare([rides(0.0, 3.0), rides(1.0, 4.0)], consumer(ten), consumer(longer), keep=2)
    assert (comparison.p50, comparison.p95) == pytest.approx((1.0, 4.0), rel=0.01)
    assert replace(comparison, p50=0.0, p95=0.0) == Comparison(
        records=4,
        predicted_by_both=4,
        disagreeing=3,
        one_alone=0,
        scored_by_both=4,
        differing=3,
        mean=2.0,
        rms=math.sqrt(26 / 4),
        p50=0.0,
        p95=0.0,
        largest=4.0,
        largest_differences=[
            Difference("ride-1", "shardId-0:1", 10.0, 14.0),
            Difference("ride-1", "shardId-0:1", 10.0, 13.0),
        ],
        verdicts=[],
    )


def test_a_difference_downwards_is_negative_and_large_all_the_same() -> None:
    comparison = compare([rides(1.0, 3.0)], consumer(longer), consumer(ten), keep=1)
    assert (comparison.mean, comparison.largest) == (-2.0, 3.0)
    assert comparison.largest_differences[0].difference == -3.0


def test_a_model_does_not_differ_from_itself() -> None:
    comparison = compare([rides(1.0, 3.0)], consumer(longer), consumer(longer))
    assert comparison == Comparison(2, 2, 0, 0, 2, 0, 0.0, 0.0, 0.0, 0.0, 0.0, [], [])


def test_nothing_compared_is_nothing_different() -> None:
    assert compare([], consumer(ten), consumer(longer)) == Comparison(0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, [], [])


def test_what_one_model_scores_and_the_other_does_not_is_counted_with_an_example() -> None:
    def refusing(_pickup: int, _dropoff: int, distance: float) -> float:
        return math.nan if distance > 100 else 10.0

    stricter = [*RIDE_COLUMNS[:2], Column("trip_distance", "double", minimum=0.0, maximum=150.0)]
    delivered = [
        batch(ride_event(1), ride_event(2, distance=120), ride_event(3, distance=130), b"poison"),
        batch(ride_event(4, distance=160), ride_event(5, pickup=0), first=4),
    ]
    comparison = compare(delivered, consumer(ten), consumer(refusing, stricter))
    assert (comparison.records, comparison.scored_by_both, comparison.one_alone) == (6, 1, 3)
    assert comparison.verdicts == [
        Verdicts("scored", "unscorable", 2, "shardId-0:1"),
        Verdicts("scored", "bounds", 1, "shardId-0:4"),
    ]


def test_models_of_different_columns_are_compared_on_the_same_records() -> None:
    comparison = compare(
        [rides(1.0, 2.0)], consumer(ten), consumer(lambda distance: distance, [Column("trip_distance", "double")])
    )
    assert (comparison.scored_by_both, comparison.mean) == (2, -8.5)


def test_progress_is_told_of_each_batch() -> None:
    told: list[int] = []
    compare([rides(1.0), rides(1.0, 2.0)], consumer(ten), consumer(ten), progress=told.append)
    assert told == [1, 2]


@given(st.lists(st.lists(st.floats(0, 200), min_size=1, max_size=20), min_size=1, max_size=5))
def test_quantiles_are_within_one_percent_of_the_exact_ones(batches: list[list[float]]) -> None:
    comparison = compare(
        [rides(*distances) for distances in batches], consumer(lambda *_: 0.0), consumer(lambda *r: r[2])
    )
    distances = [distance for batch_ in batches for distance in batch_]
    exact = np.quantile(distances, [0.5, 0.95], method="inverted_cdf")
    assert [comparison.p50, comparison.p95] == pytest.approx(exact.tolist(), rel=0.0101, abs=1.1e-9)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=6))
def test_no_predictions_are_too_extreme_to_be_compared(pairs: list[tuple[float, float]]) -> None:
    one, other = (consumer(lambda _p, _d, distance, of=of: pairs[int(distance)][of]) for of in (0, 1))
    comparison = compare([rides(*map(float, range(len(pairs))))], one, other)
    assert comparison.scored_by_both == len(pairs)
    assert comparison.differing == sum(second != first for first, second in pairs)
    assert 0.0 <= comparison.p50 <= comparison.p95 <= sys.float_info.max
