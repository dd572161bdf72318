"""
How the model of each MLflow flavour but skops is loaded.

The rule: none of these files is loaded without a pin.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.event_schema import EventSchema
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
