"""Models of libraries outside the lock: made where the library can be imported, skipped by name elsewhere."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.saving import made, quietly, signature


def _boosted(flavour: str, build: Callable[[Any], Any], target: Callable[[], Any], **options: Any) -> Any:
    """Return what fits an estimator of *flavour* and logs it by ``mlflow.<flavour>``."""

    def make(folder: Path) -> Made:
        frame = data.rides()
        estimator = build(importlib.import_module(flavour)).fit(frame, target())
        path = folder / "model"
        with quietly():
            flavor = importlib.import_module(f"mlflow.{flavour}")
            flavor.save_model(estimator, str(path), signature=signature(frame, estimator.predict(frame)), **options)
            return made(path, frame)

    return make


def _far() -> Any:
    return (data.rides()["trip_distance"] > 10).astype(int).to_numpy()


def _booster(folder: Path) -> Made:
    """Log a Booster, the object of XGBoost's own interface."""
    xgboost = importlib.import_module("xgboost")
    frame = data.rides()
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(frame, data.minutes()), num_boost_round=3)
    path = folder / "model"
    with quietly():
        importlib.import_module("mlflow.xgboost").save_model(booster, str(path), signature=signature(frame))
        return made(path, frame)


def _onnx(folder: Path) -> Made:
    """Log what skl2onnx made of a linear model: one tensor of 32-bit floats in, one out."""
    frame = data.rides().astype("float32")
    estimator = LinearRegression().fit(frame.to_numpy(), data.minutes())
    converted = importlib.import_module("skl2onnx").to_onnx(estimator, frame.to_numpy()[:1])
    path = folder / "model"
    with quietly():
        output = np.asarray(estimator.predict(frame.to_numpy()), dtype=np.float32)
        importlib.import_module("mlflow.onnx").save_model(
            converted, str(path), signature=signature(frame.to_numpy(), output)
        )
        return made(path, frame, asked=frame.to_numpy(), columns=True)


ENTRIES = [
    Entry(
        name="foreign/xgboost",
        needs="xgboost",
        make=_boosted("xgboost", lambda library: library.XGBRegressor(n_estimators=3), data.minutes),
    ),
    Entry(
        name="foreign/xgboost labels",
        needs="xgboost",
        make=_boosted("xgboost", lambda library: library.XGBClassifier(n_estimators=3), _far),
    ),
    Entry(name="foreign/xgboost booster", needs="xgboost", make=_booster),
    Entry(
        name="foreign/lightgbm",
        needs="lightgbm",
        make=_boosted("lightgbm", lambda library: library.LGBMRegressor(n_estimators=3, verbose=-1), data.minutes),
    ),
    Entry(
        name="foreign/lightgbm labels",
        needs="lightgbm",
        make=_boosted("lightgbm", lambda library: library.LGBMClassifier(n_estimators=3, verbose=-1), _far),
    ),
    Entry(
        name="foreign/catboost",
        needs="catboost",
        make=_boosted(
            "catboost",
            lambda library: library.CatBoostRegressor(
                iterations=3, verbose=False, allow_writing_files=False, thread_count=1
            ),
            data.minutes,
        ),
        lean=False,  # CatBoost itself imports pandas
    ),
    Entry(name="foreign/onnx", needs="skl2onnx", make=_onnx),
]
