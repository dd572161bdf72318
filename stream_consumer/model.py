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
One sequence of n values for each column of the signature, in order. A missing optional value is None.

NumPy arrays are allowed as sequences, although the type does not say so.
"""

Predict = Callable[[Columns], Any]
"""The model's return value for n rows. :func:`values_of` describes the accepted shapes."""


@dataclass(frozen=True)
class Model:
    """A loaded model. A model with an example has predicted its example."""

    name: str
    version: str
    location: str
    digest: str
    """SHA-256 of the directory, the value to pin with MODEL_DIGEST."""
    schema: EventSchema
    predict: Predict
    """Takes columns of n values each, in the signature's order."""
    names: Sequence[str] = ()
    """Names of several outputs: from the signature, or the classes of probabilities."""
    output: Output | None = None
    """Type of the predictions. None if no row could be predicted at init."""
    unit: str = ""
    """Unit of the prediction, such as minutes. Empty if unknown."""
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """Values of categorical columns in the training data."""
    example: Columns = ()
    """Columns of the rows for the check: the input example, or a generated row. Empty if neither is possible."""
    expected: Sequence[Any] = ()
    """Predictions for the example, as recorded by training. Empty if training recorded none."""
    reference: str = ""
    """Profile of training data and predictions, from the metadata. May be empty."""
    concurrent: bool = False
    """Whether several threads may call :attr:`predict` at once, and get the same results as a single thread."""

    def values(self, columns: Columns) -> list[Any]:
        """
        Return a JSON value for each of n rows, in order. Floats may be infinite or NaN.

        Raises:
            Exception: Any exception of the model.
            ValueError: The result has the wrong shape.
        """
        return values_of(self.predict(columns), len(columns[0]), self.names)

    def check(self) -> list[Any]:
        """
        Return the model's predictions for its example. The list is empty without an example.

        Raises:
            ModelError: The call fails, or a prediction is not finite or differs from the recorded prediction.
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
                f"recorded {list(self.expected)}; the library versions differ from those of training: train it again"
            )
        return values

    def check_another_size(self) -> None:
        """
        Predict one row of the example, or its only row twice. Otherwise k outputs could be taken for k rows.

        Raises:
            ModelError: The shape of the predictions does not follow the number of rows.
        """
        if not self.example:
            return
        rows = [column[:1] if len(column) > 1 else [*column, *column] for column in self.example]
        try:
            raw = self.predict(rows)
        except Exception:  # noqa: BLE001 (some models take only batches of one size, and check() covers that size)
            return
        try:
            values_of(raw, len(rows[0]), self.names)
        except ValueError as error:
            raise ModelError(
                f"the model at {self.location} fails if the number of rows differs from its input example: {error}, "
                "for any number of rows: return an array (n,) or (n, k), a list of n, or a mapping of k columns"
            ) from error


def _alike(values: Sequence[Any], expected: Sequence[Any]) -> bool:
    if len(values) != len(expected):
        return False
    if all(isinstance(value, (int, float)) for value in (*values, *expected)):
        return bool(np.allclose(values, expected, rtol=_TOLERANCE, atol=_TOLERANCE))
    return list(values) == list(expected)
