"""The index, its size and its z, checked against scipy, and when a column rings."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from stream_consumer.monitor.drift import DAY, WEEK, Chance, Drift, drifts, population_stability_index
from stream_consumer.profiling.bins import Bins, Sample
from stream_consumer.profiling.profile import Profile, Profiler
from stream_consumer.profiling.reference import reference_of

REFERENCE_ROWS = 74_000
REPETITIONS = 1_500
ZONES = 1 / np.arange(1, 66)
"""How often each zone occurs: as of real zones, most are rare."""


def label_bins(count: int) -> tuple[Bins]:
    return (Bins("zone", "label", labels=tuple(range(count))),)


def of(counts: Sequence[int] | NDArray[np.int64]) -> Profile:
    """Return the profile of labels: counts of each, then of rare, unlisted and missing ones."""
    return Profile(label_bins(len(counts) - 3), (np.array(counts, np.int64),))


def compared(reference: Sequence[int] | NDArray[np.int64], counts: Sequence[int] | NDArray[np.int64]) -> Drift:
    [drift] = drifts(of(reference), of(counts))
    return drift


def test_the_index_is_the_textbooks() -> None:
    """(0.45 - 0.6) ln(0.45 / 0.6) + (0.55 - 0.4) ln(0.55 / 0.4), but for the half that is added to each bin."""
    index = population_stability_index(np.array([60_000, 40_000]), np.array([45_000, 55_000]))
    assert index == pytest.approx(0.04315 + 0.04777, abs=2e-5)
    assert population_stability_index(np.array([6, 4]), np.array([0, 10])) < 4, "an empty bin is no infinity"


@pytest.mark.parametrize(("freedom", "too_low"), [(1, 0.34), (2, 0.26), (5, 0.16), (20, 0.062), (64, 0.025)])
@pytest.mark.parametrize("deviate", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
def test_z_is_the_normal_deviate_as_likely_as_the_index(freedom: int, too_low: float, deviate: float) -> None:
    index = stats.chi2.isf(stats.norm.sf(deviate), freedom) * (1 / 2_000 + 1 / 74_000)
    assert deviate - too_low < Chance(freedom + 1, 2_000, 74_000).z(index) < deviate + 0.03


def drawn(seed: int, rows: int) -> list[Drift]:
    """Compare samples of one population; each time the reference is drawn anew."""
    random = np.random.default_rng(seed)
    shares = np.append(ZONES / ZONES.sum() * 0.98, [0.0199, 0.0001, 0])
    references = random.multinomial(REFERENCE_ROWS, shares, REPETITIONS)
    return list(map(compared, references, random.multinomial(rows, shares, REPETITIONS)))


@pytest.mark.parametrize("rows", [500, 2_000, 10_000, 60_000])
def test_without_drift_z_is_standard_normal_and_size_is_zero_on_average(rows: int) -> None:
    made = drawn(rows, rows)
    z, sizes = np.array([one.z for one in made]), np.array([one.size for one in made])
    assert (abs(z.mean()) < 0.25, abs(z.std() - 1) < 0.1) == (True, True), (z.mean(), z.std())
    assert stats.kstest(z, "norm").statistic < 0.12
    assert abs(sizes.mean()) < 0.25 * sizes.std()
    assert not any(one.rings(WEEK) for one in made)


def test_sparse_bins_are_compared_as_one() -> None:
    """A tenth of the rows, in 400 zones: none of these expects five of 500 rows."""
    reference = np.array([60_000, 6_000, *[20] * 400, 0, 0, 0])
    random = np.random.default_rng(8)
    made = [compared(reference, random.multinomial(500, reference / reference.sum())) for _ in range(500)]
    assert {one.compared for one in made} == {3}
    assert abs(np.mean([one.z for one in made])) < 0.25


def test_of_sixty_thousand_rows_any_difference_is_beyond_chance_and_a_small_one_does_not_ring() -> None:
    drift = compared([37_000, 37_000, 0, 0, 0], [31_500, 28_500, 0, 0, 0])
    assert (drift.z > 7, drift.size < 0.003, drift.rings(WEEK)) == (True, True, False)


def test_of_500_rows_a_large_difference_may_be_chance_and_does_not_ring() -> None:
    reference = [20_000] * 20 + [0, 0, 0]
    drift = compared(reference, [25 + (-1) ** at * 6 for at in range(20)] + [0, 0, 0])
    assert (drift.size > 0.01, drift.z < 3, drift.rings(WEEK)) == (True, True, False)


@pytest.mark.parametrize(("at", "what"), [(-1, "missing"), (-2, "not listed")])
def test_what_the_reference_never_had_rings_from_500_rows_on(at: int, what: str) -> None:
    reference, counts = np.array([40_000, 20_000, 0, 0, 0]), np.array([317, 158, 0, 0, 0])
    counts[at] = 25
    drift = compared(reference, counts)
    assert drift.bins.names[at] == what
    assert drift.rings(WEEK)
    assert not compared(reference, counts - [0, 1, 0, 0, 0]).rings(WEEK), "of fewer rows none is judged"
    assert compared(reference * 10, counts * 10).rings(DAY)


def test_a_profile_of_no_row_does_not_ring_and_says_zero() -> None:
    for drift in (compared([5, 5, 0, 0, 0], [0] * 5), compared([0] * 5, [500, 500, 0, 0, 0])):
        assert (drift.psi, drift.size, drift.z, drift.compared) == (0, 0, 0, 0)


def test_a_column_that_has_one_value_only_cannot_drift() -> None:
    drift = compared([74_000, 0, 0, 0, 0], [1_000, 0, 0, 0, 0])
    assert (drift.z, drift.size, drift.compared) == (0, 0, 1)


def test_profiles_of_other_bins_are_not_compared() -> None:
    with pytest.raises(ValueError, match="other bins than the reference"):
        drifts(of([1, 0, 0, 0]), of([1, 1, 0, 0, 0]))


@pytest.mark.parametrize("reference_rows", [500, 2_000, 5_000, 8_000, 20_000])
@pytest.mark.parametrize("rows", [500, 25_000])
def test_no_sample_rings_because_the_reference_has_missed_labels(reference_rows: int, rows: int) -> None:
    """Without a least number of rows for each label all would, up to 3,000 rows of the reference."""
    random = np.random.default_rng(reference_rows)
    shares = 1 / np.arange(1, 266)
    for _ in range(20):
        seen, later = (random.choice(265, size, p=shares / shares.sum()).tolist() for size in (reference_rows, rows))
        reference = reference_of([Sample("zone", "long", seen, declared=set(seen))])
        [drift] = drifts(reference, Profiler(reference.bins, ["zone"]).profile([later], [None] * rows))
        assert not drift.rings(WEEK)
        assert drift.judged is (reference_rows >= 30 * len(set(seen)))
        assert drift.verdict(WEEK) == ("as in training" if drift.judged else "small reference")


def test_a_reference_of_few_labels_may_be_small() -> None:
    drift = compared([60, 30, 0, 0, 0], [100, 900, 0, 0, 0])
    assert (drift.judged, drift.verdict(WEEK)) == (True, "RINGS")
    assert compared([60, 30, 0, 0, 0], [100, 300, 0, 0, 0]).verdict(WEEK) == "too few rows"
