"""
Models of XGBoost, LightGBM, CatBoost and ONNX, loaded and fed without mlflow and pandas.

The rule: their parsers are C++ that was not written for hostile files, so all of these want a pin. Each function takes
the model's directory and what the file ``MLmodel`` says of its flavour, and returns what predicts a matrix.

Source: mlflow.xgboost, mlflow.lightgbm, mlflow.catboost and mlflow.onnx of 3.17, ``_load_model`` and ``_load_pyfunc``.
"""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Predict

# An MLmodel file must not choose what is imported.
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


def load_xgboost(directory: Path, flavour: Mapping[str, Any]) -> Predict:
    xgboost = importlib.import_module("xgboost")
    model = _one_of(xgboost, flavour.get("model_class", "Booster"), _XGBOOST_CLASSES)
    model.load_model(str(directory / flavour["data"]))
    if not isinstance(model, xgboost.Booster):
        return _of_matrix(model.predict)
    names = model.feature_names
    return _of_matrix(lambda matrix: model.predict(xgboost.DMatrix(matrix, feature_names=names)))


def load_lightgbm(directory: Path, flavour: Mapping[str, Any]) -> Predict:
    """Load a Booster; models of LightGBM's scikit-learn interface are pickled, and loaded as scikit-learn's."""
    lightgbm = importlib.import_module("lightgbm")
    return _of_matrix(lightgbm.Booster(model_file=str(directory / flavour["data"])).predict)


def load_catboost(directory: Path, flavour: Mapping[str, Any]) -> Predict:
    model = _one_of(importlib.import_module("catboost"), flavour["model_type"], _CATBOOST_CLASSES)
    model.load_model(str(directory / flavour["data"]), flavour.get("save_format", "cbm"))
    # Categories are texts or integers, which a matrix of floats cannot hold.
    dtype = np.object_ if model.get_cat_feature_indices() or model.get_text_feature_indices() else np.float64
    return _of_matrix(model.predict, dtype)


def load_onnx(directory: Path, flavour: Mapping[str, Any]) -> Predict:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    # A batch is predicted in milliseconds; threads would wait for each other longer.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(str(directory / flavour["data"]), options, providers=["CPUExecutionProvider"])
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

    return predict


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
