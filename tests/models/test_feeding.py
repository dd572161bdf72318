"""Estimators are fed as they were fitted: every prediction equals that of MLflow's pyfunc, with pandas or without."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.models.feeding import Signature, feed
from tests.example_models import signature_of
from tests.models import customers as zoo

LOCATION = "s3://models/m"
SIGNATURE = Signature(zoo.COLUMNS, LOCATION)


def by_column(rows: dict[str, list[Any]], columns: Sequence[Column] = zoo.COLUMNS) -> list[list[Any]]:
    return [rows[column.name] for column in columns]


def pyfunc_of(estimator: Any, path: Path, method: str = "predict") -> Callable[[pd.DataFrame], Any]:
    """Return what MLflow predicts with *estimator*, logged with the columns that it was fitted on."""
    columns = {column.name: column for column in zoo.COLUMNS}
    names = getattr(estimator, "feature_names_in_", columns)
    mlflow.sklearn.save_model(
        estimator,
        str(path),
        signature=signature_of([(name, columns[name].type, columns[name].required) for name in names]),
        serialization_format="cloudpickle",
        pyfunc_predict_fn=method,
        pip_requirements=[],
    )
    predict: Callable[[pd.DataFrame], Any] = mlflow.pyfunc.load_model(str(path)).predict
    return predict


def same(ours: Any, theirs: Any) -> None:
    assert np.shape(ours) == np.shape(theirs)
    if np.asarray(theirs).dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    else:
        assert np.asarray(ours).tolist() == np.asarray(theirs).tolist()


@pytest.mark.zoo
@pytest.mark.parametrize("name", [*zoo.NATIVE, *zoo.WITH_PANDAS])
def test_a_model_fitted_on_a_dataframe_predicts_what_it_does_in_mlflow(name: str, tmp_path: Path) -> None:
    estimator = (zoo.NATIVE | zoo.WITH_PANDAS)[name]()
    reference = pyfunc_of(estimator, tmp_path / "model")
    predict = feed(estimator, SIGNATURE)
    for rows in (zoo.customers(50, seed=3), zoo.unusual(), zoo.customers(1, seed=4)):
        frame = zoo.frame_of(rows)
        same(predict(by_column(rows)), reference(zoo.with_none(frame) if name == "missing as None" else frame))


@pytest.mark.parametrize("name", ["calibrated", "grid search"])
def test_the_method_that_the_model_names_is_called(name: str, tmp_path: Path) -> None:
    estimator = zoo.NATIVE[name]()
    reference = pyfunc_of(estimator, tmp_path / "model", "predict_proba")
    rows = zoo.unusual()
    ours = feed(estimator, SIGNATURE, method="predict_proba")(by_column(rows))
    assert ours.shape == (40, 2)
    same(ours, reference(zoo.frame_of(rows)))


def test_methods_that_mlflow_does_not_know_are_called_too() -> None:
    estimator = zoo.NATIVE["column transformer"]()
    rows = zoo.unusual()
    expected = estimator.decision_function(zoo.frame_of(rows))
    same(feed(estimator, SIGNATURE, method="decision_function")(by_column(rows)), expected)


def test_a_method_that_the_estimator_lacks_is_refused() -> None:
    with pytest.raises(ModelError, match="asked by predict_proba, which Pipeline does not have"):
        feed(zoo.NATIVE["selectors"](), SIGNATURE, method="predict_proba")


NO_PANDAS = """
import importlib.abc, pickle, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hidden())
from stream_consumer.models.feeding import feed
models, signature, rows = pickle.load(sys.stdin.buffer)
pickle.dump([feed(pickle.loads(model), signature)(rows) for model in models], sys.stdout.buffer)
"""


@pytest.mark.zoo
def test_whatever_only_scikit_learn_reads_is_served_without_pandas() -> None:
    estimators = [make() for make in zoo.NATIVE.values()]
    rows = by_column(zoo.unusual())
    task = pickle.dumps(([pickle.dumps(estimator) for estimator in estimators], SIGNATURE, rows))
    command = [sys.executable, "-c", NO_PANDAS]
    done = subprocess.run(command, input=task, capture_output=True, check=True)  # noqa: S603
    for ours, estimator in zip(pickle.loads(done.stdout), estimators, strict=True):  # noqa: S301
        same(ours, feed(estimator, SIGNATURE)(rows))


@pytest.mark.parametrize("name", list(zoo.WITH_PANDAS)[1:])
def test_where_others_code_needs_pandas_the_refusal_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = zoo.WITH_PANDAS[name]()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModelError, match=r"works on DataFrames in \w+, and pandas is not installed here"):
        feed(estimator, SIGNATURE)


@pytest.fixture(scope="module", params=["passthrough", "mixed types in one imputer", "text column", "KNN imputer"])
def fed(request: pytest.FixtureRequest) -> tuple[Callable[[Any], Any], list[list[Any]]]:
    estimator = zoo.NATIVE[request.param]()
    method = "decision_function" if hasattr(estimator, "classes_") else "predict"
    return feed(estimator, SIGNATURE, method=method), by_column(zoo.unusual())


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(40)), cuts=st.sets(st.integers(1, 39), max_size=6))
def test_a_row_is_predicted_alike_in_any_batch_and_any_order(
    fed: tuple[Callable[[Any], Any], list[list[Any]]], order: list[int], cuts: set[int]
) -> None:
    predict, columns = fed
    batches = np.split(np.array(order), sorted(cuts))
    found = [predict([[values[row] for row in batch] for values in columns]) for batch in batches]
    np.testing.assert_allclose(np.concatenate(found)[np.argsort(order)], predict(columns), rtol=1e-12, atol=1e-12)


NUMBERS = (Column("zone", "long"), Column("fare", "double"), Column("flag", "boolean"))
RIDES = Signature(NUMBERS, LOCATION)
ROWS: list[list[Any]] = [[1, 2, 3, 2], [1.5, 2.5, 3.5, 0.1], [True, False, True, True]]


def test_what_was_fitted_on_an_array_gets_the_columns_in_the_order_of_the_signature() -> None:
    matrix = np.array(ROWS, dtype=float).T
    estimator = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1, categorical_features=[0])
    estimator.fit(matrix, [1.0, 2.0, 3.0, 4.0])
    assert feed(copy.deepcopy(estimator), RIDES)(ROWS).tolist() == estimator.predict(matrix).tolist()


def test_floats_of_32_bits_are_rounded_as_mlflow_rounds_them() -> None:
    estimator = LinearRegression().fit(np.array([[1.0, 2.0], [3.0, 5.0]]), [1.0, 2.0])
    columns = [[0.1, 0.2], [0.3, 0.4]]
    expected = estimator.predict(np.array([np.array(columns[0], np.float32), columns[1]]).T)
    signature = Signature([Column("a", "float"), Column("b", "double")], LOCATION)
    assert feed(estimator, signature)(columns).tolist() == expected.tolist()


def test_texts_and_numbers_fitted_on_one_array_of_objects() -> None:
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [0]), remainder="passthrough")
    rows = np.array([["card", 1.0, True], ["cash", np.nan, False], [np.nan, 3.0, True]], dtype=object)
    estimator = make_pipeline(encoder, HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1))
    estimator.fit(rows, [1.0, 2.0, 3.0])
    columns = (Column("payment", "string", required=False), Column("tolls", "double"), Column("shared", "boolean"))
    given_columns: list[list[Any]] = [["card", "cash", None], [1.0, None, 3.0], [True, False, True]]
    assert feed(estimator, Signature(columns, LOCATION))(given_columns).tolist() == estimator.predict(rows).tolist()


@pytest.mark.parametrize("kind", ["list", "array"])
def test_optional_numbers_and_booleans_may_be_missing(kind: str) -> None:
    columns = [
        Column("zone", "long", required=False),
        Column("flag", "boolean", required=False),
        Column("fare", "double"),
    ]
    frame = pd.DataFrame({"zone": [1.0, 2.0, np.nan, 4.0], "flag": [True, None, False, True], "fare": [1.0, 2, 3, 4]})
    model = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1).fit(
        frame.astype({"flag": float}), [4, 3, 2, 1]
    )
    values: list[Any] = [[1, 2, None, 4], [True, None, False, True], [1.0, 2.0, 3.0, 4.0]]
    if kind == "array":  # as files give them
        values = [np.array(values[0], object), np.array(values[1], object), np.array(values[2])]
    expected = model.predict(frame.astype({"flag": float})).tolist()
    assert feed(model, Signature(columns, LOCATION))(values).tolist() == expected


def test_booleans_are_categories_with_and_without_missing_ones() -> None:
    frame = pd.DataFrame({"flag": pd.Series([True, None, False, True], dtype=object), "fare": [1.0, 2.0, 3.0, 4.0]})
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["flag"])), LinearRegression())
    model.fit(frame, [1.0, 2.0, 3.0, 1.0])
    predict = feed(model, Signature([Column("flag", "boolean", required=False), Column("fare", "double")], LOCATION))
    np.testing.assert_allclose(predict([[None, True, False], [0.0, 0.0, 0.0]]), [2.0, 1.0, 3.0])
    np.testing.assert_allclose(predict([[True, False], [0.0, 0.0]]), [1.0, 3.0])


def test_times_reach_code_of_others_in_utc_without_a_zone_as_from_mlflow() -> None:
    signature = Signature([Column("at", "datetime"), Column("fare", "double")], LOCATION)
    hours = FunctionTransformer(lambda frame: frame.assign(at=frame["at"].dt.hour))
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-01-01 03:00", "2026-01-01 05:00"]), "fare": [1.0, 1.0]})
    model = make_pipeline(hours, LinearRegression()).fit(frame, [3.0, 5.0])
    berlin = datetime.fromisoformat("2026-01-01T05:00:00+01:00")
    np.testing.assert_allclose(feed(model, signature)([[berlin, datetime(2026, 1, 1, 7)], [1.0, 1.0]]), [4.0, 7.0])  # noqa: DTZ001


def test_columns_that_the_estimator_lacks_in_the_signature_are_named() -> None:
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["zone", "hour"])), LinearRegression())
    model.fit(pd.DataFrame({"zone": [1, 2], "hour": [1, 2], "unused": [0, 0]}), [1.0, 2.0])
    with pytest.raises(
        ModelError, match=r"was fitted on the column 'hour', which its signature or MODEL_COLUMNS does not have"
    ):
        feed(model, RIDES)


def test_a_fitted_column_that_is_never_read_may_be_missing_in_the_signature() -> None:
    frame = pd.DataFrame({"unused": ["a", "b", "c", "d"], "fare": ROWS[1], "zone": ROWS[0]})
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["zone"]), ("passthrough", ["fare"])), LinearRegression()
    )
    model.fit(frame, [1.0, 2.0, 3.0, 4.0])
    expected = model.predict(frame)
    np.testing.assert_allclose(feed(model, RIDES)(ROWS), expected, rtol=1e-12)


def test_a_dict_vectorizer_gets_dicts() -> None:
    rows = [dict(zip(["zone", "fare", "flag"], row, strict=True)) for row in zip(*ROWS, strict=True)]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rows, [1.0, 2.0, 3.0, 4.0])
    expected = model.predict(rows).tolist()
    predict = feed(model, RIDES)
    assert predict(ROWS).tolist() == expected
    arrays: list[Any] = [np.array(column) for column in ROWS]
    assert predict(arrays).tolist() == expected


@pytest.mark.parametrize(
    "vectorizer", [CountVectorizer(), TfidfVectorizer(), HashingVectorizer(n_features=16)], ids=repr
)
@pytest.mark.parametrize("united", [False, True], ids=["alone", "in a union"])
def test_a_text_vectorizer_gets_texts(vectorizer: Any, *, united: bool) -> None:
    texts, labels = ["too dear", "very good", "so good", "dear me"], [0, 1, 1, 0]
    steps = (
        FeatureUnion([("words", vectorizer), ("letters", CountVectorizer(analyzer="char"))]) if united else vectorizer
    )
    model = make_pipeline(steps, LogisticRegression()).fit(texts, labels)
    predict = feed(model, Signature([Column("comment", "string")], LOCATION), method="predict_proba")
    same(predict([["good", "dear"]]), model.predict_proba(["good", "dear"]))


def test_texts_come_from_one_column() -> None:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["a b", "cd"], [0, 1])
    with pytest.raises(ModelError, match=r"reads texts, .*'zone: long'.* wanted one of type string"):
        feed(model, RIDES)


class Duck:
    """Somebody's model that tells nothing of what it was fitted on."""

    def __init__(self, takes: str) -> None:
        self.takes = takes

    def predict(self, rows: Any) -> Any:
        return (rows["fare"] if self.takes == "frame" else rows[:, 1]) * 2


@pytest.mark.parametrize("takes", ["frame", "array"])
def test_an_object_that_tells_nothing_gets_what_its_example_shows(takes: str) -> None:
    assert list(feed(Duck(takes), RIDES, example=ROWS)(ROWS)) == [3.0, 5.0, 7.0, 0.2]


def test_an_object_that_tells_nothing_and_has_no_example_gets_what_mlflow_gives() -> None:
    assert list(feed(Duck("frame"), RIDES)(ROWS)) == [3.0, 5.0, 7.0, 0.2]


def test_scores_of_outlier_detectors() -> None:
    frame = pd.DataFrame(dict(zip(["zone", "fare", "flag"], ROWS, strict=True)))
    model = IsolationForest(n_estimators=5, random_state=1).fit(frame)
    expected = model.score_samples(frame)
    same(feed(model, RIDES, method="score_samples")(ROWS), expected)
