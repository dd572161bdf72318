"""
Scoring: n events in, n outcomes out, in order, with one model call.

The rule: a row is at fault only if the model refuses it alone. When the call for a whole batch fails, the batch is
split until the offending rows stand by themselves; when *every* row fails, the model's own example decides whether the
rows or the model are broken.
"""

import operator
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.event_schema import Event
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.model import Columns, Model

# Libraries quote what they refuse, which may be a megabyte.
_MAX_DETAIL = 500


class Scorer:
    """Scores batches of decoded events with one model."""

    def __init__(self, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._getters = [operator.attrgetter(f"ride.{field}") for field in model.schema.fields]
        self._categories = [
            (index, model.categories[column.name])
            for index, column in enumerate(model.schema.columns)
            if column.name in model.categories
        ]

    def columns(self, events: Sequence[Event]) -> list[list[Any]]:
        return [list(map(getter, events)) for getter in self._getters]

    def unseen(self, columns: Columns) -> int:
        """Return how many values of the categorical columns training never saw."""
        return sum(
            len(columns[index]) - sum(map(categories.__contains__, columns[index]))
            for index, categories in self._categories
        )

    def score(self, columns: Columns, deadline: float) -> list[float | InvalidRecord]:
        """
        Return the minutes of each row, or why it has none, in order.

        Fewer than there are rows if isolating the offending ones took longer than *deadline* (of the clock) allows: the
        first rows are decided, the others are not.

        Raises:
            ModelError: Every row failed and so did the model's own example: the model is broken, not the rows.
            MemoryError: The machine is too small for the batch, which is not the fault of any row.
        """
        if not len(columns[0]):  # an array has no truth
            return []
        outcomes: list[float | InvalidRecord] = []
        self._isolate(columns, deadline, outcomes)
        if not any(isinstance(outcome, float) for outcome in outcomes):
            self._model.check()
        return outcomes

    def _isolate(self, columns: Columns, deadline: float, outcomes: list[float | InvalidRecord]) -> bool:
        """Append an outcome for each row; False, with some of them missing, if the deadline came."""
        rows = len(columns[0])
        try:
            outcomes += _finite(self._predict(columns, rows))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a model may raise anything; which rows it refuses is what we find out)
            if rows == 1:
                fault = f"{type(error).__name__}: {error}"[:_MAX_DETAIL]
                outcomes.append(InvalidRecord(Reason.UNSCORABLE, "$.ride", fault))
                return True
        else:
            return True
        half = rows // 2
        parts = [column[:half] for column in columns], [column[half:] for column in columns]
        return all(self._clock() <= deadline and self._isolate(part, deadline, outcomes) for part in parts)

    def _predict(self, columns: Columns, rows: int) -> NDArray[np.float64]:
        minutes = np.asarray(self._model.predict(columns), dtype=np.float64)
        if minutes.size != rows:
            raise ValueError(f"the model returned the shape {minutes.shape} for {rows} rows; wanted one number a row")
        return minutes.ravel()


def _finite(minutes: NDArray[np.float64]) -> list[float | InvalidRecord]:
    outcomes = cast("list[float | InvalidRecord]", minutes.tolist())
    for row in np.flatnonzero(~np.isfinite(minutes)):
        outcomes[row] = InvalidRecord(Reason.UNSCORABLE, "$.ride", f"the prediction is not finite: {minutes[row]}")
    return outcomes
