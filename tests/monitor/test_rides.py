"""
What rings on rides, and what does not: January against February, and rides with a fault on purpose.

The cases run on synthetic rides, and on the TLC's own where they are: see ``tests/training/test_real_rides``.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from stream_consumer.monitor.drift import DAY, LEAST_ROWS, WEEK
from stream_consumer.training.fit import FloatArray
from stream_consumer.training.rides import load_rides
from stream_consumer.training.synthetic import synthetic_rides
from tests.monitor.rides import DISTANCE, DROPOFF, PICKUP, City, ringing
from tests.training.test_real_rides import MONTHS, where_they_are

REAL_RIDES = [where_they_are, pytest.mark.process]
Change = Callable[[FloatArray], FloatArray]
SYNTHETIC, REAL = "synthetic rides", "the TLC's rides"
KILOMETRES = 1.609344
NEW_ZONE = 300


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """OpenMP's threads spin for each other when tests run on every core."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def synthetic() -> City:
    return City.of(synthetic_rides(80_000, seed=16))


@pytest.fixture(scope="module")
def real() -> City:
    return City.of(load_rides([str(month) for month in MONTHS]))


@pytest.fixture(params=[SYNTHETIC, pytest.param(REAL, marks=REAL_RIDES)])
def city(request: pytest.FixtureRequest) -> City:
    made: City = request.getfixturevalue("synthetic" if request.param == SYNTHETIC else "real")
    return made


def as_they_are(rides: FloatArray) -> FloatArray:
    return rides


def in_kilometres(rides: FloatArray) -> FloatArray:
    return rides * [1, 1, KILOMETRES]


def with_zones_swapped(rides: FloatArray) -> FloatArray:
    return rides[:, [DROPOFF, PICKUP, DISTANCE]]


def with_five_percent_of_zero_distances(rides: FloatArray) -> FloatArray:
    return _every_twentieth(rides, DISTANCE, 0)


def with_five_percent_from_a_new_zone(rides: FloatArray) -> FloatArray:
    return _every_twentieth(rides, PICKUP, NEW_ZONE)


def _every_twentieth(rides: FloatArray, column: int, value: float) -> FloatArray:
    changed = rides.copy()
    changed[::20, column] = value
    return changed


NOTHING = set[str]()
ZONES = {"PULocationID", "DOLocationID"}
DISTANCES = {"trip_distance"}
TABLE: Mapping[Change, tuple[set[str], set[str]]] = {
    as_they_are: (NOTHING, NOTHING),
    in_kilometres: (DISTANCES | {"prediction"}, DISTANCES | {"prediction"}),
    with_zones_swapped: (ZONES, ZONES),
    with_five_percent_of_zero_distances: (NOTHING, DISTANCES),
    with_five_percent_from_a_new_zone: ({"PULocationID"}, {"PULocationID"}),
}
"""What rings among 500 rides, and among 2,000 and more."""


@pytest.mark.parametrize("month", ["january", "february"])
@pytest.mark.parametrize("rides", [500, 2_000, 10_000, 60_000])
@pytest.mark.parametrize("change", TABLE)
@pytest.mark.process
@where_they_are
def test_of_real_rides_what_is_wrong_rings_and_what_is_right_does_not(
    real: City, change: Change, rides: int, month: str
) -> None:
    sample = getattr(real, month).sample(rides, seed=16)
    assert real.ringing(change(sample), WEEK) == TABLE[change][rides > 500]


@pytest.mark.parametrize("month", ["january", "february"])
@pytest.mark.parametrize("rides", [500, 10_000])
@pytest.mark.parametrize("change", TABLE)
def test_of_synthetic_rides_the_same_rings(synthetic: City, change: Change, rides: int, month: str) -> None:
    """But for swapped zones, as pick-ups and drop-offs are alike there. All its distances are above half a mile."""
    expected = TABLE[change][rides > 500 or change is with_five_percent_of_zero_distances]
    sample = getattr(synthetic, month).sample(rides, seed=16)
    assert synthetic.ringing(change(sample), WEEK) == (NOTHING if change is with_zones_swapped else expected)


