"""Customers by column, and pipelines fitted on a DataFrame of them as people do: the commonest models in MLflow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC

from stream_consumer.contract.event_schema import Column

COLUMNS = (
    Column("tenure", "long"),
    Column("charge", "double"),
    Column("contract", "string"),
    Column("city", "string", required=False),
    Column("paperless", "boolean"),
    Column("age", "double"),
    Column("visits", "integer"),
    Column("score", "float"),
    Column("comment", "string"),
)
NAMES = [column.name for column in COLUMNS]
NUMBERS, TEXTS = ["tenure", "charge", "age"], ["contract", "city"]

_CONTRACTS = np.array(["monthly", "yearly", "two years"], dtype=object)
_CITIES = np.array(["Berlin", "Paris", "Rome", None], dtype=object)
_COMMENTS = np.array(["too dear", "very good", "slow but good", ""], dtype=object)


def customers(rows: int, seed: int = 1) -> dict[str, list[Any]]:
    """Return *rows* customers by column, with missing ages and cities."""
    generator = np.random.default_rng(seed)
    ages = generator.uniform(18, 90, rows).round(1)
    return {
        "tenure": generator.integers(0, 72, rows).tolist(),
        "charge": generator.uniform(10, 120, rows).tolist(),
        "contract": generator.choice(_CONTRACTS, rows).tolist(),
        "city": generator.choice(_CITIES, rows).tolist(),
        "paperless": (generator.random(rows) < 0.5).tolist(),
        "age": [None if generator.random() < 0.2 else age for age in ages.tolist()],
        "visits": generator.integers(0, 9, rows).tolist(),
        "score": generator.uniform(0, 1, rows).tolist(),
        "comment": generator.choice(_COMMENTS, rows).tolist(),
    }


def unusual(rows: int = 40) -> dict[str, list[Any]]:
    """Return customers with categories that training did not see, missing values and a batch without any city."""
    found = customers(rows, seed=2)
    found["contract"][::7] = ["weekly"] * len(found["contract"][::7])
    found["city"][::5] = ["Oslo"] * len(found["city"][::5])
    found["tenure"][3] = 10_000
    return found


def frame_of(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """
    Return the DataFrame that MLflow's users make of them, with the types that MLflow enforces.

    The type of ``city`` is said, since pandas would take a batch without any city for objects.
    """
    types = {"age": "float64", "visits": "int32", "score": "float32", "city": "str"}
    return pd.DataFrame(columns).astype(types)


def with_none(frame: pd.DataFrame) -> pd.DataFrame:
    """Return *frame* with texts of the dtype object, in which a missing one is None."""
    cities = frame["city"].astype("object")
    return frame.assign(city=cities.where(cities.notna(), None))


def _encoder(**options: Any) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def _texts(*steps: Any) -> Pipeline:
    return make_pipeline(SimpleImputer(strategy="most_frequent"), *steps)


def _numbers() -> Pipeline:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def _features(**options: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", _numbers(), NUMBERS), ("texts", _texts(_encoder()), TEXTS)], **options)


def _classifier(*steps: Any) -> Pipeline:
    return make_pipeline(*steps, LogisticRegression(max_iter=500))


def _regressor(*steps: Any) -> Pipeline:
    return make_pipeline(*steps, Ridge())


def _rare() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=60)


def _ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)


def _fit(estimator: Any, columns: Sequence[str] = NAMES, target: str = "label") -> Any:
    rows = customers(400)
    frame = frame_of(rows)
    short = frame["tenure"] + frame["charge"] / 10 + np.where(frame["contract"] == "yearly", 20, 0)
    targets = {
        "label": np.where(short > 45, "stays", "leaves"),
        "number": (short > 45).astype(int),
        "months": short,
        "both": np.column_stack([short, -short]),
    }
    return estimator.fit(frame[list(columns)], targets[target])


def _months(estimator: Any, columns: Sequence[str] = NAMES) -> Any:
    return _fit(estimator, columns, "months")


def _categories() -> Any:
    """Fit on pandas' own categories, which an estimator takes for such by their dtype."""
    frame = frame_of(customers(400))
    frame = frame[["tenure", "charge", "contract", "city"]].astype({"contract": "category", "city": "category"})
    return HistGradientBoostingRegressor(max_iter=5, random_state=1).fit(frame, frame["tenure"] + frame["charge"])


