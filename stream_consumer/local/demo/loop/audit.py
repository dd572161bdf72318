"""
Comparing the results of the loop with its events and releases.

The rule: nothing is taken on trust. Each ride has a number and each prediction has the position of its record, so every
lost or overtaken prediction is found.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import Reason
from stream_consumer.reader import Received
from stream_consumer.training.file_registry import Entry


@dataclass(frozen=True, slots=True)
class Phase:
    """The predictions of one model version in a row, with their RMSE in minutes."""

    version: str
    predictions: int
    rmse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The events that were put, and the results."""

    rides: int
    """Number of rides that were put. They are numbered from 0."""
    malformed: Mapping[Reason, int]
    """Number of events that must become dead letters, by reason."""
    released: Sequence[str]
    """Model versions in the order of their release. Two consecutive versions differ."""
    durations: NDArray[np.float64]
    """True durations in minutes. Ride n has the duration at n modulo the length."""
    received: Sequence[Received]
    """Predictions without duplicates, in the order of each output shard."""
    duplicates: int
    dead_letters: Mapping[Reason, int]
    discarded: int
    """Records that the event source mapping gave up on."""
    refused: Entry
    """The version that did not become champion."""

    @property
    def put(self) -> int:
        return self.rides + sum(self.malformed.values())

    @property
    def lost(self) -> int:
        """Records without a prediction and without a dead letter."""
        letters = sum(max(0, count - self.dead_letters.get(reason, 0)) for reason, count in self.malformed.items())
        return len(set(range(self.rides)) - {one.prediction.id for one in self.received}) + letters

    @property
    def phases(self) -> list[Phase]:
        """The predictions of each release. Empty if a shard has other releases or another order."""
        shards = [_runs(predictions) for predictions in self._by_shard().values()]
        if not shards or any([version for version, _ in runs] != list(self.released) for runs in shards):
            return []
        phases = zip(*([made for _, made in runs] for runs in shards), strict=True)
        return [
            self._phase(version, [one for part in parts for one in part])
            for version, parts in zip(self.released, phases, strict=True)
        ]

    @property
    def faults(self) -> list[str]:
        """Differences from the expected results."""
        found = [
            (self.lost, f"{self.lost:,} of {self.put:,} records are lost"),
            (self.discarded, f"the event source mapping gave up on {self.discarded:,} records"),
            (self.overtaken, f"{self.overtaken:,} predictions were published after the one of a later record"),
            (not self.phases, f"the shards have not seen the model versions {', '.join(self.released)} in this order"),
            (
                len(self.received) > self.rides,
                f"{len(self.received):,} predictions came of {self.rides:,} rides",
            ),
            (
                any(one.prediction.version == self.refused.version for one in self.received),
                f"version {self.refused.version} was refused, and has predicted",
            ),
        ]
        reasons = [
            f"{count} dead letters are {reason.value}, {self.malformed.get(reason, 0)} were expected"
            for reason, count in self.dead_letters.items()
            if count != self.malformed.get(reason, 0)
        ]
        return [text for wrong, text in found if wrong] + reasons

    @property
    def overtaken(self) -> int:
        """Predictions after the prediction of a later record of the same input shard, by output shard."""
        latest: dict[tuple[str, str], int] = {}
        count = 0
        for one in self.received:
            shard, position = _position(one.prediction)
            before = latest.get((one.shard_id, shard), -1)
            count += position < before
            latest[one.shard_id, shard] = max(before, position)
        return count

    def _by_shard(self) -> dict[str, list[Prediction]]:
        """Return the predictions by the input shard of their records, in the order of the records."""
        ordered = sorted((one.prediction for one in self.received), key=_position)
        return {shard: list(made) for shard, made in itertools.groupby(ordered, key=lambda one: _position(one)[0])}

    def _phase(self, version: str, made: Sequence[Prediction]) -> Phase:
        numbers = np.array([int(one.id or 0) for one in made])
        errors = np.array([one.value for one in made]) - self.durations[numbers % len(self.durations)]
        return Phase(version, len(made), float(np.sqrt(np.mean(errors**2))))


def _runs(made: Sequence[Prediction]) -> list[tuple[str, list[Prediction]]]:
    return [(version, list(run)) for version, run in itertools.groupby(made, key=attrgetter("version"))]


def _position(prediction: Prediction) -> tuple[str, int]:
    """Return the shard and the sequence number of the prediction's record."""
    shard, _, number = (prediction.event_id or "").rpartition(":")
    return shard, int(number)
