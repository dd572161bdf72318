"""
Rows as a few typed NumPy columns: the parts of a DataFrame that scikit-learn needs, without pandas.

The dtype of a column equals the dtype in MLflow's pyfunc and pandas, whatever the values of a batch are. Otherwise the
prediction of a row could depend on its neighbours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.event_schema import Column

Array = NDArray[Any]
Dtype = np.dtype[Any]

# Source: mlflow.types.DataType. A column that may lack values is float64 for integers, which have no missing value in
# NumPy, and object for booleans, as in pandas. Texts are Python's.
_REQUIRED = {
    "boolean": np.dtype(bool),
    "integer": np.dtype(np.int32),
    "long": np.dtype(np.int64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "string": np.dtype(object),
    "binary": np.dtype(object),
    "datetime": np.dtype("datetime64[us]"),
}
_OPTIONAL = _REQUIRED | {
    "boolean": np.dtype(object),
    "integer": np.dtype(np.float64),
    "long": np.dtype(np.float64),
}


def dtype_of(column: Column) -> Dtype:
    return (_REQUIRED if column.required else _OPTIONAL)[column.type]


def matrix_dtype(column: Column) -> Dtype:
    """Return the dtype of *column* within an array of several columns, as pandas and scikit-learn agree on it."""
    if column.type == "boolean" and not column.required:
        return np.dtype(np.float64)
    return np.dtype(object) if column.type == "datetime" else dtype_of(column)


def typed(column: Column, values: Sequence[Any], missing_text: float | None) -> Array:
    """
    Return *values* as an array with the dtype of *column*.

    Args:
        column: A column of the signature.
        values: None for a missing value.
        missing_text: Replaces None in a column of texts: NaN or None.
    """
    dtype = dtype_of(column)
    if dtype.kind == "M":
        values = [_naive(value) for value in values]
    elif dtype.kind == "O" and missing_text is not None and column.type == "string" and not column.required:
        values = [missing_text if value is None else value for value in values]
    return np.asarray(values, dtype=dtype)


def _naive(value: Any) -> Any:
    """Return a date and time in UTC without a time zone, since neither NumPy nor MLflow supports any."""
    aware = isinstance(value, datetime) and value.tzinfo
    return value.astimezone(UTC).replace(tzinfo=None) if aware else value


def matrix_of(arrays: Sequence[Array], dtype: Any) -> Array:
    """Return columns of n values each as n rows in a new array."""
    matrix = np.empty((len(arrays[0]), len(arrays)), dtype)
    for index, array in enumerate(arrays):
        matrix[:, index] = array
    return matrix


def rows_of(arrays: Sequence[Array], dtypes: Sequence[Dtype]) -> "Array | Frame":
    """
    Return the columns as an array if a single dtype holds all of them unchanged, otherwise as a :class:`Frame`.

    Args:
        arrays: An array of n values for each column.
        dtypes: The :func:`matrix_dtype` of each column.
    """
    if all(array.dtype == arrays[0].dtype for array in arrays):
        return np.stack(arrays).T
    return Frame(arrays, dtypes)


class Frame:
    """
    Columns of several dtypes, with the interface of pandas through which scikit-learn reads a DataFrame by position.

    scikit-learn calls ``take`` for several columns and ``iloc`` for a single column (``sklearn.utils._safe_indexing``).
    Encoders look at ``iloc`` and ``ndim`` to keep each column's dtype. All remaining code calls ``numpy.asarray``. A
    ``dtype`` attribute must not be added: scikit-learn would take the frame for a Series and import pandas.
    """

    ndim = 2

    def __init__(self, arrays: Sequence[Array], dtypes: Sequence[Dtype]) -> None:
        self._arrays = arrays
        self._dtypes = dtypes

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._arrays[0]), len(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # noqa: FBT001 (NumPy's protocol)
        """Return a new array with the common dtype of all columns."""
        if copy is False:
            raise ValueError("an array of several columns is always a copy")
        return matrix_of(self._arrays, np.result_type(*self._dtypes) if dtype is None else dtype)

    def take(self, indices: Sequence[int], axis: int = 0) -> "Array | Frame":
        """Return some columns (*axis* 1) or some rows, by position."""
        if axis == 1:
            return rows_of([self._arrays[index] for index in indices], [self._dtypes[index] for index in indices])
        return Frame([array[indices] for array in self._arrays], self._dtypes)

    @property
    def iloc(self) -> "_Locations":
        return _Locations(self._arrays, self._dtypes)


class _Locations:
    """The result of ``Frame.iloc``. Indexing gives a column, or a range of rows or columns."""

    def __init__(self, arrays: Sequence[Array], dtypes: Sequence[Dtype]) -> None:
        self._arrays = arrays
        self._dtypes = dtypes

    def __getitem__(self, key: Any) -> "Array | Frame":
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if not isinstance(columns, slice):
            return self._arrays[columns][rows]
        return rows_of([array[rows] for array in self._arrays[columns]], self._dtypes[columns])