def _objects() -> Any:
    frame = with_none(frame_of(customers(400)))
    model = _regressor(make_column_transformer((_encoder(), ["contract", "city"])))
    return model.fit(frame, frame["tenure"])


# Each is fitted on all columns of a DataFrame of customers unless it says otherwise.
NATIVE: dict[str, Callable[[], Any]] = {
    "column transformer": lambda: _fit(_classifier(_features())),
    "dense": lambda: _fit(_classifier(_features(sparse_threshold=0))),
    "passthrough": lambda: _months(
        make_pipeline(
            make_column_transformer((_ordinal(), [*TEXTS, "comment"]), remainder="passthrough"),
            HistGradientBoostingRegressor(max_iter=5),
        )
    ),
    "passthrough by name": lambda: _months(
        _regressor(make_column_transformer(("passthrough", ["visits", "score", "paperless"]), ("drop", ["city"])))
    ),
    "estimator as remainder": lambda: _months(
        _regressor(make_column_transformer((_encoder(), TEXTS), ("drop", ["comment"]), remainder=_numbers()))
    ),
    "selectors": lambda: _months(
        _regressor(
            make_column_transformer(
                (_numbers(), make_column_selector(dtype_include=np.number)),
                (_texts(_encoder()), make_column_selector(dtype_include=["str"])),
            )
        )
    ),
    "slices, masks and positions": lambda: _months(
        _regressor(
            ColumnTransformer(
                [
                    ("slice", _numbers(), slice("tenure", "charge")),
                    ("mask", _encoder(), [False, False, True, True, True, *[False] * 4]),
                    ("positions", StandardScaler(), [6, 7]),
                ]
            )
        )
    ),
    "missing as category": lambda: _months(_regressor(make_column_transformer((_encoder(), TEXTS)))),
    "missing as None": _objects,
    "imputed constants": lambda: _months(
        _regressor(
            make_column_transformer(
                (
                    make_pipeline(
                        SimpleImputer(strategy="constant", fill_value="none", add_indicator=True), _ordinal()
                    ),
                    TEXTS,
                )
            )
        )
    ),
    "mixed types in one imputer": lambda: _months(
        _regressor(
            make_column_transformer(
                (make_pipeline(SimpleImputer(strategy="most_frequent"), _ordinal()), ["tenure", "city", "paperless"])
            )
        )
    ),
    "encoded integers, booleans and texts": lambda: _months(
        _regressor(make_column_transformer((_encoder(), ["visits", "paperless", "contract"])))
    ),
    "rare categories": lambda: _months(_regressor(make_column_transformer((_rare(), ["contract"])))),
    "target encoder": lambda: _months(_regressor(make_column_transformer((TargetEncoder(), [*TEXTS, "visits"])))),
    "text column": lambda: _fit(
        _classifier(ColumnTransformer([("words", TfidfVectorizer(), "comment"), ("numbers", _numbers(), NUMBERS)]))
    ),
    "NumPy's own function": lambda: _months(
        _regressor(
            make_column_transformer(
                (FunctionTransformer(np.log1p), ["tenure", "charge"]), (FunctionTransformer(np.sqrt), ["score"])
            )
        )
    ),
    "nested column transformers": lambda: _fit(
        _classifier(ColumnTransformer([("inner", _features(), ["contract", "age", "city", "charge", "tenure"])]))
    ),
    "feature union": lambda: _fit(
        _classifier(
            FeatureUnion(
                [
                    ("all", _features()),
                    ("few", make_pipeline(make_column_transformer((_encoder(), ["city"])), TruncatedSVD(2))),
                ]
            )
        )
    ),
    "nothing, then a column transformer": lambda: _fit(
        _classifier(FunctionTransformer(), "passthrough", _features(), SelectKBest(k=4))
    ),
    "neighbours": lambda: _fit(make_pipeline(_features(), KNeighborsClassifier())),
    "KNN imputer": lambda: _months(_regressor(KNNImputer()), ["age", "tenure", "visits"]),
    "bins": lambda: _months(
        _regressor(make_column_transformer((KBinsDiscretizer(quantile_method="averaged_inverted_cdf"), ["charge"])))
    ),
    "grid search": lambda: _fit(
        GridSearchCV(_classifier(_features()), {"logisticregression__C": [0.1, 1.0]}, cv=2), NAMES, "number"
    ),
    "calibrated": lambda: _fit(CalibratedClassifierCV(_classifier(_features()), cv=2)),
    "calibrated after fitting": lambda: _fit(CalibratedClassifierCV(FrozenEstimator(_fit(_classifier(_features()))))),
    "voting": lambda: _fit(
        VotingClassifier([("a", _classifier(_features())), ("b", make_pipeline(_features(), SVC()))])
    ),
    "stacking": lambda: _fit(
        StackingClassifier(
            [
                ("a", _classifier(_features())),
                ("b", make_pipeline(_features(), RandomForestClassifier(5, random_state=1))),
            ],
            cv=2,
        )
    ),
    "transformed target": lambda: _months(
        TransformedTargetRegressor(_regressor(_features()), func=np.log1p, inverse_func=np.expm1)
    ),
    "one against the rest": lambda: _fit(OneVsRestClassifier(_classifier(_features())), NAMES, "label"),
    "two targets": lambda: _fit(MultiOutputRegressor(_regressor(_features())), NAMES, "both"),
    "numbers without a column transformer": lambda: _months(LinearRegression(), ["tenure", "charge", "score"]),
    "integers alone": lambda: _months(LinearRegression(), ["visits", "tenure"]),
    "floats of 32 bits alone": lambda: _months(make_pipeline(StandardScaler(), Ridge()), ["score"]),
    "booleans and numbers": lambda: _fit(
        HistGradientBoostingClassifier(max_iter=5), ["age", "paperless", "visits"], "label"
    ),
    "encoder before all": lambda: _months(_regressor(_encoder()), ["contract", "visits", "paperless", "city"]),
    "pandas' categories": _categories,
    "reordered": lambda: _fit(_classifier(_features()), NAMES[::-1]),
    "fewer columns than the signature": lambda: _fit(_classifier(_features()), [*NUMBERS, *TEXTS]),
}


