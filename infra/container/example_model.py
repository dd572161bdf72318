"""
A small ride-duration model in MLflow's format, made only with the packages of the image.

The model measures the init of an image without a model, and the tests of the image bake it in. Its rides are made up,
so its predictions have no meaning.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

_EXAMPLE = [[130, 205, 3.66], [43, 151, 1.01], [166, 239, 2.53]]
_BOUNDS = {
    "PULocationID": {"minimum": 1, "maximum": 265},
    "DOLocationID": {"minimum": 1, "maximum": 265},
    "trip_distance": {"minimum": 0.0, "maximum": 200.0},
}


def write_example_model(
    folder: Path, *, minutes_per_mile: float = 4.0, scikit_learn: str = sklearn.__version__, name: str = "ride-duration"
) -> None:
    """
    Write a model of the usual size into *folder*. *minutes_per_mile* distinguishes it from another.

    *scikit_learn* is the version in the model's description.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20210101)
    zones = random.integers(1, 256, size=(5_000, 2))
    miles = random.gamma(2.0, 1.5, size=5_000)
    minutes = 3.0 + minutes_per_mile * miles + 0.01 * zones[:, 0]
    estimator = HistGradientBoostingRegressor(categorical_features=[0, 1], max_iter=100, random_state=1)
    with threadpool_limits(limits=1):  # on busy cores, threads would spin while they wait for each other
        estimator.fit(np.column_stack([zones, miles]), minutes)
    skops.io.dump(estimator, folder / "model.skops")
    example = {"columns": list(_BOUNDS), "data": _EXAMPLE}
    (folder / "input_example.json").write_text(json.dumps(example))
    description = _description(estimator.predict(np.array(_EXAMPLE)).tolist(), scikit_learn, name)
    (folder / "MLmodel").write_text(json.dumps(description, indent=1))  # JSON is YAML


def _description(predictions: list[float], scikit_learn: str, name: str) -> dict[str, object]:
    columns = [
        {"type": "double" if column == "trip_distance" else "long", "name": column, "required": True}
        for column in _BOUNDS
    ]
    return {
        "flavors": {
            "sklearn": {
                "pickled_model": "model.skops",
                "serialization_format": "skops",
                "sklearn_version": scikit_learn,
            }
        },
        "metadata": {
            "stream_consumer": {"name": name, "bounds": _BOUNDS, "example_predictions": predictions},
        },
        "run_id": "example",
        "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe"},
        "signature": {"inputs": json.dumps(columns)},
    }
