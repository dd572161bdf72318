"""The estimators that hand arrays of their file to C code, fitted: what a hostile file would aim at."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (allows the next import)
from sklearn.impute import IterativeImputer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, SplineTransformer
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

from tests.models.estimators import ROWS, TARGETS

CODES = np.floor(ROWS)
WORDS = np.array(["a", "b", "c", "d", "e", "f"], dtype=object)[CODES.astype(int)]


def estimators_touching_c() -> Iterator[tuple[str, Any, Any]]:
    """Yield a name, the fitted estimator and rows for it."""
    for name, estimator, rows, target in _estimators():
        yield name, estimator.fit(rows, target), rows


def _estimators() -> Iterator[tuple[str, Any, Any, Any]]:
    number, label, *_ = TARGETS
    two, three = {"max_iter": 2}, {"n_estimators": 3, "random_state": 1}
    yield "ball tree", KNeighborsRegressor(3, algorithm="ball_tree", leaf_size=4), ROWS, number
    yield "brute force", KNeighborsClassifier(3, algorithm="brute"), ROWS, label
    yield "bins", make_pipeline(KBinsDiscretizer(3), Ridge()), ROWS, number
    yield "boosting", GradientBoostingClassifier(**three), ROWS, label
    yield (
        "categories",
        HistGradientBoostingRegressor(categorical_features=[0, 3], min_samples_leaf=2, **two),
        CODES,
        number,
    )
    yield "clusters", KMeans(3, random_state=1), ROWS, None
    yield "encoder", make_pipeline(OneHotEncoder(drop="first", min_frequency=9), Ridge()), CODES, number
    yield "forest of classes", RandomForestClassifier(**three), ROWS, label
    yield "forest of numbers", make_pipeline(OneHotEncoder(), RandomForestRegressor(**three)), CODES, number
    yield "histograms", HistGradientBoostingClassifier(**two), ROWS, label
    yield "imputer", make_pipeline(IterativeImputer(random_state=1, sample_posterior=True), Ridge()), ROWS, number
    yield "isolation", IsolationForest(max_features=0.5, **three), ROWS, None
    yield "k-d tree", KNeighborsClassifier(3, algorithm="kd_tree", leaf_size=4, metric="chebyshev"), ROWS, label
    yield "minkowski", KNeighborsRegressor(3, p=3, metric_params={"w": np.ones(4)}), ROWS, number
    yield "one class", OneClassSVM(), ROWS, None
    yield "radius", RadiusNeighborsClassifier(9.0, algorithm="brute"), ROWS, label
    yield "spline", make_pipeline(SplineTransformer(3), Ridge()), ROWS, number
    yield "support", SVC(), ROWS, label
    yield "support of numbers", SVR(kernel="poly"), ROWS, number
    yield "tree", DecisionTreeRegressor(random_state=1), ROWS, number
    yield "tree of two", DecisionTreeRegressor(random_state=1), ROWS, TARGETS[2]
