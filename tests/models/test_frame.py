"""The frame answers scikit-learn as a DataFrame of the same columns does."""

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import _safe_indexing, check_array

from stream_consumer.contract.event_schema import Column
from stream_consumer.models.frame import Array, Frame, dtype_of, matrix_dtype, rows_of, typed

COLUMNS = (Column("a", "long"), Column("b", "double"), Column("c", "boolean"), Column("d", "integer"))
VALUES: list[list[Any]] = [[1, 2, 3], [0.5, None, 2.5], [True, False, True], [4, 5, 6]]


def frame(columns: tuple[Column, ...] = COLUMNS) -> Array | Frame:
    arrays = [typed(column, values, np.nan) for column, values in zip(columns, VALUES, strict=False)]
    return rows_of(arrays, [matrix_dtype(column) for column in columns])


PANDAS = pd.DataFrame(
    {column.name: pd.Series(values, dtype=dtype_of(column)) for column, values in zip(COLUMNS, VALUES, strict=True)}
)


@pytest.mark.parametrize(
    ("key", "axis"),
    [([0, 2], 1), ([1], 1), (3, 1), (slice(1, 3), 1), ([2, 0], 0), (slice(0, 2), 0), (np.array([1, 3]), 1)],
    ids=str,
)
def test_parts_of_a_frame_are_those_of_a_dataframe(key: Any, axis: int) -> None:
    ours, theirs = (_safe_indexing(rows, key, axis=axis) for rows in (frame(), PANDAS))
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.asarray(ours, float), np.asarray(theirs, float))


def test_an_array_of_all_columns_has_the_dtype_that_they_share() -> None:
    ours, theirs = check_array(frame(), ensure_all_finite=False), check_array(PANDAS, ensure_all_finite=False)
    assert ours.dtype == theirs.dtype == np.float64
    np.testing.assert_array_equal(ours, theirs)


def test_an_array_without_a_copy_is_refused() -> None:
    with pytest.raises(ValueError, match="always a copy"):
        np.asarray(frame(), copy=False)


def test_columns_of_one_type_are_an_array_of_their_own() -> None:
    arrays = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    rows = rows_of(arrays, [np.dtype(float)] * 2)
    assert isinstance(rows, np.ndarray)
    rows[:] = 0  # a transformer may work in place
    assert arrays[0].tolist() == [1.0, 2.0]


def test_times_are_utc_without_a_zone() -> None:
    berlin = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=1)))
    times = typed(Column("at", "datetime", required=False), [berlin, None], np.nan)
    assert times.astype(str).tolist() == ["2026-01-01T04:00:00.000000", "NaT"]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_text_is_what_the_estimator_was_fitted_on(missing: float | None) -> None:
    texts = typed(Column("a", "string", required=False), ["x", None], missing)
    assert texts[0] == "x"
    assert texts[1] is missing
