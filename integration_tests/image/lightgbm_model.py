"""Run with LightGBM on the path: save a Booster as people do, and print what it predicts for rides given as JSON."""

import importlib
import json
import sys
import warnings

import numpy as np
import pandas as pd
from mlflow.models import infer_signature

COLUMNS = ["PULocationID", "DOLocationID", "trip_distance"]


def main(folder: str, rides: str) -> None:
    """Train on made-up rides, write the model to *folder* and print its predictions of *rides*."""
    lightgbm = importlib.import_module("lightgbm")
    random = np.random.default_rng(20210101)
    frame = pd.DataFrame(
        {name: random.integers(1, 256, 500) for name in COLUMNS[:2]} | {COLUMNS[2]: random.gamma(2.0, 1.5, 500)}
    )
    minutes = 3.0 + 4.0 * frame["trip_distance"] + 0.01 * frame["PULocationID"]
    booster = lightgbm.train({"verbosity": -1, "seed": 1}, lightgbm.Dataset(frame, minutes), num_boost_round=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow advises against integers
        signature = infer_signature(frame, minutes)
        importlib.import_module("mlflow.lightgbm").save_model(booster, folder, signature=signature)
    print(json.dumps(booster.predict(np.array(json.loads(rides))).tolist()))  # noqa: T201 (a command)


if __name__ == "__main__":
    main(*sys.argv[1:])
