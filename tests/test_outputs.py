"""What models return, as practitioners' models do, becomes one JSON value for each row."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stream_consumer.outputs import Output, fault_of, values_of

RETURNED: dict[str, tuple[Any, list[Any]]] = {
    "floats": (np.array([1.5, 2.0]), [1.5, 2.0]),
    "a column of floats": (np.array([[1.5], [2.0]], np.float32), [1.5, 2.0]),
    "integers": (np.array([1, 0]), [1, 0]),
    "booleans": (np.array([True, False]), [True, False]),
    "labels": (np.array(["stays", "leaves"]), ["stays", "leaves"]),
    "labels as objects": (np.array(["stays", "leaves"], object), ["stays", "leaves"]),
    "labels of several types": (np.array([np.int64(1), "leaves"], object), [1, "leaves"]),
    "two outputs": (np.array([[1.0, 2.0], [3.0, 4.0]]), [{"short": 1.0, "long": 2.0}, {"short": 3.0, "long": 4.0}]),
    "a DataFrame": (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    "a DataFrame of one column": (pd.DataFrame({"a": [1, 2]}), [1, 2]),
    "a Series": (pd.Series([0.5, 1.5]), [0.5, 1.5]),
    "columns": ({"a": np.array([1.0, 2.0]), "b": [True, False]}, [{"a": 1.0, "b": True}, {"a": 2.0, "b": False}]),
    "objects": ([{"a": np.float32(0.5)}, {"a": [1, "x"]}], [{"a": 0.5}, {"a": [1, "x"]}]),
    "texts": (["one", "two"], ["one", "two"]),
    "a sparse matrix": (
        sparse.csr_matrix([[0.0, 1.0], [1.0, 0.0]]),
        [{"short": 0.0, "long": 1.0}, {"short": 1.0, "long": 0.0}],
    ),
    "probabilities of two outputs": (
        [np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([[1.0], [0.0]])],
        [{"short": {"0": 0.25, "1": 0.75}, "long": 1.0}, {"short": {"0": 0.5, "1": 0.5}, "long": 0.0}],
    ),
    "an array a row": ([np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "dates": (np.array(["2026-11-26", "2026-11-27"], "datetime64[D]"), ["2026-11-26", "2026-11-27"]),
}


@pytest.mark.parametrize(("raw", "expected"), RETURNED.values(), ids=RETURNED)
def test_a_prediction_keeps_its_type(raw: Any, expected: list[Any]) -> None:
    values = values_of(raw, 2, ["short", "long"])
    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))


def test_outputs_without_names_are_numbered() -> None:
    assert values_of(np.array([[0.25, 0.75]]), 1) == [{"0": 0.25, "1": 0.75}]


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("table", [np.array, pd.DataFrame, sparse.csr_matrix])
@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_tables_is_an_output_each_for_any_number_of_rows(rows: int, kind: type, table: Any) -> None:
    """``predict_proba`` of two outputs; as many rows as outputs must not be taken for a table a row."""
    first, second = (np.array([[at, one] for one in range(rows)], float) for at in range(2))
    assert values_of(kind([table(first), table(second)]), rows) == [
        {"0": {"0": 0.0, "1": float(one)}, "1": {"0": 1.0, "1": float(one)}} for one in range(rows)
    ]


def test_a_scalar_is_the_prediction_of_one_row() -> None:
    assert values_of(np.squeeze(np.array([[1.5]])), 1) == [1.5]


WRONG: dict[str, tuple[Any, str]] = {
    "a row too few": (np.array([1.0]), r"the shape \(1,\) for 2 rows"),
    "no row": (np.zeros((0, 2)), r"the shape \(0, 2\) for 2 rows"),
    "a list too short": ([1.0], "1 values for 2 rows"),
    "a table a row": ([np.zeros((3, 2)), np.zeros((3, 2))], r"the shape \(3, 2\) for 2 rows; .* return lists"),
    "nothing": (None, "a NoneType for 2 rows"),
    "one text": ("ab", "a str for 2 rows"),
    "bytes": ([b"a", b"b"], "returned a bytes; wanted a number, boolean, label or object of these"),
    "a huge integer": ([2**64, 1], "wanted an integer of at most 64 bits"),
    "half a character": (["\ud800", "x"], "surrogates not allowed"),
    "columns of different lengths": ({"a": [1.0, 2.0], "b": [1.0]}, "1 values for 2 rows"),
}


@pytest.mark.parametrize(("raw", "says"), WRONG.values(), ids=WRONG)
def test_what_is_not_a_prediction_a_row_is_a_value_error(raw: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        values_of(raw, 2)


def test_an_array_of_as_many_values_as_rows_by_chance_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"the shape \(2, 2\) for 4 rows"):
        values_of(np.zeros((2, 2)), 4)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (1.5, None),
        (0, None),
        ("nan", None),
        (False, None),
        ({"a": 1.5, "b": "x"}, None),
        (float("nan"), "the prediction is not finite: nan"),
        ({"a": 1.5, "b": float("inf")}, "b: the prediction is not finite: inf"),
        ([1.0, [float("-inf")]], "the prediction is not finite: -inf"),
        (None, "the model returned no prediction"),
    ],
)
def test_only_floats_must_be_finite(value: Any, fault: str | None) -> None:
    assert fault_of(value) == fault


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (1.5, {"churn": "double"}),
        (True, {"churn": "boolean"}),
        ("stays", {"churn": "string"}),
        ([1.0], {"churn": "json"}),
        ({"stays": 0.5, "n": 1}, {"churn_stays": "double", "churn_n": "long"}),
    ],
)
def test_the_columns_of_a_table_follow_from_one_prediction(value: Any, columns: dict[str, str]) -> None:
    assert Output.of(value).columns("churn") == columns
