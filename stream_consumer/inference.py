"""
Inference: n records in, n outcomes out, in order. An outcome is a prediction or a fault.

Nothing is written here. The stream's consumer, batch runs and web requests all ask here, so they get the same verdicts.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stream_consumer.contract.envelope import predicted_type
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.model import Model
from stream_consumer.scoring import Scorer


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
        self.scorer = Scorer(model, clock)
        self._clock = clock
        self._id_of = model.schema.id_of()

    def decide(self, records: Sequence[Record], deadline: float = math.inf) -> Decision:
        """
        Give each of *records* a prediction or a fault, until *deadline* (of the clock).

        Raises:
            ModelError: The model fails on its own example: no record is at fault and none is decided.
        """
        decode = self._model.schema.decode
        decoded = [record.fault or decode(record.data) for record in records]
        faults = {at: event for at, event in enumerate(decoded) if isinstance(event, InvalidRecord)}
        valid = [at for at in range(len(records)) if at not in faults] if faults else list(range(len(records)))
        events = [decoded[at] for at in valid] if faults else decoded
        started = self._clock()
        columns = self.scorer.columns(events)
        unseen = self.scorer.unseen(columns)
        outcomes = self.scorer.score(columns, deadline)
        seconds = self._clock() - started
        decided = valid[len(outcomes)] if len(outcomes) < len(valid) else len(records)
        unscorable = {at: one for at, one in zip(valid, outcomes, strict=False) if isinstance(one, InvalidRecord)}
        faults = {at: fault for at, fault in (faults | unscorable).items() if at < decided}
        if faults or decided < len(records):
            valid = [at for at in valid if at < decided and at not in faults]
            events = [decoded[at] for at in valid]
            outcomes = [outcome for outcome in outcomes if not isinstance(outcome, InvalidRecord)]
        return Decision(
            predictions=self._predictions(outcomes, events, [records[at].event_id for at in valid]),
            positions=valid,
            faults=faults,
            decided=decided,
            unseen_categories=unseen,
            model_seconds=seconds,
        )

    def _predictions(
        self, values: Sequence[Any], events: Sequence[Any], event_ids: Sequence[str | None]
    ) -> list[Prediction]:
        columns = [values] if self._id_of is None else [values, list(map(self._id_of, events))]
        predicted = map(predicted_type(self._model.schema.envelope), *columns)
        model = itertools.repeat(self._model.name), itertools.repeat(self._model.version)
        return list(map(Prediction, *model, predicted, event_ids))