def test_february_does_not_ring_and_neither_does_any_week(city: City) -> None:
    assert city.ringing(city.february.matrix, WEEK) == NOTHING
    for month in (city.january, city.february):
        codes = city.codes(month.matrix)
        weeks = [city.compared_at(codes, positions) for positions in month.windows(hours=168, step=6)]
        assert [ringing(week, WEEK) for week in weeks] == [NOTHING] * 85


def test_no_24_hours_ring_by_the_limits_of_a_day(city: City) -> None:
    for month in (city.january, city.february):
        codes = city.codes(month.matrix)
        days = [city.compared_at(codes, positions) for positions in month.windows(hours=24, step=3)]
        assert [ringing(day, DAY) for day in days] == [NOTHING] * 217


@pytest.mark.process
@where_they_are
@pytest.mark.parametrize(("hours", "share"), [(12, 0.017), (18, 0.0)])
def test_18_hours_in_a_row_do_not_ring_by_the_limits_of_a_day_and_12_may(real: City, hours: int, share: float) -> None:
    rings = []
    for month in (real.january, real.february):
        codes = real.codes(month.matrix)
        windows = [positions for positions in month.windows(hours, step=1) if len(positions) >= LEAST_ROWS]
        rings += [bool(ringing(real.compared_at(codes, positions), DAY)) for positions in windows]
    assert len(rings) > 1_000
    assert np.mean(rings) == pytest.approx(share, abs=0.001)


@pytest.mark.process
@where_they_are
def test_an_hour_of_each_night_has_too_few_rides_to_ring_and_the_rush_hours_are_another_population(real: City) -> None:
    hours = real.january.hours % 24
    night, rush = (real.january.matrix[hours == hour] for hour in (3, 8))
    assert len(night) < 500 < len(rush)
    assert (real.ringing(night, WEEK), real.ringing(rush, WEEK), real.ringing(rush, DAY)) == (NOTHING, ZONES, NOTHING)


@pytest.mark.process
@where_they_are
def test_rides_in_a_row_are_no_sample_of_the_month(real: City) -> None:
    """A few hours ring by the limits of a week in one case of four, so that nobody must judge them by these."""
    codes = real.codes(real.february.matrix)
    starts = range(0, len(codes[0]) - 499, 500)
    windows = [real.compared_at(codes, np.arange(start, start + 500)) for start in starts]
    by_week, by_day = (np.mean([bool(ringing(one, limits)) for one in windows]) for limits in (WEEK, DAY))
    assert 0.2 < by_week < 0.35
    assert by_day < 0.06


SAMPLES = {500: 3_000, 2_000: 3_000, 10_000: 3_000, 60_000: 3_000}
"""Of these no one may ring: the share that rings is then below 1 in 1,000, with 95 % confidence, as 3 / 3,000 is."""


@pytest.mark.process
@pytest.mark.parametrize("rides", SAMPLES)
def test_of_samples_of_january_less_than_one_in_a_thousand_rings(city: City, rides: int) -> None:
    random, codes = np.random.default_rng(rides), city.codes(city.january.matrix)
    for _ in range(SAMPLES[rides]):
        drawn = random.integers(len(city.january.matrix), size=rides)
        assert ringing(city.compared_at(codes, drawn), WEEK) == NOTHING


@pytest.mark.process
def test_of_no_seed_do_synthetic_rides_ring_and_in_kilometres_they_always_do(synthetic: City) -> None:
    """The rides of the demo, whose seed its user chooses."""
    for seed in range(200):
        rides = synthetic_rides(2_000, seed=seed).matrix()
        assert synthetic.ringing(rides, WEEK) == NOTHING
        assert synthetic.ringing(in_kilometres(rides), WEEK) == DISTANCES | {"prediction"}


def test_counts_by_code_are_those_of_the_profiler(city: City) -> None:
    sample = city.january.matrix[:2_000]
    assert city.compared_at(city.codes(sample), np.arange(len(sample))) == city.compared(sample)
