"""
Inference: n records in, n outcomes out, in order. An outcome is a prediction or a fault.

This module writes nothing. The stream's consumer, batch runs and web requests all call this module, so they reach the
same verdicts.

Example: three records, the second without a distance::

    position   decoded         row of the model call   outcome
    0          event           0                       prediction p0
    1          InvalidRecord   none                    fault f1, reason "schema"
    2          event           1                       prediction p2

``decide`` returns ``predictions=[p0, p2]``, ``positions=[0, 2]``, ``faults={1: f1}`` and ``decided=3``. Three index
spaces meet here: positions in the batch, rows of the model call, and indices of the predictions. ``positions[i]`` is
the position of the record of ``predictions[i]``.

Invariant: each position below ``decided`` stands either in ``positions`` or in ``faults``, never in both. Positions
from ``decided`` on stand in neither, because the deadline passed before their rows were isolated.
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
    """The outcomes of a batch's records."""

    predictions: list[Prediction]
    """A prediction for each scored record, in order."""
    positions: list[int]
    """The position of each prediction's record."""
    faults: dict[int, InvalidRecord]
    """The fault of each record without a prediction, by position."""
    decided: int
    """Number of leading records with an outcome. All of them, unless the deadline passed."""
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
            ModelError: The model fails on its own example. No record is at fault and none is decided.
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
        unscorable = {valid[at]: one for at, one in enumerate(outcomes) if isinstance(one, InvalidRecord)}
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
