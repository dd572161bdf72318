"""
Choose the rides for testing the model.

The rule: the test rides are later than the training rides, as in service.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_consumer.errors import UsageError
from stream_consumer.training.rides import Rides

SPLIT_SHARE = 0.2
MINIMUM_RIDES = 100
_FULL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Holdout:
    """The rides with a pickup at *begins* or later. *description* explains them to people."""

    begins: np.datetime64
    description: str

    def split(self, rides: Rides) -> tuple[Rides, Rides]:
        """Return the rides for training and the rides for testing."""
        late = rides.pickup_time >= self.begins
        return rides.where(~late), rides.where(late)


def choose_holdout(rides: Rides) -> Holdout:
    """
    Choose the last month if the rides span several months, else the last fifth by pickup time.

    Only full months count, see :func:`full_periods`.

    Raises:
        UsageError: Too few rides, or all with the same pickup time.
    """
    if len(rides) < MINIMUM_RIDES:
        raise UsageError(f"{len(rides)} rides are too few to train and to test on; {MINIMUM_RIDES} are the least")
    full = full_periods(rides, "M")
    if len(full) > 1:
        return Holdout(full[-1].astype("datetime64[s]"), f"{full[-1]}, the last of {len(full)} months")
    begins = np.sort(rides.pickup_time)[-int(SPLIT_SHARE * len(rides))]
    if begins == rides.pickup_time.min():
        raise UsageError(
            f"{rides.origin}: most rides have the same pickup time {begins}, so there is no later part to test on"
        )
    return Holdout(begins, f"the last {SPLIT_SHARE:.0%} by pickup time, from {begins} on")


def full_periods(rides: Rides, unit: Literal["D", "M"]) -> NDArray[np.datetime64]:
    """
    Return the full days or months of *rides*: those with at least a tenth of the rides of the fullest.

    A monthly file of the TLC holds strays from other months, some years away, since taxis' clocks can be wrong.
    """
    periods, counts = np.unique(rides.pickup_time.astype(f"datetime64[{unit}]"), return_counts=True)
    full: NDArray[np.datetime64] = periods[counts >= _FULL_SHARE * counts.max(initial=0)]
    return full
