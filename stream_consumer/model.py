"""
A loaded model: its schema, and one call that predicts n rows.

The rule: a model that fails on its own example is never served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.errors import ModelError, described
from stream_consumer.outputs import Output, fault_of, values_of

_TOLERANCE = 1e-6

Columns = Sequence[Sequence[Any]]
"""
One sequence of n values for each column of the signature, in its order; a missing optional value is None.

NumPy arrays will do for sequences, although their type does not say so.
"""

Predict = Callable[[Columns], Any]
"""What the model returns for n rows; :func:`values_of` says which shapes are understood."""


@dataclass(frozen=True)
class Model:
    """A loaded model. It has predicted its example, unless it has none."""

    name: str
    version: str
    location: str
    digest: str
    """SHA-256 of the directory, as MODEL_DIGEST pins it."""
    schema: EventSchema
    predict: Predict
    """Takes columns of n values each, in the signature's order."""
    names: Sequence[str] = ()
    """Of several outputs: the signature's, or the classes that probabilities are of."""
    output: Output | None = None
    """The type of its predictions; None if no row could be predicted at init."""
    unit: str = ""
    """Of the prediction, such as minutes; empty if the model does not say."""
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """Values of a column that training saw."""
    example: Columns = ()
    """Rows to check it by, by column: the input example, else a row that was made; empty if none could be made."""
    expected: Sequence[Any] = ()
    """Predictions that training recorded for the example; empty if it did not."""
    reference: str = ""
    """The profile of what it was trained on and predicted, as its metadata has it; empty without one."""
    concurrent: bool = False
    """Whether several threads may call :attr:`predict` at once, and get what one thread gets."""

    def values(self, columns: Columns) -> list[Any]:
        """
        Return a JSON value for each of n rows, in order; floats may be infinite or NaN.

        Raises:
            Exception: Whatever the model raises, and ValueError for a result of another shape.
        """
        return values_of(self.predict(columns), len(columns[0]), self.names)

    def check(self) -> list[Any]:
        """
        Return what the model predicts for its example; empty if it has none.

        Raises:
            ModelError: It fails, is not finite, or differs from what training recorded.
        """
        if not self.example:
            return []
        try:
            values = self.values(self.example)
        except Exception as error:  # (a model may raise anything)
            raise ModelError(
                f"the model at {self.location} fails on its own input example: {described(error)}; "
                "log it with an input_example that it predicts, and with the libraries that are installed here"
            ) from error
        fault = next(filter(None, map(fault_of, values)), None)
        if fault:
            raise ModelError(
                f"the model at {self.location} predicts {values} for the {len(values)} rows of its input example "
                f"({fault}); wanted one finite prediction a row"
            )
        if self.expected and not _alike(values, self.expected):
            raise ModelError(
                f"the model at {self.location} predicts {values} for its input example, but training "
                f"recorded {list(self.expected)}; other library versions load it than saved it: train it again"
            )
        return values

    def check_another_size(self) -> None:
        """
        Predict one row of the example, or its only row twice: k outputs could be taken for as many rows.

        Raises:
            ModelError: The shape of the predictions does not follow the number of rows.
        """
        if not self.example:
            return
        rows = [column[:1] if len(column) > 1 else [*column, *column] for column in self.example]
        try:
            raw = self.predict(rows)
        except Exception:  # noqa: BLE001 (a model may take batches of one size alone, and those are checked)
            return
        try:
            values_of(raw, len(rows[0]), self.names)
        except ValueError as error:
            raise ModelError(
                f"the model at {self.location} fails on another number of rows than its input example has: {error}, "
                "however many there are: return an array (n,) or (n, k), a list of n, or a mapping of k columns"
            ) from error


def _alike(values: Sequence[Any], expected: Sequence[Any]) -> bool:
    if len(values) != len(expected):
        return False
    if all(isinstance(value, (int, float)) for value in (*values, *expected)):
        return bool(np.allclose(values, expected, rtol=_TOLERANCE, atol=_TOLERANCE))
    return list(values) == list(expected)
