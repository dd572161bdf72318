"""Two months of rides, with a model that was fitted on the first and tested on the second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_consumer.monitor.drift import Drift, Limits, drifts
from stream_consumer.profiling.bins import Bins, Counts, counter
from stream_consumer.profiling.profile import Profile, Profiler
from stream_consumer.training.fit import FloatArray, Predict, fit
from stream_consumer.training.holdout import choose_holdout
from stream_consumer.training.reference import COLUMNS, reference
from stream_consumer.training.rides import Rides

PICKUP, DROPOFF, DISTANCE = range(3)


@dataclass(frozen=True)
class Month:
    """The rides of a month as the model's input, by pickup time; those of taxis with a wrong clock are left out."""

    matrix: FloatArray
    hours: NDArray[np.int64]
    """Since the month began."""

    @classmethod
    def of(cls, rides: Rides) -> "Month":
        months, counts = np.unique(rides.pickup_time.astype("datetime64[M]"), return_counts=True)
        rides = rides.where(rides.pickup_time.astype("datetime64[M]") == months[counts.argmax()])
        order = np.argsort(rides.pickup_time, kind="stable")
        hours = rides.pickup_time[order].astype("datetime64[h]") - months[counts.argmax()].astype("datetime64[h]")
        return cls(rides.matrix()[order], hours.astype(np.int64))

    def sample(self, rides: int, seed: int) -> FloatArray:
        drawn: FloatArray = self.matrix[np.random.default_rng(seed).integers(len(self.matrix), size=rides)]
        return drawn

    def windows(self, hours: int, step: int) -> Iterator[NDArray[np.int64]]:
        """Give the positions of the rides of each full window of so many hours, a step apart."""
        for start in range(0, 28 * 24 - hours + 1, step):
            yield np.arange(*np.searchsorted(self.hours, [start, start + hours]))


@dataclass(frozen=True)
class City:
    """Both months, and what the model of the first carries."""

    january: Month
    february: Month
    predict: Predict
    reference: Profile

    @classmethod
    def of(cls, rides: Rides) -> "City":
        training, test = choose_holdout(rides).split(rides)
        fitted = fit(training, seed=42)
        return cls(Month.of(training), Month.of(test), fitted.model.predict, reference(fitted, training, test))

    def compared(self, rides: FloatArray) -> list[Drift]:
        """Compare rides with the reference, as a monitor does."""
        profiler = Profiler(self.reference.bins, [column.name for column in COLUMNS])
        columns = [column.tolist() for column in rides.T]
        return drifts(self.reference, profiler.profile(columns, self.predict(rides).tolist()))

    def ringing(self, rides: FloatArray, limits: Limits) -> set[str]:
        return ringing(self.compared(rides), limits)

    def codes(self, rides: FloatArray) -> list[NDArray[np.intp]]:
        """Return the bin of each ride in each column, so that many samples can be counted quickly."""
        columns = [*rides.T, self.predict(rides)]
        return list(map(_codes, self.reference.bins, columns))

    def compared_at(self, codes: Sequence[NDArray[np.intp]], positions: NDArray[np.int64]) -> list[Drift]:
        """Compare the rides at *positions*."""
        counts: tuple[Counts, ...] = tuple(
            np.bincount(column[positions], minlength=len(bins.names))
            for column, bins in zip(codes, self.reference.bins, strict=True)
        )
        return drifts(self.reference, Profile(self.reference.bins, counts))


def _codes(bins: Bins, column: NDArray[np.float64]) -> NDArray[np.intp]:
    if bins.kind == "number":
        return np.searchsorted(bins.edges, column)
    values, places = np.unique(column, return_inverse=True)
    codes: NDArray[np.intp] = np.array([counter(bins)([value]).argmax() for value in values.tolist()])[places]
    return codes


def ringing(compared: Sequence[Drift], limits: Limits) -> set[str]:
    return {one.bins.title for one in compared if one.rings(limits)}
