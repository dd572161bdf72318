"""The rides of the loop: known rides, arriving rides, and the rides of a faulty producer."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.malformed_events import KINDS
from stream_consumer.local.demo.ride_producer import ride_events
from stream_consumer.sinks import Entry
from stream_consumer.training.holdout import choose_holdout
from stream_consumer.training.progress import StageProgress
from stream_consumer.training.rides import FEATURES, Rides, load_rides
from stream_consumer.training.synthetic import synthetic_rides

KILOMETRES = 1.609344
_ROADWORKS_FROM = 24
"""The first champion is trained on January's first four fifths, so its training has no ride of these days."""
_MALFORMED = list(KINDS.values())


@dataclass(frozen=True, slots=True)
class LoopRides:
    """
    All rides, and the time from which rides arrive during the loop.

    This time is the start of the last full month. ``train`` holds this month out, so no model of the loop is fitted on
    it.
    """

    everything: Rides
    arriving_from: np.datetime64

    @property
    def known(self) -> Rides:
        rides = self.everything.where(self.everything.pickup_time < self.arriving_from)
        return replace(rides, origin=f"{rides.origin}, before {self.arriving_from}")

    @property
    def arriving(self) -> Rides:
        return self.everything.where(self.everything.pickup_time >= self.arriving_from).within_bounds()

    @property
    def in_kilometres(self) -> Rides:
        """All rides. The distances of known rides are in kilometres, as from a producer that changed the unit."""
        rides = self.everything
        factor = np.where(rides.pickup_time < self.arriving_from, KILOMETRES, 1.0)
        origin = f"{rides.origin}, distances before {self.arriving_from} in kilometres"
        return replace(rides, origin=origin, trip_distance=(rides.trip_distance * factor).round(2))


def loop_rides(sources: Sequence[str], count: int, seed: int, progress: StageProgress) -> LoopRides:
    """Return the rides of *sources*. Without sources, return *count* synthetic rides that drift from 25 January on."""
    if sources:
        rides = load_rides(sources, bounded=False, progress=progress)
    else:
        rides = synthetic_rides(count, seed=seed, roadworks_from=_ROADWORKS_FROM)
    return LoopRides(rides, choose_holdout(rides.within_bounds()).begins)


def shuffled(rides: Rides, seed: int) -> Rides:
    """Return *rides* in a random order, so that the errors of models for different parts are comparable."""
    order = np.random.default_rng(seed).permutation(len(rides))
    columns = ("ride_id", *FEATURES, "duration", "pickup_time")
    return replace(rides, **{column: getattr(rides, column)[order] for column in columns})


def endless_events(rides: Rides, malformed: float) -> Iterator[Entry]:
    """
    Yield *rides* again and again, each with its own identifier, 0, 1, 2 and so on.

    Between the rides is an evenly spread share of *malformed* events. Their partition keys are not numbers.
    """
    spoiled = itertools.count()
    share = malformed / (1 - malformed)
    for first in itertools.count(0, len(rides)):
        numbered = replace(rides, ride_id=np.arange(first, first + len(rides)))
        for number, event in enumerate(ride_events(numbered), start=first + 1):
            yield event
            if int(number * share) > int((number - 1) * share):
                at = next(spoiled)
                yield Entry(f"malformed-{at}", _MALFORMED[at % len(_MALFORMED)][0])


def verdict_of(entry: Entry) -> Reason | None:
    """Return the reason why an event of ``endless_events`` must become a dead letter, or None for a ride."""
    name, _, number = entry.partition_key.partition("malformed-")
    return None if name else _MALFORMED[int(number) % len(_MALFORMED)][1]
