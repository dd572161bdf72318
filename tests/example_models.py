"""
Small MLflow models for the tests, made by MLflow itself.

conftest.py makes each of them once and hands out its directory; a test that needs a broken one copies it and changes
the copy with :func:`changed`.
"""

import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

RIDE_BOUNDS = {
    "PULocationID": {"minimum": 1, "maximum": 265},
    "DOLocationID": {"minimum": 1, "maximum": 265},
    "trip_distance": {"minimum": 0.0, "maximum": 200.0},
}
RIDE_SIGNATURE = (("PULocationID", "long", True), ("DOLocationID", "long", True), ("trip_distance", "double", True))
EXAMPLE: dict[str, list[Any]] = {"PULocationID": [130, 74], "DOLocationID": [205, 75], "trip_distance": [3.66, 1.1]}

TRIP_SIGNATURE = (("payment", "string", True), ("tolls", "double", False), ("shared", "boolean", True))


def signature_of(columns: Sequence[tuple[str, str, bool]]) -> Any:
    from mlflow.models import ModelSignature  # noqa: PLC0415 (seconds: only the tests that need it)
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    return ModelSignature(
        inputs=Schema([ColSpec(type=kind, name=name, required=needed) for name, kind, needed in columns])
    )


def save(estimator: Any, path: Path, **options: Any) -> Path:
    """Save as ``stream-consumer train`` does: skops, with the types that its model needs."""
    import mlflow.sklearn  # noqa: PLC0415

    return _quietly(
        mlflow.sklearn.save_model,
        path,
        sk_model=estimator,
        pip_requirements=[],
        **(
            {
                "serialization_format": "skops",
                "skops_trusted_types": [
                    "functools.partial",
                    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
                    "sklearn.utils.validation.check_array",
                ],
            }
            | options
        ),
    )


def save_pyfunc(model: Any, path: Path, **options: Any) -> Path:
    import mlflow.pyfunc  # noqa: PLC0415

    return _quietly(mlflow.pyfunc.save_model, path, python_model=model, pip_requirements=[], **options)


def _quietly(save_model: Callable[..., Any], path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        # MLflow's own use of pandas is deprecated, and it advises on what the tests do on purpose.
        warnings.simplefilter("ignore")
        save_model(path=str(path), **options)
    return path


def rides_model(path: Path) -> Path:
    """Save a linear model of rides with all that training declares: loaded in milliseconds."""
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415

    return _save_rides(LinearRegression(), path)


def boosted_rides_model(path: Path) -> Path:
    """Save a model of the default kind: histogram gradient boosting on plain arrays, both zones as categories."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    return _save_rides(HistGradientBoostingRegressor(max_iter=3, categorical_features=[0, 1], random_state=1), path)


def _save_rides(estimator: Any, path: Path) -> Path:
    import pandas as pd  # noqa: PLC0415

    generator = np.random.default_rng(seed=1)
    zones, distances = generator.integers(1, 200, (400, 2)), generator.uniform(0, 20, 400)
    estimator.fit(np.column_stack([zones, distances]), 5 + 3 * distances + zones[:, 0] / 100)
    metadata = {
        "name": "ride-duration",
        "bounds": RIDE_BOUNDS,
        "categories": {"PULocationID": [130, 74], "DOLocationID": [205, 75]},
        "example_predictions": estimator.predict(np.column_stack(list(EXAMPLE.values()))).tolist(),
    }
    return save(
        estimator,
        path,
        signature=signature_of(RIDE_SIGNATURE),
        input_example=pd.DataFrame(EXAMPLE),
        metadata={"stream_consumer": metadata},
    )


def trips_model(path: Path) -> Path:
    """Save a pipeline on other columns: a string, an optional number and a boolean, fitted on an array of objects."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415

    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    features = ColumnTransformer([("categories", encoder, [0, 2])], remainder="passthrough")
    regressor = HistGradientBoostingRegressor(learning_rate=1.0, max_iter=5, min_samples_leaf=1)
    rows = [
        (payment, tolls, shared)
        for payment in ("card", "cash")
        for tolls in (None, 1.0, 2.0)
        for shared in (True, False)
    ]
    minutes = [minutes_of_trip(*row) for row in rows]
    model = make_pipeline(features, regressor).fit(np.array(rows, dtype=object), minutes)
    return save(model, path, signature=signature_of(TRIP_SIGNATURE))


def minutes_of_trip(payment: str, tolls: float | None, shared: bool) -> float:  # noqa: FBT001 (a row)
    """Return what the trips model learns exactly."""
    return (10.0 if payment == "card" else 20.0) + 3.0 * (tolls or 0.0) + (5.0 if shared else 0.0)


def changed(model: Path, copy: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy the directory of *model* and let *change* edit the content of its file MLmodel."""
    shutil.copytree(model, copy)
    content: dict[str, Any] = yaml.safe_load((copy / "MLmodel").read_text(encoding="utf-8"))
    change(content)
    (copy / "MLmodel").write_text(yaml.safe_dump(content), encoding="utf-8")
    return copy


def with_metadata(values: Mapping[str, Any]) -> Callable[[dict[str, Any]], object]:
    """Return a change of our own metadata."""
    return lambda content: content["metadata"]["stream_consumer"].update(values)