def _doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(charge=frame["charge"] * 2)


class Filled:
    """A transformer of somebody's own that works on DataFrames."""

    def fit(self, _frame: pd.DataFrame, _target: Any = None) -> "Filled":
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(city=frame["city"].fillna("none").str.upper(), tenure=frame["tenure"].astype("int64") // 12)


WITH_PANDAS: dict[str, Callable[[], Any]] = {
    "columns chosen by an index of pandas": lambda: _months(
        _regressor(make_column_transformer((_encoder(), pd.Index(TEXTS)), (_numbers(), pd.Index(NUMBERS))))
    ),
    "user's function": lambda: _fit(_classifier(FunctionTransformer(_doubled), _features())),
    "user's function on columns": lambda: _months(
        _regressor(make_column_transformer((FunctionTransformer(_doubled), ["charge", "tenure"])))
    ),
    "user's transformer": lambda: _fit(_classifier(Filled(), _features())),
    "DataFrames between the steps": lambda: _fit(
        make_pipeline(
            make_column_transformer(
                (_numbers(), NUMBERS), (_encoder(sparse_output=False), TEXTS), verbose_feature_names_out=False
            ).set_output(transform="pandas"),
            make_column_transformer((StandardScaler(), ["tenure", "charge", "contract_yearly"])),
            LogisticRegression(),
        )
    ),
}
