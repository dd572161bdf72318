"""
Make the rows for an estimator from the columns of its fit.

The rows are a frame of typed columns, an array or, for foreign code, a DataFrame. The rule: a column is found by name
once, when the model is loaded, and by position in each batch.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_consumer.contract.event_schema import Column, counted
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns
from stream_consumer.models.frame import Array, matrix_dtype, matrix_of, rows_of, typed

_PANDAS_WITH_TEXTS = 3

Rows = Callable[[Columns], Any]
"""Makes the input for n rows from n values of each column."""


@dataclass(frozen=True, slots=True)
class FittedColumns:
    """The columns that an estimator reads, in its order, with their positions in the given values."""

    columns: Sequence[Column]
    positions: Sequence[int | None]
    """None for a fitted column outside the signature that is never read."""
    missing_text: float | None

    @classmethod
    def of(cls, columns: Sequence[Column], missing_text: float | None) -> "FittedColumns":
        """Return *columns* in the given order. *missing_text* stands for a missing text."""
        return cls(columns, range(len(columns)), missing_text)

    def reordered(self, names: Sequence[str], unread: set[str], location: str) -> "FittedColumns":
        positions = {column.name: position for position, column in enumerate(self.columns)}
        lacking = [name for name in names if name not in positions and name not in unread]
        if lacking:
            raise ModelError(
                f"the model at {location} was fitted on {counted(lacking)}, which its signature or MODEL_COLUMNS does "
                f"not have beside {list(positions)}; correct MODEL_COLUMNS if that names the columns, else log the "
                "model with a signature of all columns that it was fitted on"
            )
        columns = [self.columns[positions[name]] if name in positions else Column(name, "string") for name in names]
        return FittedColumns(columns, [positions.get(name) for name in names], self.missing_text)

    def arrays(self, values: Columns) -> list[Array]:
        rows = len(values[0])
        arrays: list[Array] = []
        for column, position in zip(self.columns, self.positions, strict=True):
            if position is None:
                arrays.append(np.empty(rows, object))
            else:
                arrays.append(typed(column, values[position], self.missing_text))
        return arrays

    def frame(self) -> Rows:
        dtypes = list(map(matrix_dtype, self.columns))
        return lambda values: rows_of(self.arrays(values), dtypes)

    def matrix(self) -> Rows:
        # All columns at once, since a batch of a single row must not wait for many small steps.
        dtype = np.result_type(*map(matrix_dtype, self.columns))
        return lambda values: matrix_of(self.arrays(values), dtype)


def dataframe(columns: FittedColumns, location: str, foreign: Sequence[Any]) -> Rows:
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        causes = {type(part).__name__ for part in foreign} or {"set_output"}
        raise ModelError(
            f"the model at {location} works on DataFrames in {', '.join(sorted(causes))}, and pandas is not installed "
            "here; install it, or use only what scikit-learn itself has and its default output"
        ) from error
    # Since pandas 3, texts have their own type, with NaN for a missing text.
    own_type = int(pandas.__version__.split(".")[0]) >= _PANDAS_WITH_TEXTS and columns.missing_text is not None
    dtypes = {"string": "str" if own_type else "object", "datetime": "datetime64[ns]"}

    def rows(values: Columns) -> Any:
        return pandas.DataFrame(
            {
                column.name: pandas.Series(array, dtype=dtypes.get(column.type, array.dtype))
                for column, array in zip(columns.columns, columns.arrays(values), strict=True)
            }
        )

    return rows
