"""A model of rides whose predictions can be told beforehand, saved as MLflow saves one but without its help."""

import json
from pathlib import Path

import numpy as np
import sklearn
import skops.io
from sklearn.linear_model import LinearRegression

from tests.rides import RIDE_COLUMNS


def linear_model(path: Path, minutes_per_mile: float = 2.0, *, longest: float = 200.0) -> str:
    """Save a model that predicts 5 + *minutes_per_mile* times the distance, up to the *longest*; its location."""
    path.mkdir()
    estimator = LinearRegression().fit(np.eye(3), np.zeros(3))
    estimator.coef_, estimator.intercept_ = np.array([0.0, 0.0, minutes_per_mile]), 5.0
    skops.io.dump(estimator, path / "model.skops")
    inputs = [{"name": column.name, "type": column.type, "required": True} for column in RIDE_COLUMNS]
    bounds = {column.name: {"minimum": column.minimum, "maximum": column.maximum} for column in RIDE_COLUMNS}
    bounds["trip_distance"]["maximum"] = longest
    flavor = {"pickled_model": "model.skops", "serialization_format": "skops", "sklearn_version": sklearn.__version__}
    description = {
        "flavors": {"sklearn": flavor},
        "metadata": {"stream_consumer": {"name": path.name, "bounds": bounds}},
        "run_id": f"run-{path.name}",
        "signature": {"inputs": json.dumps(inputs)},
    }
    (path / "MLmodel").write_text(json.dumps(description), encoding="utf-8")  # JSON is YAML
    return str(path)
