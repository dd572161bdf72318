"""The commonest model: a Pipeline whose ColumnTransformer was fitted on a DataFrame."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.saving import made, quietly, save, signature
from tests.zoo.ways import CLOUDPICKLE, PICKLE, PROBABILITIES, autologged, bare, exampled, fitted, two

NUMBERS, TEXTS = ["tenure", "monthly_charges"], ["contract", "payment"]


def _features(**options: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [("num", StandardScaler(), NUMBERS), ("cat", OneHotEncoder(handle_unknown="ignore"), TEXTS)], **options
    )


def churn_classifier(**options: Any) -> Pipeline:
    """Return the pipeline that tutorials show."""
    return Pipeline([("preprocessor", _features(**options)), ("classifier", LogisticRegression(max_iter=500))])


def _imputing() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    return ColumnTransformer([("num", numbers, NUMBERS), ("cat", texts, TEXTS)])


def _selecting() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("num", RobustScaler(), make_column_selector(dtype_include="number")),
            ("cat", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        ]
    )


def _pandas_output() -> Pipeline:
    features = ColumnTransformer(
        [("num", MinMaxScaler(), NUMBERS), ("cat", OneHotEncoder(sparse_output=False), TEXTS)],
        verbose_feature_names_out=False,
    )
    return make_pipeline(features, RandomForestRegressor(n_estimators=5, random_state=1)).set_output(transform="pandas")


def _union() -> Pipeline:
    numbers = ColumnTransformer([("num", StandardScaler(), NUMBERS)])
    texts = ColumnTransformer([("cat", OrdinalEncoder(), TEXTS)])
    return make_pipeline(FeatureUnion([("numbers", numbers), ("texts", texts)]), Ridge())


def _reviewed() -> Pipeline:
    features = ColumnTransformer([("words", TfidfVectorizer(), "review"), ("stars", "passthrough", ["stars"])])
    return make_pipeline(features, LogisticRegression())


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"hour": frame["placed"].dt.hour, "day": frame["placed"].dt.dayofweek})


def _orders() -> Pipeline:
    features = ColumnTransformer(
        [("time", FunctionTransformer(_dated), ["placed"]), ("num", StandardScaler(), ["items", "weight"])],
        remainder="passthrough",
    )
    return make_pipeline(features, LinearRegression())


def _categories(folder: Path) -> Made:
    """Log a pipeline on columns of pandas' category type; ``mlflow.pyfunc`` gives it texts."""
    frame = data.customers().astype({"contract": "category", "payment": "category"})
    estimator = churn_classifier().fit(frame, data.churn())
    with quietly():
        path = save(estimator, folder, signature=signature(data.customers(), estimator.predict(frame)))
        return made(path, data.customers())


def _optional_flags() -> pd.DataFrame:
    frame = data.orders().drop(columns="placed")
    return frame.assign(items=frame["items"].astype("float64").where(frame.index % 6 != 0))


def _flags() -> ColumnTransformer:
    return ColumnTransformer(
        [("flags", "passthrough", ["express", "gift"]), ("num", KNNImputer(), ["items", "weight"])]
    )


_FOREST = RandomForestClassifier(n_estimators=5, random_state=1)
_BOOSTED = HistGradientBoostingRegressor(max_iter=5, random_state=1)

