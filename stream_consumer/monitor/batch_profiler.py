"""
A batch of records → its tally, with the schema and the predictions of the model.

The rule: the verdicts are the consumer's. A dead letter of the consumer counts as invalid here, and no profile has it.
"""

import time
from collections.abc import Callable, Sequence

from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.model import Model
from stream_consumer.monitor.window_tally import WindowTally
from stream_consumer.profiling.profile import Profile
from stream_consumer.profiling.reference import carried_by
from stream_consumer.scoring import Scorer


class BatchProfiler:
    """Profiles batches in the bins of the reference that a model carries."""

    def __init__(self, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Take the *model* that the consumer serves.

        Raises:
            ModelError: The model has no reference, or its reference cannot be read.
        """
        self.reference, self._profiler = carried_by(model)
        self._schema = model.schema
        self._scorer = Scorer(model, clock)

    def tally(self, records: Sequence[Record], deadline: float) -> WindowTally:
        """
        Return the tally of *records*. Records without a prediction by *deadline* (of the clock) are skipped.

        Raises:
            ModelError: The model fails on its own example, so no record is at fault.
        """
        decoded = [self._schema.decode(record.data) for record in records]
        events = [event for event in decoded if not isinstance(event, InvalidRecord)]
        columns = self._scorer.columns(events)
        outcomes = self._scorer.score(columns, deadline)
        kept = [at for at, outcome in enumerate(outcomes) if not isinstance(outcome, InvalidRecord)]
        profile = (
            self._profiler.profile([[column[at] for at in kept] for column in columns], [outcomes[at] for at in kept])
            if kept
            else Profile.empty(self.reference.bins)
        )
        skipped = len(events) - len(outcomes)
        return WindowTally(profile, len(records), len(records) - skipped - len(kept), skipped)
