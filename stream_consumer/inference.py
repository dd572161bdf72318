"""
Inference: n records in, n outcomes out, in order. An outcome is a prediction or a fault.

Nothing is written here. The stream's consumer, batch runs and web requests all ask here, so they get the same verdicts.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from stream_consumer.contract.prediction import Prediction, RideDuration
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.model import Model
from stream_consumer.scoring import Scorer

if TYPE_CHECKING:
    from stream_consumer.contract.event_schema import Event


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a batch's records."""

    predictions: list[Prediction]
    """One for each record that could be scored, in order."""
    positions: list[int]
    """Which record each prediction is of."""
    faults: dict[int, InvalidRecord]
    """Why a record has none, by its position."""
    decided: int
    """How many records from the start are decided; all of them unless the deadline came."""
    unseen_categories: int
    model_seconds: float

    def outcomes(self) -> list[Prediction | InvalidRecord]:
        """Return the outcome of each decided record, in order."""
        made = dict(zip(self.positions, self.predictions, strict=True))
        return [made[at] if at in made else self.faults[at] for at in range(self.decided)]


class Decider:
    """Decodes and scores batches."""

    def __init__(self, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._scorer = Scorer(model, clock)
        self._clock = clock

    def decide(self, records: Sequence[Record], deadline: float = math.inf) -> Decision:
        """
        Give each of *records* a prediction or a fault, until *deadline* (of the clock).

        Raises:
            ModelError: The model fails on its own example: no record is at fault and none is decided.
        """
        decoded = list(map(self._model.schema.decode, [record.data for record in records]))
        faults = {at: event for at, event in enumerate(decoded) if isinstance(event, InvalidRecord)}
        valid = [at for at in range(len(records)) if at not in faults]
        events = cast("list[Event]", [decoded[at] for at in valid])
        started = self._clock()
        columns = self._scorer.columns(events)
        unseen = self._scorer.unseen(columns)
        minutes = self._scorer.score(columns, deadline)
        seconds = self._clock() - started
        decided = valid[len(minutes)] if len(minutes) < len(valid) else len(records)
        faults |= {at: fault for at, fault in zip(valid, minutes, strict=False) if isinstance(fault, InvalidRecord)}
        model, version = self._model.name, self._model.version
        return Decision(
            predictions=[
                Prediction(model, version, RideDuration(duration, event.ride_id), records[at].event_id)
                for at, event, duration in zip(valid, events, minutes, strict=False)
                if not isinstance(duration, InvalidRecord)
            ],
            positions=[at for at in valid if at < decided and at not in faults],
            faults={at: fault for at, fault in faults.items() if at < decided},
            decided=decided,
            unseen_categories=unseen,
            model_seconds=seconds,
        )