ENTRIES = [
    Entry(
        name="columns/signed, cloudpickle",
        make=fitted(churn_classifier(), data.customers, data.churn, options=CLOUDPICKLE),
    ),
    Entry(name="columns/signed, skops", make=fitted(churn_classifier(), data.customers, data.churn)),
    Entry(name="columns/unsigned, skops", make=fitted(churn_classifier(), data.customers, data.churn, bare)),
    Entry(
        name="columns/unsigned, pickle, columns set",
        make=fitted(churn_classifier(), data.customers, data.churn, bare, columns=True, options=PICKLE),
    ),
    Entry(name="columns/example only", make=fitted(churn_classifier(), data.customers, data.churn_words, exampled)),
    Entry(
        name="columns/autologged",
        make=fitted(churn_classifier(), data.customers, data.churn, autologged),
    ),
    Entry(
        name="columns/autologged with example",
        make=fitted(
            make_pipeline(_features(), _FOREST),
            data.customers,
            data.churn_words,
            autologged,
            options={"log_input_examples": True},
        ),
    ),
    Entry(
        name="columns/probabilities",
        make=fitted(churn_classifier(), data.customers, data.churn_words, names=["no", "yes"], options=PROBABILITIES),
    ),
    Entry(
        name="columns/forest, skops",
        make=fitted(make_pipeline(_features(), RandomForestClassifier(5, random_state=2)), data.customers, data.churn),
    ),
    Entry(
        name="columns/imputers, boosting",
        make=fitted(
            make_pipeline(_imputing(), GradientBoostingRegressor(n_estimators=5, random_state=1)),
            data.gappy_customers,
            data.lifetime_value,
        ),
    ),
    Entry(
        name="columns/ordinal, histogram boosting",
        make=fitted(
            make_pipeline(ColumnTransformer([("cat", OrdinalEncoder(), TEXTS)], remainder="passthrough"), _BOOSTED),
            data.customers,
            data.lifetime_value,
        ),
    ),
    Entry(
        name="columns/remainder passthrough, unsigned",
        make=fitted(
            make_pipeline(ColumnTransformer([("cat", OneHotEncoder(), TEXTS)], remainder="passthrough"), Ridge()),
            data.customers,
            data.lifetime_value,
            bare,
        ),
    ),
    Entry(
        name="columns/selected by type",
        make=fitted(make_pipeline(_selecting(), LogisticRegression(max_iter=500)), data.customers, data.churn),
    ),
    Entry(
        name="columns/pandas output",
        make=fitted(_pandas_output(), data.customers, data.lifetime_value, options=CLOUDPICKLE),
        lean=False,
    ),
    Entry(
        name="columns/sparse output",
        make=fitted(churn_classifier(sparse_threshold=1.0), data.customers, data.churn, options=CLOUDPICKLE),
    ),
    Entry(
        name="columns/by position",
        make=fitted(
            make_pipeline(
                ColumnTransformer([("num", StandardScaler(), [0, 1]), ("cat", OneHotEncoder(), slice(2, 4))]), Ridge()
            ),
            data.customers,
            data.lifetime_value,
        ),
    ),
    Entry(
        name="columns/logarithm, bins, polynomials",
        make=fitted(
            make_pipeline(
                ColumnTransformer(
                    [
                        ("log", FunctionTransformer(np.log1p), ["monthly_charges"]),
                        ("bins", KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["tenure"]),
                    ]
                ),
                PolynomialFeatures(2, include_bias=False),
                LinearRegression(),
            ),
            data.customers,
            data.lifetime_value,
            options=CLOUDPICKLE,
        ),
    ),
    Entry(
        name="columns/grid search",
        make=fitted(
            GridSearchCV(churn_classifier(), {"classifier__C": [0.1, 1.0]}, cv=2),
            data.customers,
            data.churn_words,
            options=CLOUDPICKLE,
        ),
    ),
    Entry(
        name="columns/transformed target",
        make=fitted(
            TransformedTargetRegressor(make_pipeline(_features(), Ridge()), func=np.log1p, inverse_func=np.expm1),
            data.customers,
            data.lifetime_value,
            options=CLOUDPICKLE,
        ),
    ),
    Entry(
        name="columns/two outputs",
        make=fitted(
            make_pipeline(_features(), MultiOutputRegressor(Ridge())), data.customers, two(data.lifetime_value)
        ),
    ),
    Entry(name="columns/union", make=fitted(_union(), data.customers, data.lifetime_value)),
    Entry(
        name="columns/target encoder",
        make=fitted(
            make_pipeline(ColumnTransformer([("cat", TargetEncoder(cv=2), TEXTS)], remainder="passthrough"), Ridge()),
            data.customers,
            data.lifetime_value,
        ),
    ),
    Entry(name="columns/category type", make=_categories),
    Entry(name="columns/words and numbers", make=fitted(_reviewed(), data.reviews, data.moods, options=CLOUDPICKLE)),
    Entry(
        name="columns/flags and optional integers",
        make=fitted(make_pipeline(_flags(), Ridge()), _optional_flags, data.delivery_days),
    ),
    Entry(
        name="columns/datetime by pandas",
        make=fitted(_orders(), data.orders, data.delivery_days, options=CLOUDPICKLE),
        lean=False,
    ),
    Entry(
        name="columns/boosting that knows categories",
        make=fitted(
            make_pipeline(
                ColumnTransformer([("cat", OrdinalEncoder(), TEXTS)], remainder="passthrough"),
                HistGradientBoostingClassifier(max_iter=5, categorical_features=[0, 1], random_state=1),
            ),
            data.customers,
            data.churn,
            options=PICKLE,
        ),
    ),
]
