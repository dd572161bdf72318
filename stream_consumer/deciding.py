"""
Deciding: n records in, a prediction or a fault for each, and nothing written.

This is what all doors share: the stream's consumer, files and requests get the same verdicts because they ask here.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from stream_consumer import scoring
from stream_consumer.contract import Event, EventSchema, InvalidRecord, Prediction, Record, RideDuration
from stream_consumer.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Identity:
    """What predictions say they were made by."""

    model: str
    version: str


class Model(scoring.Model, Protocol):
    """What deciding needs of a model."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...


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

    def __init__(
        self, schema: EventSchema, scorer: Scorer, identity: Identity, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._schema = schema
        self._scorer = scorer
        self._identity = identity
        self._clock = clock

    @classmethod
    def of(cls, model: Model) -> "Decider":
        return cls(model.schema, Scorer(model), Identity(model.name, model.version))

    def decide(self, records: Sequence[Record], deadline: float = math.inf) -> Decision:
        """
        Give each of *records* a prediction or a fault, until *deadline* (of the clock).

        Raises:
            ModelError: The model fails on its own example: no record is at fault and none is decided.
        """
        decoded = list(map(self._schema.decode, [record.data for record in records]))
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
        model, version = self._identity.model, self._identity.version
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
