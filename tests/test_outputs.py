"""What models return, as practitioners' models do, becomes one JSON value for each row."""

from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stream_consumer.outputs import Output, fault_of, values_of


class Churn(str, Enum):  # noqa: UP042 (the kind whose text is its name)
    STAYS, LEAVES = "stays", "leaves"


class Zone(IntEnum):
    AIRPORT = 132


def columns_of_columns(depth: int) -> Any:
    value: Any = [1.5, 2.5]
    for _ in range(depth):
        value = {"a": value, "b": [1, 2]}
    return value


def nested(depth: int) -> Any:
    value: Any = 1.5
    for _ in range(depth):
        value = [value]
    return value


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
    "a list of times": (
        list(np.array(["2026-11-26", "2026-11-27"], "datetime64[ns]")),
        ["2026-11-26T00:00:00.000000000", "2026-11-27T00:00:00.000000000"],
    ),
    "durations": (np.array([90, 60], "timedelta64[s]"), [90.0, 60.0]),
    "a list of durations": (list(np.array([90, 60], "timedelta64[ns]")), [90.0, 60.0]),
    "long doubles": (np.array([1.5, 2.0], np.longdouble), [1.5, 2.0]),
    "a list of long doubles": ([np.longdouble(1.5), {"a": np.longdouble(2)}], [1.5, {"a": 2.0}]),
    "integers of 64 bits": ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
    "arrays of no dimension": ([np.array(1.5), np.array("x")], [1.5, "x"]),
    "a matrix": (np.asmatrix([[1.5], [2.0]]), [1.5, 2.0]),
    "a matrix of two outputs": (np.asmatrix([[1, 2], [3, 4]]), [{"short": 1, "long": 2}, {"short": 3, "long": 4}]),
    "a structured array": (
        np.array([(1, "x"), (2, "y")], [("a", "i8"), ("b", "U1")]),
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    ),
    "labels of an enumeration": ([Churn.STAYS, Churn.LEAVES], ["stays", "leaves"]),
    "integers of an enumeration": ([Zone.AIRPORT, Zone.AIRPORT], [132, 132]),
    "objects and numbers": ([{"a": 1}, 2.5], [{"a": 1}, 2.5]),
    "an object without members": ([{}, {"a": 1}], [{}, {"a": 1}]),
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
    "a huge negative integer": ([-(2**63) - 1, 1], "wanted an integer of at most 64 bits"),
    "a huge integer": ([2**64, 1], "wanted an integer of at most 64 bits"),
    "half a character": (["\ud800", "x"], "surrogates not allowed"),
    "columns of different lengths": ({"a": [1.0, 2.0], "b": [1.0]}, "1 values for 2 rows"),
    "two columns of one name": (
        pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]),
        "returned 2 outputs with the name 'a'; wanted a name for each",
    ),
    "columns whose names are one text": ({0: [1, 2], "0": [3, 4]}, "2 outputs with the name '0'"),
    "members whose names are one text": ([{0: 1, "0": 2}, {}], "2 outputs with the name '0'"),
    "half a character in a name": ([{"\ud800": 1}, {}], "surrogates not allowed"),
    "depths of lists": ([nested(5_000), 1], "nested more than 62 deep"),
    "depths of columns": (columns_of_columns(5_000), "nested more than 62 deep"),
    "complex numbers": (np.array([1j, 2j]), "returned a complex"),
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


MISSING: dict[str, Any] = {
    "times": np.array(["2026-11-26", "NaT"], "datetime64[D]"),
    "durations": np.array([90, "NaT"], "timedelta64[s]"),
    "a Series of times": pd.Series([pd.Timestamp(0), pd.NaT]),
    "a Series of durations": pd.Series([pd.Timedelta(1), pd.NaT]),
    "a list of times": [np.datetime64(0, "s"), np.datetime64("NaT", "ns")],
    "a list of durations": [np.timedelta64(1, "s"), np.timedelta64("NaT", "ns")],
    "a member": {"a": [1, 2], "b": np.array([90, "NaT"], "timedelta64[ns]")},
    "a masked value": np.ma.MaskedArray([1.5, 2.5], [False, True]),
    "a masked time": np.ma.MaskedArray(np.array([0, 0], "datetime64[ns]"), [False, True]),
    "a long double beyond floats": np.array([1, np.finfo(np.longdouble).max], np.longdouble),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("raw", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_not_a_prediction(raw: Any) -> None:
    """And neither a label NaT nor the number that stands for it."""
    good, missing = values_of(raw, 2)
    assert fault_of(good) is None
    assert fault_of(missing) is not None


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([1.5], {"churn": "double"}),
        ([True], {"churn": "boolean"}),
        (["stays"], {"churn": "string"}),
        ([[1.0]], {"churn": "json"}),
        ([{"stays": 0.5, "n": 1}], {"churn_stays": "double", "churn_n": "long"}),
        ([2, 2.5], {"churn": "double"}),
        ([2**53 + 1, 2.5], {"churn": "json"}),
        ([1, True], {"churn": "json"}),
        ([1, "leaves"], {"churn": "json"}),
        ([{"a": 1}, 2.5], {"churn": "json"}),
        ([{}], {"churn": "json"}),
        (
            [{"a": None, "b": 1}, {"b": 2.5, "c": "x"}, {}],
            {"churn_a": "json", "churn_b": "double", "churn_c": "string"},
        ),
    ],
)
def test_the_columns_of_a_table_follow_from_all_predictions(values: list[Any], columns: dict[str, str]) -> None:
    assert Output.of(values).columns("churn") == columns


def test_members_that_some_predictions_lack_are_optional() -> None:
    output = Output.of([{"a": None, "b": 1}, {"b": 2.5, "c": "x"}])
    assert output.optional == {"a", "c"}
    assert output.parts([{"b": 1}, {"a": 2}]) == [[None, 2], [1, None], [None, None]]
    assert Output.of([1, 2]).parts([3, 4]) == [[3, 4]]
