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
# Of a row: what an empty bin counts for, or its logarithm would be infinite.
_PSEUDO_COUNT = 0.5

LEAST_ROWS = 500
"""Fewer rows do not ring: their verdicts have not been measured."""

LEAST_PER_LABEL = 30
"""
Rows of a reference for each of its labels. With fewer it has missed many of the labels that there are.

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
"""For rows of all hours and weekdays, as the reference has them: those of a week, or a random sample."""

DAY = Limits(z=5.0, size=0.2)
"""For the rows of one day, which are no sample of all days."""

NO_LIMITS = Limits(z=math.inf, size=math.inf)
"""For rows of so few hours that nothing of them rings."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the rows of a profile differ from the reference in one column."""

    bins: Bins
    rows: int
    reference: int
    """Rows of the reference."""
    compared: int
    """The bins that were compared, after sparse ones were merged."""
    psi: float
    """The population stability index: the sum of (p - q) ln(p / q) over shares p of the rows and q of the reference."""
    size: float
    """The index less what chance is expected to make of it. Without drift it is zero on average."""
    z: float
    """The index in standard deviations of chance: normally distributed without drift, whatever the number of bins."""

    @property
    def judged(self) -> bool:
        """Whether both sides have rows enough for a verdict."""
        return self.rows >= LEAST_ROWS and not self._is_reference_small

    @property
    def _is_reference_small(self) -> bool:
        labels = len(self.bins.labels) + len(self.bins.rare)
        return self.reference < LEAST_PER_LABEL * labels

    def rings(self, limits: Limits) -> bool:
        return self.judged and self.z >= limits.z and self.size >= limits.size

    def verdict(self, limits: Limits) -> str:
        """Return what a reader is told."""
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
        ValueError: The two have different bins.
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
    Return both counts with the sparse bins as one, and without bins that are empty in both.

    A bin is sparse if the smaller of both, were it drawn from both together, would be expected to have less than five
    rows in it. The last bins are not merged: a value of a kind that the reference does not have would be lost.
    """
    both = reference + counts
    share = min(reference.sum(), counts.sum()) / both.sum()
    sparse = both * share < _LEAST_EXPECTED
    sparse[-APART:] = False
    parts = [np.append(part[~sparse], part[sparse].sum()) for part in (reference, counts)]
    some = parts[0] + parts[1] > 0
    return parts[0][some], parts[1][some]


def population_stability_index(reference: Counts, counts: Counts) -> float:
    """Return the index of n *counts* to n of the *reference*; a half is added to each, since bins may be empty."""
    shares = [(part + _PSEUDO_COUNT) / (part + _PSEUDO_COUNT).sum() for part in (reference, counts)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


@dataclass(frozen=True, slots=True)
class Chance:
    """
    What the index is if *rows* and *reference* are samples of one population, counted in *bins*.

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

        From 0 to 5 it is 0.06 too low at most with twenty degrees of freedom, and 0.34 with one.

        Source: Wilson and Hilferty, "The distribution of chi-square", PNAS 17 (1931): its cube root is nearly normal.
        """
        freedom = self.bins - 1
        if not freedom:
            return 0.0
        variance = 2 / (9 * freedom)
        return (math.cbrt(psi / self._scale / freedom) - (1 - variance)) / math.sqrt(variance)
