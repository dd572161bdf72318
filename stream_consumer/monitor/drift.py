"""
Drift: how far a profile is from the reference, and whether chance explains it.

The rule: a column rings only if it differs beyond chance (``z``) and by enough to matter (``size``). Among many rows
any difference is beyond chance, and among few rows a large one is not.

    >>> from stream_consumer.profiling.bins import Bins
    >>> bins = (Bins("plan", "label", labels=("basic", "family")),)
    >>> reference = Profile(bins, (np.array([6000, 4000, 0, 0, 0]),))
    >>> [drift] = drifts(reference, Profile(bins, (np.array([450, 550, 0, 0, 0]),)))
    >>> round(drift.psi, 3), round(drift.size, 3), round(drift.z, 1), drift.rings(WEEK)
    (0.091, 0.09, 7.6, True)
"""

import math
from dataclasses import dataclass

import numpy as np

from stream_consumer.profiling.bins import APART, Bins, Counts
from stream_consumer.profiling.profile import Profile

# Pearson's rule for the chi-squared distribution: each bin expects five or more.
_LEAST_EXPECTED = 5
# An empty bin counts as this part of a row, since its logarithm would be infinite.
_PSEUDO_COUNT = 0.5

LEAST_ROWS = 500
"""Least number of rows that can ring. Verdicts for fewer rows have not been measured."""

LEAST_PER_LABEL = 30
"""
Least number of rows of a reference for each label. A smaller reference misses many labels.

Then later rows would ring without drift. With 265 zones and a reference of 5,000 rides, 15 of 40 random samples of
25,000 did. With a reference of 8,000 none did.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The least ``z`` and ``size`` that ring, together."""

    z: float
    size: float

    def __str__(self) -> str:
        return "none yet" if self == NO_LIMITS else f"size {self.size:g}, z {self.z:g}"


WEEK = Limits(z=5.0, size=0.025)
"""Limits for rows of all hours and weekdays, like the reference: a week, or a random sample."""

DAY = Limits(z=5.0, size=0.2)
"""Limits for the rows of one day, which differ from other days."""

NO_LIMITS = Limits(z=math.inf, size=math.inf)
"""Limits for rows of too few hours, which never ring."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The difference of a profile's rows from the reference in one column."""

    bins: Bins
    rows: int
    reference: int
    """Rows of the reference."""
    compared: int
    """The compared bins, after merging sparse bins."""
    psi: float
    """The population stability index: the sum of (p - q) ln(p / q) over shares p of the rows and q of the reference."""
    size: float
    """The index minus its expected value by chance. Without drift the average is zero."""
    z: float
    """The index in standard deviations of chance: normally distributed without drift, whatever the number of bins."""

    @property
    def judged(self) -> bool:
        """Whether both sides have enough rows for a verdict."""
        return self.rows >= LEAST_ROWS and not self._is_reference_small

    @property
    def _is_reference_small(self) -> bool:
        labels = len(self.bins.labels) + len(self.bins.rare)
        return self.reference < LEAST_PER_LABEL * labels

    def rings(self, limits: Limits) -> bool:
        return self.judged and self.z >= limits.z and self.size >= limits.size

    def verdict(self, limits: Limits) -> str:
        """Return the verdict as text."""
        if self.rows < LEAST_ROWS:
            return "too few rows"
        if self._is_reference_small:
            return "small reference"
        if limits == NO_LIMITS:
            return "too few hours"
        return "RINGS" if self.rings(limits) else "as in training"


def drifts(reference: Profile, profile: Profile) -> list[Drift]:
    """
    Compare each column of *profile* with the *reference*, in the order of the columns.

    Raises:
        ValueError: *profile* has other bins than *reference*.
    """
    if reference.bins != profile.bins:
        raise ValueError("the profile has other bins than the reference; wanted a profile of the same model")
    return list(map(_drift, reference.bins, reference.counts, profile.counts))


def _drift(bins: Bins, reference: Counts, counts: Counts) -> Drift:
    rows, total = int(counts.sum()), int(reference.sum())
    if not (rows and total):
        return Drift(bins, rows, total, 0, 0.0, 0.0, 0.0)
    expected, seen = _merged(reference, counts)
    psi = population_stability_index(expected, seen)
    chance = Chance(len(seen), rows, total)
    return Drift(bins, rows, total, len(seen), psi, psi - chance.mean, chance.z(psi))


def _merged(reference: Counts, counts: Counts) -> tuple[Counts, Counts]:
    """
    Return both counts without bins that are empty in both, and with the sparse bins merged into one.

    A bin is sparse if the smaller of the two samples, drawn from both together, would have fewer than five rows in the
    bin. The last bins are not merged, since they tell of kinds of values that the reference does not have.
    """
    both = reference + counts
    share = min(reference.sum(), counts.sum()) / both.sum()
    sparse = both * share < _LEAST_EXPECTED
    sparse[-APART:] = False
    parts = [np.append(part[~sparse], part[sparse].sum()) for part in (reference, counts)]
    some = parts[0] + parts[1] > 0
    return parts[0][some], parts[1][some]


def population_stability_index(reference: Counts, counts: Counts) -> float:
    """Return the index of *counts* against *reference*. A half is added to each count, since bins may be empty."""
    shares = [(part + _PSEUDO_COUNT) / (part + _PSEUDO_COUNT).sum() for part in (reference, counts)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


@dataclass(frozen=True, slots=True)
class Chance:
    """
    The distribution of the index if *rows* and *reference* are samples of one population, counted in *bins*.

    To second order the index is a chi-squared statistic with bins - 1 degrees of freedom, times 1/rows + 1/reference.
    """

    bins: int
    rows: int
    reference: int

    @property
    def _scale(self) -> float:
        return 1 / self.rows + 1 / self.reference

    @property
    def mean(self) -> float:
        return (self.bins - 1) * self._scale

    def z(self, psi: float) -> float:
        """
        Return the standard normal deviate as likely as *psi*.

        From 0 to 5 the result is at most 0.06 too low with twenty degrees of freedom, and at most 0.34 with one degree.

        Source: Wilson and Hilferty, "The distribution of chi-square", PNAS 17 (1931): its cube root is nearly normal.
        """
        freedom = self.bins - 1
        if not freedom:
            return 0.0
        variance = 2 / (9 * freedom)
        return (math.cbrt(psi / self._scale / freedom) - (1 - variance)) / math.sqrt(variance)
