"""Derived columns: texts made of other columns, of which the templates are a stranger's."""

import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.models.derived import Derived, derive
from stream_consumer.models.feeding import Signature, feed

COLUMNS = (Column("PULocationID", "long"), Column("DOLocationID", "long"), Column("trip_distance", "double"))
ROWS: list[list[Any]] = [[130, 74, 130], [205, 75, 75], [3.66, 1.1, 2.0]]
PAIRS = {"PU_DO": "{PULocationID}_{DOLocationID}"}


def derived(template: str, *columns: Column) -> Derived:
    return derive({"derived": template}, columns or COLUMNS, "s3://models/m")[0]


def test_a_template_makes_one_text_a_row() -> None:
    (pairs,) = derive(PAIRS, COLUMNS, "s3://models/m")
    assert pairs.column == Column("PU_DO", "string")
    assert pairs.values(ROWS) == ["130_205", "74_75", "130_75"]


def test_arrays_make_the_texts_that_lists_make() -> None:
    arrays: list[Any] = [np.array(column) for column in ROWS]
    assert derived("{PULocationID}-{trip_distance}").values(arrays) == ["130-3.66", "74-1.1", "130-2.0"]


def test_a_text_of_a_missing_value_is_missing() -> None:
    columns = Column("a", "long", required=False), Column("b", "string")
    made = derived("{a}/{b}", *columns)
    assert made.column == Column("derived", "string", required=False)
    assert made.values([(1, None), ("x", "y")]) == ["1/x", None]


@pytest.mark.parametrize(
    "template",
    [
        "constant",
        "{}_{}",
        "{0}",
        "{absent}",
        "{PULocationID.__class__}",
        "{PULocationID[0]}",
        "{PULocationID!r}",
        "{PULocationID:>9999999999}",
        "{PULocationID:{DOLocationID}}",
    ],
)
def test_a_template_with_anything_but_names_of_columns_is_refused(template: str) -> None:
    with pytest.raises(ModelError, match=r"cannot have the template .* without format, from"):
        derived(template)


@pytest.mark.parametrize("template", ["{PULocationID", "PULocationID}", "{PULocationID!}"])
def test_a_malformed_template_is_refused(template: str) -> None:
    with pytest.raises(ModelError, match=r"the derived column 'derived' .* cannot be read: .*put names of columns in"):
        derived(template)


def test_a_derived_column_does_not_hide_another() -> None:
    with pytest.raises(ModelError, match="a name that no column has"):
        derive({"trip_distance": "{PULocationID}"}, COLUMNS, "s3://models/m")


@given(st.lists(st.text(st.sampled_from(string.punctuation + "ab"), max_size=4), min_size=2, max_size=2))
def test_text_between_the_fields_stays_as_it_is(around: list[str]) -> None:
    before, after = (text.replace("{", "{{").replace("}", "}}") for text in around)
    assert derived(f"{before}{{PULocationID}}{after}").values(ROWS)[0] == f"{around[0]}130{around[1]}"


def reference_rides() -> list[dict[str, Any]]:
    """Return rides as the course of MLOps Zoomcamp makes features of them."""
    return [
        {"PU_DO": f"{pick_up}_{drop_off}", "trip_distance": distance}
        for pick_up, drop_off, distance in zip(*ROWS, strict=True)
    ]


def test_the_reference_solution_gets_the_dicts_that_its_course_makes() -> None:
    rides = reference_rides()
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rides, [21.3, 8.0, 12.5])
    predict = feed(model, Signature(COLUMNS, "s3://models/m", derive(PAIRS, COLUMNS, "s3://models/m")))
    assert predict(ROWS).tolist() == model.predict(rides).tolist()


def test_a_column_transformer_gets_derived_columns_by_name() -> None:
    frame = pd.DataFrame(reference_rides())
    features = make_column_transformer((OneHotEncoder(), ["PU_DO"]), remainder="passthrough")
    model = make_pipeline(features, LinearRegression()).fit(frame, [21.3, 8.0, 12.5])
    expected = model.predict(frame).tolist()
    predict = feed(model, Signature(COLUMNS, "s3://models/m", derive(PAIRS, COLUMNS, "s3://models/m")))
    assert predict(ROWS).tolist() == expected


def test_a_text_vectorizer_gets_the_derived_text() -> None:
    columns = Column("title", "string"), Column("body", "string")
    model = make_pipeline(CountVectorizer(), LinearRegression()).fit(["good buy", "bad buy"], [1.0, 0.0])
    predict = feed(model, Signature(columns, "s3://models/m", [derived("{title} {body}", *columns)]))
    assert predict([["good"], ["deal"]]).tolist() == model.predict(["good deal"]).tolist()


def test_a_model_fitted_on_an_array_has_no_place_for_a_derived_column() -> None:
    model = LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0])
    with pytest.raises(ModelError, match=r"fitted on arrays, so the position of the derived columns .* is not known"):
        feed(model, Signature(COLUMNS, "s3://models/m", [derived("{PULocationID}")]))
