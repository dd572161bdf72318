"""
Scoring: n rows in, n outcomes out, in order, with a single model call.

The rule: a row is at fault only if the model refuses the row alone. Only a model that has already predicted a row can
blame a row.

Example: three rows, of which the model refuses the second::

    predict(r0, r1, r2)   raises
    predict(example)      succeeds, so the rows are at fault and not the model
    predict(r0)           → 17.2
    predict(r1, r2)       raises
    predict(r1)           raises → InvalidRecord(UNSCORABLE)
    predict(r2)           → 21.3

Without an example, a model that has not predicted any row yet is itself at fault if its first and last row also fail
alone.

Invariant: outcome i belongs to row i. There are as many outcomes as rows, unless isolating rows ran past the deadline.
In this case the leading rows have an outcome and the rest have none.
"""

import math
import operator
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from stream_consumer.contract.event_schema import Event
from stream_consumer.contract.printable import printable
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.errors import ModelError, described
from stream_consumer.model import Columns, Model
from stream_consumer.outputs import fault_of

# Libraries quote refused values, and such a value may be a megabyte long.
_MAX_DETAIL = 500
_QUOTED = re.compile(r"'[^']*'?|\"[^\"]*\"?")


def unquoted(fault: str) -> str:
    """
    Return *fault* in a form for logs and exceptions: escaped, and without the values that libraries quote.

    The values are a producer's, and no log carries a payload.
    """
    return printable(_QUOTED.sub("…", fault))


class Scorer:
    """Scores batches of decoded events with a model."""

    def __init__(self, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._proven = False
        """Whether the model has predicted a row."""
        self._suspected = False
        """Whether a batch of several rows has failed before the model was proven."""
        self._path = model.schema.envelope.path
        self._getters = [operator.attrgetter(field) for field in model.schema.fields]
        self._categories = [
            (index, model.categories[column.name])
            for index, column in enumerate(model.schema.columns)
            if column.name in model.categories
        ]

    @property
    def is_proven(self) -> bool:
        """Whether outcomes no longer depend on earlier batches: the model has predicted its example, or any row."""
        return self._proven or bool(self._model.example)

    def columns(self, events: Sequence[Event]) -> list[list[Any]]:
        return [list(map(getter, events)) for getter in self._getters]

    def unseen(self, columns: Columns) -> int:
        """Return the number of values in categorical columns that training never saw."""
        return sum(
            len(columns[index]) - sum(map(categories.__contains__, columns[index]))
            for index, categories in self._categories
        )

    def score(self, columns: Columns, deadline: float) -> list[Any]:
        """
        Return for each row its prediction, a JSON value, or the :class:`InvalidRecord` with the fault.

        If isolating bad rows runs past *deadline* (of the clock), only the leading rows have an outcome.

        Raises:
            ModelError: The model is broken, not the rows. The model fails on its own example, or has no example and
                never predicted a row.
            MemoryError: The machine is too small for the batch. No row is at fault.
        """
        if not len(columns[0]):  # an array has no truth
            return []
        values, fault = self._tried(columns)
        if values is None:
            self._acquit_the_model(columns, fault)
            outcomes: list[Any] = []
            self._halve(columns, fault, deadline, outcomes)
        else:
            outcomes = self._finite(values)
        if any(not isinstance(outcome, InvalidRecord) for outcome in outcomes):
            self._proven = True
        elif values is not None:
            self._acquit_the_model(columns, outcomes[0].detail)
        return outcomes

    def _halve(self, columns: Columns, fault: str, deadline: float, outcomes: list[Any]) -> bool:
        """
        Append an outcome for each row of a refused batch.

        Return False if the deadline passed before the last row.
        """
        rows = len(columns[0])
        if rows == 1:
            outcomes.append(InvalidRecord(Reason.UNSCORABLE, self._path, fault))
            return True
        half = rows // 2
        parts = [column[:half] for column in columns], [column[half:] for column in columns]
        return all(self._clock() <= deadline and self._isolate(part, deadline, outcomes) for part in parts)

    def _isolate(self, columns: Columns, deadline: float, outcomes: list[Any]) -> bool:
        """Append an outcome for each row. Return False if the deadline passed before the last row."""
        values, fault = self._tried(columns)
        if values is None:
            return self._halve(columns, fault, deadline, outcomes)
        outcomes += self._finite(values)
        return True

    def _tried(self, columns: Columns) -> tuple[list[Any] | None, str]:
        """Return the model's predictions and "", or None and the failure."""
        try:
            return self._model.values(columns), ""
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a model may raise anything; which rows it refuses is what we find out)
            return None, described(error)[:_MAX_DETAIL]

    def _acquit_the_model(self, columns: Columns, fault: str) -> None:
        """
        Return if the rows may be at fault for a failed call: the model has predicted its example, or any row.

        Raises:
            ModelError: The example fails too. Or there is no example, and the first and the last row fail alone.
        """
        if self._model.check() or self._proven:
            return
        alone = {0, len(columns[0]) - 1} if len(columns[0]) > 1 else set()
        self._proven = any(self._predicts([column[at : at + 1] for column in columns]) for at in alone)
        # A single row proves nothing, unless the mapping has halved a larger batch down to this row.
        self._suspected = self._suspected or bool(alone)
        if self._suspected and not self._proven:
            raise ModelError(
                f"the model at {self._model.location} has not predicted any row yet and fails: {unquoted(fault)}; log "
                "it with an input_example that it predicts, so that it is tried before events come"
            )

    def _predicts(self, row: Columns) -> bool:
        values, _ = self._tried(row)
        return values is not None and fault_of(values[0]) is None

    def _finite(self, values: list[Any]) -> list[Any]:
        # The sum of finite floats may overflow. An overflow only costs the closer look below.
        if _surely_finite(values):
            return values
        return [
            InvalidRecord(Reason.UNSCORABLE, self._path, fault) if (fault := fault_of(value)) else value
            for value in values
        ]


def _surely_finite(values: list[Any]) -> bool:
    try:
        return math.isfinite(sum(values))
    except (TypeError, ValueError, OverflowError):
        return False
