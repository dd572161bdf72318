"""Every estimator of scikit-learn that fits plain numbers, fitted."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

ROWS = np.random.default_rng(seed=7).uniform(1, 5, (60, 4))
_SUM = ROWS @ np.arange(1.0, 5.0)
_CLASS = np.greater(_SUM, np.median(_SUM)).astype(int)
TARGETS: tuple[Any, ...] = (_SUM, _CLASS, np.column_stack([_SUM, _SUM]), np.column_stack([_CLASS, _CLASS]))


def fitted_estimators(part: int, parts: int) -> Iterator[tuple[str, Any]]:
    """Yield every *parts*-th estimator by name, fitted on the first kind of target that it takes."""
    for name, kind in all_estimators()[part::parts]:
        for target, inner in zip(TARGETS, (LinearRegression(), LogisticRegression()) * 2, strict=True):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # (of convergence, on 60 rows)
                    estimator = kind(**_arguments(kind, inner)).fit(ROWS, target)
            except (AttributeError, IndexError, TypeError, ValueError):
                continue  # does not take this target, or no numbers at all
            yield name, estimator
            break


def _arguments(kind: Any, inner: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "estimator": inner,
        "estimators": [("inner", inner)],
        "param_distributions": {"fit_intercept": [True, False]},
        "param_grid": {"fit_intercept": [True, False]},
        "steps": [("scaler", StandardScaler()), ("inner", inner)],
        "transformer_list": [("scaler", StandardScaler())],
        "transformers": [("scaler", StandardScaler(), [0, 1])],
    }
    parameters = inspect.signature(kind).parameters
    arguments = {
        name: value
        for name, value in given.items()
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    }
    return arguments | ({"random_state": 1} if "random_state" in parameters else {})


def outputs(estimator: Any, rows: Any = ROWS) -> dict[str, Any]:
    """Return what *estimator* makes of *rows*, by each method that it has."""
    methods = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
    found = {name: getattr(estimator, name) for name in methods if hasattr(estimator, name)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: method(rows) for name, method in found.items()}
