"""
How the estimator of each MLflow flavour but skops is loaded, and how rows reach it.

The rule: none of these files is loaded without a pin.
"""

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from stream_consumer.contract.event_schema import NUMERIC, EventSchema
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Predict
from stream_consumer.models.files import import_mlflow


def load_pickle(path: Path, location: str) -> Any:
    """Load a pickled estimator, whose digest the settings pin."""
    try:
        return importlib.import_module("cloudpickle").loads(path.read_bytes())
    except Exception as error:  # (unpickling may raise anything)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def native(estimator: Any, schema: EventSchema, location: str) -> Predict:
    """Feed rows to a scikit-learn estimator as one array, without pandas."""
    names = [column.name for column in schema.columns]
    fitted = list(getattr(estimator, "feature_names_in_", names))
    if fitted != names:
        raise ModelError(f"the model at {location} was fitted on the columns {fitted}, but its signature has {names}")
    # A batch is predicted in milliseconds. OpenMP's threads would spend longer spinning for each other, and for cores
    # that are visible but not granted: two workers on two busy cores took 16 s for what takes 0.7 s.
    threads = ThreadpoolController()
    dtype: Any = np.float64 if all(column.type in NUMERIC for column in schema.columns) else object

    def predict(columns: Columns) -> NDArray[np.float64]:
        matrix = np.empty((len(columns[0]), len(columns)), dtype=dtype)
        for index, values in enumerate(columns):
            matrix[:, index] = values  # None becomes NaN in an array of float64
        with threads.limit(limits=1, user_api="openmp"):
            result: NDArray[np.float64] = estimator.predict(matrix)
        return result

    if not hasattr(estimator, "feature_names_in_"):
        return predict

    def predict_quietly(columns: Columns) -> NDArray[np.float64]:
        # Fitted on a DataFrame: the names were compared above, and the warning would come with every batch.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return predict(columns)

    return predict_quietly


def load_pyfunc(path: Path, schema: EventSchema, *, location: str) -> Predict:
    """Load any other flavour through mlflow, which wants a DataFrame."""
    mlflow = import_mlflow("the model is of a flavour other than sklearn")
    pandas = importlib.import_module("pandas")
    try:
        model = mlflow.pyfunc.load_model(str(path))
    except Exception as error:  # (a model's own code may raise anything)
        raise ModelError(f"the model at {location} cannot be loaded: {type(error).__name__}: {error}") from error

    def predict(columns: Columns) -> NDArray[np.float64]:
        frame = pandas.DataFrame(
            {
                column.name: _series(pandas, column.type, values)
                for column, values in zip(schema.columns, columns, strict=True)
                # mlflow takes an integer column without its missing values, or not at all.
                if column.type not in {"integer", "long"} or any(value is not None for value in values)
            },
            index=range(len(columns[0])),
        )
        return np.asarray(model.predict(frame), dtype=np.float64)

    return predict


# What pandas calls the column types; mlflow refuses any other, even a wider one.
_PANDAS_TYPES = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool"}


def _series(pandas: Any, kind: str, values: Sequence[Any]) -> Any:
    if kind == "datetime":  # mlflow's have no time zone
        return pandas.Series(pandas.to_datetime(values, utc=True)).dt.tz_localize(None)
    dtype = _PANDAS_TYPES.get(kind, "object")
    # Only floats can be missing.
    return pandas.Series(values, dtype="object" if None in values and not dtype.startswith("float") else dtype)
