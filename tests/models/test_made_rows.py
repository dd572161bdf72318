"""Models that were logged without a signature or an example: what their estimators tell of their columns."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from stream_consumer.contract.event_schema import Column
from stream_consumer.models.columns import columns_of, parse_columns
from stream_consumer.models.input_example import rows_of
from stream_consumer.models.made_rows import is_certain, made_row, seen_values

CUSTOMERS = pd.DataFrame(
    {"plan": ["basic", "plus", "basic", "plus"], "region": [3, 5, 3, 5], "tenure": [1.0, 2.0, np.nan, 9.0]}
)
CHURNED = [0, 1, 0, 1]


def pipeline() -> Any:
    encoded = ColumnTransformer(
        [
            ("texts", OneHotEncoder(), make_column_selector(dtype_include=[object, "string", "str"])),
            ("region", OneHotEncoder(handle_unknown="ignore"), ["region"]),
            ("tenure", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["tenure"]),
        ]
    )
    return make_pipeline(encoded, LogisticRegression())


FITTED = {
    "a pipeline": lambda: pipeline().fit(CUSTOMERS, CHURNED),
    "a search": lambda: GridSearchCV(pipeline(), {"logisticregression__C": [1.0]}, cv=2).fit(CUSTOMERS, CHURNED),
    "a vote": lambda: VotingClassifier([("one", pipeline())]).fit(CUSTOMERS, CHURNED),
}


@pytest.mark.parametrize("make", FITTED.values(), ids=FITTED)
def test_a_fitted_pipeline_tells_its_columns_and_values(make: Any) -> None:
    model = make()
    assert [(column.name, column.type) for column in columns_of(model)] == [
        ("plan", "string"),
        ("region", "double"),
        ("tenure", "double"),
    ]
    assert seen_values(model, ["plan", "region", "tenure"]) == {"plan": "basic", "region": 3, "tenure": 2.0}


def test_the_keys_of_a_dict_vectorizer_are_columns() -> None:
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(
        [{"PU_DO": "1_2", "trip_distance": 1.5}, {"PU_DO": "3_4", "trip_distance": 2.5}], [1.0, 2.0]
    )
    assert columns_of(model) == [Column("PU_DO", "string"), Column("trip_distance", "double")]


def test_an_estimator_fitted_on_an_array_knows_no_columns() -> None:
    assert columns_of(LinearRegression().fit([[1.0, 2.0]], [1.0])) == []


def test_a_row_is_made_of_categories_values_and_types_within_the_bounds() -> None:
    columns = [
        Column("zone", "long", minimum=5, maximum=9),
        Column("share", "double", maximum=0.5),
        Column("plan", "string"),
        Column("kind", "string"),
        Column("region", "integer"),
        Column("open", "boolean"),
        Column("at", "datetime"),
        Column("raw", "binary"),
    ]
    seen, known = {"plan": "basic", "region": 3.0}, {"kind": frozenset({"b", "a"})}
    assert made_row(columns, seen, known) == {
        "zone": 5,
        "share": 0.5,
        "plan": "basic",
        "kind": "a",
        "region": 3,
        "open": False,
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "raw": b"",
    }
    assert is_certain(columns[:6], seen, known)
    assert not is_certain(columns[:6], {}, known)


# --- MODEL_COLUMNS ----------------------------------------------------------------------------------------------------


def test_columns_are_listed_with_their_types() -> None:
    assert parse_columns("a:long, b c:string?,d:e:double") == [
        Column("a", "long"),
        Column("b c", "string", required=False),
        Column("d:e", "double"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is not a column"),
        ("a", "'a' is not a column"),
        ("a:float64", "wanted NAME:TYPE"),
        (":long", "':long'"),
        ("a:long,a:double", "the column 'a' is there more than once"),
    ],
)
def test_what_lists_no_columns_says_what_is_wanted(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_columns(text)


# --- input examples ---------------------------------------------------------------------------------------------------

NAN = float("nan")
EXAMPLES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a DataFrame": ({"columns": ["a", "b"], "data": [[1, NAN]]}, [{"a": 1, "b": None}]),
    "a DataFrame with an index": ({"index": [0], "columns": ["a", "b"], "data": [[1, 2]]}, [{"a": 1, "b": 2}]),
    "an array": ({"inputs": [[1, 2], [3, 4]]}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
    "an array of one row": ({"inputs": [1, 2]}, [{"a": 1, "b": 2}]),
    "a dict of values": ({"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
    "a dict of columns": ({"a": [1, 2], "b": ["x", "y"]}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    "a list of dicts": ([{"a": 1, "b": 2}], [{"a": 1, "b": 2}]),
    "columns of unlike lengths": ({"a": [1], "b": [1, 2]}, []),
    "rows that are too long": ({"inputs": [[1, 2, 3]]}, []),
    "a text": ("hello", []),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("content", "rows"), EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_is_read_in_every_form_or_passed_over(content: Any, rows: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "input_example.json"
    path.write_text(json.dumps(content))
    assert rows_of(path, ["a", "b"]) == rows


def test_an_example_of_one_column_is_a_list_of_values(tmp_path: Path) -> None:
    path = tmp_path / "input_example.json"
    path.write_text('{"inputs": ["good", "bad"]}')
    assert rows_of(path, ["text"]) == [{"text": "good"}, {"text": "bad"}]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, None])
def test_an_example_that_cannot_be_read_is_passed_over(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "input_example.json"
    if content is not None:
        path.write_bytes(content)
    assert rows_of(path, ["a"]) == []
