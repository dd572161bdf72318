"""The formulae of docs/capacity.md, on numbers that can be checked by hand."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.errors import UsageError
from stream_consumer.operate.capacity import CATCH_UP, Prices, Workload, estimate

# Each lane takes 1,000 records in 100 ms, that is, 10,000 a second.
FAST = Workload(events_per_second=100, event_bytes=100, prediction_bytes=100, invocation_ms=50, record_us=50)


def test_idle_streams_cost_their_hours() -> None:
    """A month has 730 hours: two shards at $0.015 an hour, or two on-demand streams at $0.04."""
    cost = estimate(replace(FAST, events_per_second=1e-9)).cost
    assert (round(cost.provisioned_streams, 2), round(cost.on_demand_streams, 2)) == (21.90, 58.40)


@pytest.mark.parametrize(
    ("peak", "event_bytes", "shards"),
    [(1000, 100, 1), (1001, 100, 2), (500, 2000, 1), (501, 2000, 2), (4500, 100, 5)],
)
def test_shards_are_what_the_peak_needs_in_records_and_in_bytes(peak: float, event_bytes: int, shards: int) -> None:
    workload = replace(FAST, peak_events_per_second=peak, event_bytes=event_bytes)
    assert estimate(workload).input_shards == shards


def test_output_shards_follow_the_predictions_bytes() -> None:
    workload = replace(FAST, events_per_second=900, prediction_bytes=2500)
    assert estimate(workload).output_shards == 3


def test_the_factor_is_the_least_that_takes_the_peak() -> None:
    """1,000 records take 1.05 s, so a lane does 952 a second, and 900 at twice the average need two lanes."""
    answer = estimate(replace(FAST, events_per_second=900, record_us=1000))
    assert (answer.parallelization_factor, answer.concurrency) == (2, 2)
    assert answer.capacity == pytest.approx(1904.76, abs=0.01)


def test_beyond_a_factor_of_ten_shards_are_added() -> None:
    """A record a tenth of a second: a lane does ten a second, so 149 at twice the average need 30 lanes."""
    answer = estimate(replace(FAST, events_per_second=149, invocation_ms=1e-9, record_us=100_000, batch_size=10))
    assert (answer.input_shards, answer.parallelization_factor, answer.concurrency) == (3, 10, 30)


def test_a_shard_is_read_no_faster_than_two_megabytes_a_second() -> None:
    answer = estimate(replace(FAST, event_bytes=10_000, prediction_bytes=100, events_per_second=90))
    assert answer.capacity == 200.0


def test_a_batch_must_fit_lambdas_event() -> None:
    """An event of 60,000 bytes is 80,400 in JSON, so that 74 fit 6 MB."""
    assert replace(FAST, event_bytes=60_000).largest_batch == 74
    assert replace(FAST, event_bytes=10_000_000).largest_batch == 1


def test_a_consumer_that_keeps_up_is_behind_by_its_window_and_one_batch() -> None:
    answer = estimate(replace(FAST, window_seconds=5))
    assert (answer.records_per_batch, answer.batch_ms) == pytest.approx((500.0, 75.0))
    assert answer.iterator_age == pytest.approx(5.075)


def test_batches_grow_while_the_batch_before_is_at_work() -> None:
    """At 400 a second on one lane, n = 400 · (1.5 + 0.001·n) has the solution 1,000."""
    workload = replace(
        FAST,
        events_per_second=400,
        invocation_ms=1500,
        record_us=1000,
        batch_size=5000,
        shards=1,
        parallelization_factor=1,
    )
    answer = estimate(workload)
    assert answer.records_per_batch == pytest.approx(1000.0)
    assert answer.batch_ms == pytest.approx(2500.0)


def test_a_burst_within_capacity_leaves_nothing_behind() -> None:
    burst = estimate(replace(FAST, peak_events_per_second=900)).burst
    assert (burst.iterator_age, burst.catch_up) == (0.0, 0.0)


def test_a_burst_beyond_capacity_is_worked_off_with_what_is_spare() -> None:
    """A lane does 500 a second; of 1,000 for 60 s half is left, 30 s behind, and 400 a second are spare."""
    workload = replace(
        FAST,
        peak_events_per_second=1000,
        invocation_ms=1e-9,
        record_us=2000,
        shards=1,
        parallelization_factor=1,
        burst_minutes=1,
    )
    burst = estimate(workload).burst
    assert burst.iterator_age == pytest.approx(30.0)
    assert burst.catch_up == pytest.approx(75.0)


def test_producers_not_the_consumer_wait_for_what_shards_do_not_take() -> None:
    """Of 5,000 a second one shard takes 1,000, twice what the lane does."""
    workload = replace(
        FAST,
        peak_events_per_second=5000,
        invocation_ms=1e-9,
        record_us=2000,
        shards=1,
        parallelization_factor=1,
        burst_minutes=1,
    )
    assert estimate(workload).burst.iterator_age == pytest.approx(30.0)


def test_an_outage_is_caught_up_with_what_is_spare() -> None:
    outage = estimate(replace(FAST, outage_minutes=10)).outage
    assert outage.iterator_age == 600
    assert outage.catch_up == pytest.approx(60_000 / 9_900)


def test_a_consumer_that_is_too_slow_never_catches_up() -> None:
    answer = estimate(replace(FAST, record_us=20_000, shards=1, parallelization_factor=1))
    assert answer.outage.catch_up == math.inf
    assert answer.records_per_batch == 1000


def test_an_outage_beyond_the_record_age_gives_records_up() -> None:
    assert estimate(replace(FAST, outage_minutes=60, maximum_record_age_seconds=3600)).given_up
    assert not estimate(replace(FAST, outage_minutes=59, maximum_record_age_seconds=3600)).given_up


def test_cost_is_hours_units_and_gigabyte_seconds() -> None:
    """100 events/s in batches of 100: an invocation of 55 ms a second, 2,628,000 s a month, on 1 GB."""
    cost = estimate(replace(FAST, memory_mb=1024)).cost
    assert cost.function == pytest.approx(2_628_000 * (0.20 / 1e6 + 0.055 * 0.0000133334))
    assert cost.provisioned_streams == pytest.approx(2 * 730 * 0.015 + 2 * 262.8 * 0.014)
    assert cost.on_demand_streams == pytest.approx(2 * 730 * 0.04 + 2 * 262.8 * 0.08)
    assert cost.total == pytest.approx(cost.function + cost.provisioned_streams)


def test_other_prices_can_be_given() -> None:
    free = Prices(*(0 for _ in Prices._fields))
    assert estimate(FAST, free).cost.total == 0


def test_every_fault_of_a_workload_is_named_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        Workload(
            events_per_second=100,
            peak_events_per_second=50,
            event_bytes=0,
            window_seconds=-1,
            shards=0,
            parallelization_factor=11,
        )
    assert str(refused.value) == (
        "capacity cannot be estimated: event_bytes is 0, wanted more than 0; window_seconds is -1, wanted 0 or more; "
        "peak_events_per_second is 50, below the average of 100; shards is 0, wanted 1 or more; "
        "parallelization_factor is 11, wanted 1 to 10"
    )


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e10])
@pytest.mark.parametrize("name", [field.name for field in fields(Workload)])
def test_numbers_that_no_workload_has_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}, wanted at most 1,000,000,000"):
        Workload(**{"events_per_second": 100} | {name: value})  # type: ignore[arg-type]


@given(
    rate=st.floats(0.1, 50_000),
    burst=st.floats(1, 5),
    event_bytes=st.integers(1, 100_000),
    invocation_ms=st.floats(0.1, 500),
    record_us=st.floats(0, 10_000),
    batch_size=st.integers(1, 10_000),
)
def test_what_is_asked_for_is_enough_and_no_shard_or_lane_is_idle(  # noqa: PLR0913, PLR0917 (one a quantity)
    rate: float, burst: float, event_bytes: int, invocation_ms: float, record_us: float, batch_size: int
) -> None:
    workload = Workload(
        events_per_second=rate,
        peak_events_per_second=rate * burst,
        event_bytes=event_bytes,
        invocation_ms=invocation_ms,
        record_us=record_us,
        batch_size=batch_size,
    )
    answer = estimate(workload)
    assert answer.capacity >= max(workload.peak, CATCH_UP * rate)
    assert 1 <= answer.records_per_batch <= batch_size
    assert answer.outage.catch_up <= workload.outage_minutes * 60 * (1 + 1e-9)
    if answer.parallelization_factor > 1:
        fewer = replace(workload, shards=answer.input_shards, parallelization_factor=answer.parallelization_factor - 1)
        assert estimate(fewer).capacity < max(workload.peak, CATCH_UP * rate)
