"""The ways in which training scripts fit a scikit-learn model and log it, as makers of entries."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.zoo.data import ROWS
from tests.zoo.entry import Made
from tests.zoo.saving import autolog, made, quietly, save, signature

Data = Callable[[], pd.DataFrame]
Target = Callable[[], Any] | None
Way = Callable[[Any, Any, Any, Path, Mapping[str, Any]], Path]
"""Fits and logs: estimator, inputs, target, folder, options of ``save_model``."""

CLOUDPICKLE: dict[str, Any] = {"serialization_format": "cloudpickle"}
PICKLE: dict[str, Any] = {"serialization_format": "pickle"}
PROBABILITIES: dict[str, Any] = {"pyfunc_predict_fn": "predict_proba"}


def signed(estimator: Any, inputs: Any, target: Any, folder: Path, options: Mapping[str, Any]) -> Path:
    """``signature=infer_signature(X, model.predict(X))``."""
    estimator.fit(inputs, target)
    output = getattr(estimator, options.get("pyfunc_predict_fn", "predict"))(inputs)
    return save(estimator, folder, **{"signature": signature(inputs, output), **options})


def bare(estimator: Any, inputs: Any, target: Any, folder: Path, options: Mapping[str, Any]) -> Path:
    """Neither signature nor example: six of seven calls in public code."""
    return save(estimator.fit(inputs, target), folder, **options)


def exampled(estimator: Any, inputs: Any, target: Any, folder: Path, options: Mapping[str, Any]) -> Path:
    """``input_example=X.head()``, from which MLflow infers the signature."""
    return save(estimator.fit(inputs, target), folder, input_example=inputs[:5], **options)


def autologged(estimator: Any, inputs: Any, target: Any, _: Path, options: Mapping[str, Any]) -> Path:
    return autolog(estimator, inputs, target, **options)


def fitted(  # noqa: PLR0913 (what may differ from model to model)
    estimator: Any,
    data: Data,
    target: Target,
    way: Way = signed,
    *,
    array: bool = False,
    names: Sequence[str] | None = None,
    columns: bool = False,
    pinned: bool | None = None,
    options: Mapping[str, Any] | None = None,
) -> Callable[[Path], Made]:
    """
    Return what fits *estimator* on *data*, logs it one *way* and asks ``mlflow.pyfunc`` what is right.

    With *array* the estimator is fitted and asked on ``data().to_numpy()``.
    """

    def make(folder: Path) -> Made:
        frame = data()
        inputs = frame.to_numpy() if array else frame
        with quietly():
            path = way(estimator, inputs, target() if target else None, folder, options or {})
            return made(path, frame, asked=inputs, names=names, columns=columns, pinned=pinned)

    return make


def two(target: Callable[[], Any]) -> Callable[[], Any]:
    """Return a target of two columns."""
    return lambda: np.column_stack([target(), np.arange(ROWS) / 10])
