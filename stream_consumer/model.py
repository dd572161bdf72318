"""
A loaded model: its schema, and one call that predicts n rows.

The rule: a model that fails on its own input example is never served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.errors import ModelError

_TOLERANCE = 1e-6

Columns = Sequence[Sequence[Any]]
"""
One sequence of n values for each column of the signature, in its order; a missing optional value is None.

NumPy arrays will do for sequences, although their type does not say so.
"""

Predict = Callable[[Columns], NDArray[np.float64]]
"""n minutes for n rows."""


@dataclass(frozen=True)
class Model:
    """A loaded model that has predicted its own example."""

    name: str
    version: str
    location: str
    digest: str
    """SHA-256 of the directory, as MODEL_DIGEST pins it."""
    schema: EventSchema
    predict: Predict
    """n minutes for columns of n values each, in the signature's order; None where an optional value is missing."""
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """Values of a column that training saw."""
    example: Columns = ()
    """The input example, by column; empty if the model was logged without one."""
    expected: Sequence[float] = ()
    """Minutes that training recorded for the example; empty if it did not."""

    def check(self) -> None:
        """
        Predict the input example.

        Raises:
            ModelError: It fails, is not finite, or differs from what training recorded.
        """
        if not self.example:
            return
        rows = len(self.example[0])
        try:
            minutes = np.asarray(self.predict(self.example), dtype=np.float64).ravel()
        except Exception as error:  # (a model may raise anything)
            raise ModelError(
                f"the model at {self.location} fails on its own input example: {type(error).__name__}: {error}; "
                "a scikit-learn pipeline must be fitted on arrays, with columns chosen by position"
            ) from error
        if len(minutes) != rows or not np.isfinite(minutes).all():
            raise ModelError(
                f"the model at {self.location} predicts {minutes.tolist()} for the {rows} rows of its input example; "
                "wanted one finite number a row"
            )
        if self.expected and not (
            len(self.expected) == rows and np.allclose(minutes, self.expected, rtol=_TOLERANCE, atol=_TOLERANCE)
        ):
            raise ModelError(
                f"the model at {self.location} predicts {minutes.tolist()} for its input example, but training "
                f"recorded {list(self.expected)}; other library versions load it than saved it: train it again"
            )
