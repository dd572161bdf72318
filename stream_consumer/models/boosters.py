"""
Load and call models of XGBoost, LightGBM, CatBoost and ONNX, without mlflow and pandas.

The rule: their parsers are C++ code not written for hostile files, so all of these models need a pin. Each load
function takes the model's file and the facts about its flavour in the file ``MLmodel``.

Source: mlflow.xgboost, mlflow.lightgbm, mlflow.catboost and mlflow.onnx of 3.17, ``_load_model`` and ``_load_pyfunc``.
"""

import importlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Predict

# An MLmodel file must not choose arbitrary classes.
_XGBOOST_CLASSES = frozenset(
    {"Booster", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"}
)
_CATBOOST_CLASSES = frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"})
_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class Booster(NamedTuple):
    """A loaded model."""

    predict: Predict
    """Takes columns of n values each, in the model's own order."""
    columns: Sequence[str] = ()
    """Names of the columns of the fit. Empty if the model does not know them."""
    concurrent: bool = False
    """Whether several threads may predict at once. Most libraries start threads of their own instead."""


def load_xgboost(path: Path, facts: Mapping[str, Any]) -> Booster:
    xgboost = importlib.import_module("xgboost")
    model = _one_of(xgboost, facts.get("model_class", "Booster"), _XGBOOST_CLASSES)
    model.load_model(str(path))
    if not isinstance(model, xgboost.Booster):
        return Booster(_of_matrix(model.predict), model.get_booster().feature_names or ())
    names = model.feature_names
    return Booster(_of_matrix(lambda matrix: model.predict(xgboost.DMatrix(matrix, feature_names=names))), names or ())


def load_lightgbm(path: Path, _facts: Mapping[str, Any]) -> Booster:
    """Load a Booster. Models of LightGBM's scikit-learn interface are pickled, and loaded like scikit-learn's."""
    lightgbm = importlib.import_module("lightgbm")
    model = lightgbm.Booster(model_file=str(path))
    return Booster(_of_matrix(model.predict), _named(model.feature_name()))


def of_lightgbm(estimator: Any) -> Booster:
    """Return the booster of an *estimator* of LightGBM's scikit-learn interface."""

    def predict(matrix: NDArray[Any]) -> Any:
        with warnings.catch_warnings():
            # The columns are already in order by name. The warning would come with every batch.
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return estimator.predict(matrix)

    return Booster(_of_matrix(predict), _named(estimator.feature_name_))


def _named(features: Sequence[str]) -> list[str]:
    """Return the names of features, without the names that LightGBM invents for nameless ones."""
    return [name for name in features if not re.fullmatch(r"Column_\d+", name)]


def load_catboost(path: Path, facts: Mapping[str, Any]) -> Booster:
    model = _one_of(importlib.import_module("catboost"), facts.get("model_type", "CatBoost"), _CATBOOST_CLASSES)
    model.load_model(str(path), facts.get("save_format", "cbm"))
    # Categories are texts or integers, which a matrix of floats cannot hold.
    dtype = np.object_ if model.get_cat_feature_indices() or model.get_text_feature_indices() else np.float64
    # CatBoost uses numbers as names for nameless columns.
    names = [name for name in model.feature_names_ if not name.isdecimal()]
    return Booster(_of_matrix(model.predict, dtype), names)


def load_onnx(path: Path, _facts: Mapping[str, Any]) -> Booster:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    # A batch is predicted in milliseconds. Threads would wait longer for each other.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    dtypes = [_ONNX_TYPES.get(one.type, np.float32) for one in inputs]

    def predict(columns: Columns) -> Any:
        if len(inputs) == 1:
            feeds = [_matrix(columns, dtypes[0])]
        else:
            feeds = [
                np.asarray(values, dtype).reshape((-1, 1)[: len(one.shape)])
                for one, dtype, values in zip(inputs, dtypes, columns, strict=True)
            ]
        found = session.run(outputs, {one.name: feed for one, feed in zip(inputs, feeds, strict=True)})
        return dict(zip(outputs, found, strict=True))

    # Source: ONNX Runtime, C API, "OrtApi::Run": a session may be run by several threads at once.
    return Booster(predict, [one.name for one in inputs] if len(inputs) > 1 else (), concurrent=True)


def _one_of(module: Any, name: str, allowed: frozenset[str]) -> Any:
    name = str(name).rpartition(".")[2]
    if name not in allowed:
        raise ModelError(f"the file MLmodel names the class {name!r}; wanted one of {', '.join(sorted(allowed))}")
    return getattr(module, name)()


def _of_matrix(predict: Callable[[NDArray[Any]], Any], dtype: Any = np.float64) -> Predict:
    return lambda columns: predict(_matrix(columns, dtype))


def _matrix(columns: Columns, dtype: Any) -> NDArray[Any]:
    matrix = np.empty((len(columns[0]), len(columns)), dtype)
    for index, values in enumerate(columns):
        matrix[:, index] = values  # None becomes NaN in an array of floats
    return matrix
