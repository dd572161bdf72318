"""A module that travels with models (``code_paths``): steps and a model of a team's own."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Areas(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Appends the product of the first two columns, in NumPy."""

    def fit(self, _table: Any, _target: Any = None) -> "Areas":
        return self

    def transform(self, table: Any) -> Any:
        numbers = np.asarray(table, dtype=np.float64)
        return np.column_stack([numbers, numbers[:, 0] * numbers[:, 1]])


class Ratios(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Appends a ratio, by the columns' names in pandas."""

    def fit(self, _table: Any, _target: Any = None) -> "Ratios":
        return self

    def transform(self, frame: Any) -> Any:
        return frame.assign(ratio=frame["trip_distance"] / frame["PULocationID"])


def fare(frame: Any) -> Any:
    """Return the price of each ride, for a Python model that imports this module."""
    return np.asarray(frame["trip_distance"], dtype=np.float64) * 2.5 + 3
