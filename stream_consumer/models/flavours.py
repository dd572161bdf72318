"""
The flavours of MLflow models: the files of a model, and the way to load them.

The rule: a flavour is a value. The first flavour in :data:`FLAVOURS` that a model has is used. Only files that hold
pure data are loaded without a pin.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stream_consumer.contract.event_schema import Column, counted
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Predict
from stream_consumer.models import boosters
from stream_consumer.models.columns import columns_of
from stream_consumer.models.concurrency import is_concurrent, on_one_thread
from stream_consumer.models.feeding import Signature, classes_of, feed
from stream_consumer.models.files import import_mlflow, is_installed, regular_file
from stream_consumer.models.made_rows import seen_values
from stream_consumer.models.skops_file import load_skops


class Files(NamedTuple):
    """A model directory, and the facts about a flavour in the file ``MLmodel``."""

    directory: Path
    location: str
    facts: Mapping[str, Any]
    method: str
    """Method of the estimator for predicting: the ``predict_fn`` of the flavour python_function."""
    pinned: bool

    def path(self, fact: str) -> Path:
        """
        Return the file named by *fact*.

        Raises:
            ModelError: The fact is missing, or the file is not a regular file inside the directory.
        """
        name = self.facts.get(fact)
        if not isinstance(name, str):
            raise ModelError(f"the file MLmodel of the model at {self.location} has no {fact!r}; log the model again")
        return regular_file(self.directory, name, self.location)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, before the columns of its rows are known."""

    predict: Callable[[Signature, Columns], Predict]
    """Returns the predict function for rows of a signature. The columns are example rows, or empty."""
    classes: Sequence[str] = ()
    """Labels of the outputs, if the outputs are labels."""
    columns: Sequence[Column] = ()
    """Columns that the model itself knows."""
    seen: Callable[[Sequence[str]], dict[str, Any]] = lambda _: {}
    """Returns a value that the model has seen for each named column, as far as the model tells."""
    concurrent: bool = False
    """Whether several threads may predict at once."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """A way to load a model from files."""

    name: str
    load: Callable[[Files], Loaded]
    library: str
    """The library needed for loading."""
    is_safe: Callable[[Mapping[str, Any]], bool] = lambda _: False
    """Whether files with these facts may be loaded without a pin."""


def flavour_of(flavours: Mapping[str, Mapping[str, Any]], location: str) -> Flavour:
    """
    Return the flavour for loading a model.

    Raises:
        ModelError: No flavour is supported, or the library of the flavour is not installed.
    """
    found = [flavour for flavour in FLAVOURS if flavour.name in flavours]
    if not found:
        raise ModelError(
            f"the model at {location} has the flavours {sorted(flavours)}; log it with "
            f"{' or '.join(flavour.name for flavour in FLAVOURS)}"
        )
    if not is_installed(found[0].library):
        raise ModelError(
            f"the model at {location} has the flavour {found[0].name}, and {found[0].library} is not installed here; "
            f"build the image with `make image MODEL=… EXTRA={found[0].library}`, or install it"
        )
    return found[0]


def _is_skops(facts: Mapping[str, Any]) -> bool:
    return facts.get("serialization_format") == "skops"


def _load_sklearn(files: Files) -> Loaded:
    _check_version(str(files.facts.get("sklearn_version")), files.location)
    return _estimator(files, "pickled_model")


def _estimator(files: Files, fact: str) -> Loaded:
    estimator = _unpacked(files, fact)
    return Loaded(
        lambda signature, example: feed(estimator, signature, method=files.method, example=example),
        classes_of(estimator, files.method),
        columns_of(estimator),
        lambda names: seen_values(estimator, names),
        is_concurrent(estimator),
    )


def _unpacked(files: Files, fact: str) -> Any:
    path = files.path(fact)
    if _is_skops(files.facts):
        return load_skops(path, files.location, pinned=files.pinned)
    return load_pickle(path, files.location)


def _check_version(saved: str, location: str) -> None:
    installed = importlib.import_module("sklearn").__version__
    if saved.split(".")[:2] != installed.split(".")[:2]:
        minor = ".".join(saved.split(".")[:2])
        raise ModelError(
            f"the model at {location} was saved by scikit-learn {saved} and this is {installed}; other minor versions "
            f"may predict differently or not at all: build the image with `make image MODEL=… SKLEARN={minor}`, or "
            "train the model again"
        )


def load_pickle(path: Path, location: str) -> Any:
    """Load a pickled estimator with a pinned digest, to predict on a single thread."""
    try:
        return on_one_thread(importlib.import_module("cloudpickle").loads(path.read_bytes()))
    except Exception as error:  # (unpickling may raise anything)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _load_lightgbm(files: Files) -> Loaded:
    if files.facts.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        return _booster(boosters.load_lightgbm)(files)
    estimator = _unpacked(files, "data")
    booster = boosters.of_lightgbm(estimator)
    return Loaded(
        lambda signature, _: _in_order(booster, signature),
        columns=[Column(name, "double") for name in booster.columns],
    )


def _booster(load: Callable[[Path, Mapping[str, Any]], boosters.Booster]) -> Callable[[Files], Loaded]:
    def loaded(files: Files) -> Loaded:
        try:
            booster = load(files.path("data"), files.facts)
        except ModelError:
            raise
        except Exception as error:  # (a parser may raise anything)
            raise ModelError(
                f"{files.facts.get('data')} of the model at {files.location} cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        columns = [Column(name, "double") for name in booster.columns]
        return Loaded(
            lambda signature, _: _in_order(booster, signature), columns=columns, concurrent=booster.concurrent
        )

    return loaded


def _in_order(booster: boosters.Booster, signature: Signature) -> Predict:
    """Return a predict function that takes columns in the signature's order and passes them in the model's own."""
    names = [column.name for column in signature.columns]
    lacking = sorted(set(booster.columns) - set(names))
    if lacking:
        raise ModelError(
            f"the model at {signature.location} was fitted on {counted(lacking)}, which its signature or MODEL_COLUMNS "
            f"does not have beside {names}; correct MODEL_COLUMNS if that names the columns, else log the model with a "
            "signature of all columns that it was fitted on"
        )
    order = [names.index(name) for name in booster.columns] if booster.columns else list(range(len(names)))
    return lambda columns: booster.predict([columns[at] for at in order])


def _load_pyfunc(files: Files) -> Loaded:
    """Load any other flavour through mlflow, which expects a DataFrame."""
    mlflow = import_mlflow("the model is of a flavour that only mlflow loads")
    pandas = importlib.import_module("pandas")
    try:
        model = mlflow.pyfunc.load_model(str(files.directory))
    except Exception as error:  # (a model's own code may raise anything)
        raise ModelError(f"the model at {files.location} cannot be loaded: {type(error).__name__}: {error}") from error

    def of(signature: Signature, _example: Columns) -> Predict:
        return lambda columns: model.predict(_frame(pandas, signature.columns, columns))

    return Loaded(of)


def _frame(pandas: Any, columns: Sequence[Column], values: Columns) -> Any:
    return pandas.DataFrame(
        {
            column.name: _series(pandas, column.type, of_column)
            for column, of_column in zip(columns, values, strict=True)
            # mlflow accepts an integer column without missing values, or no such column. So a column without any value
            # is left out.
            if column.type not in {"integer", "long"} or any(value is not None for value in of_column)
        },
        index=range(len(values[0])),
    )


# The names of the column types in pandas. mlflow refuses any other type, even a wider one.
_PANDAS_TYPES = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool"}


def _series(pandas: Any, kind: str, values: Sequence[Any]) -> Any:
    if kind == "datetime":  # datetimes of mlflow have no time zone
        return pandas.Series(pandas.to_datetime(values, utc=True)).dt.tz_localize(None)
    dtype = _PANDAS_TYPES.get(kind, "object")
    # Only floats can be missing.
    return pandas.Series(values, dtype="object" if None in values and not dtype.startswith("float") else dtype)


def add_code(flavours: Mapping[str, Mapping[str, Any]], directory: Path) -> None:
    """
    Let Python find the code that travels with a model (``code_paths``), as MLflow does. Used only with a pin.

    Source: mlflow.utils.model_utils of 3.17, ``_add_code_from_conf_to_system_path``.
    """
    code = flavours.get("python_function", {}).get("code")
    if isinstance(code, str) and str(directory / code) not in sys.path:  # the model may be loaded again
        sys.path.insert(0, str(directory / code))


FLAVOURS = (
    Flavour("sklearn", _load_sklearn, "sklearn", _is_skops),
    Flavour("xgboost", _booster(boosters.load_xgboost), "xgboost"),
    Flavour("lightgbm", _load_lightgbm, "lightgbm"),
    Flavour("catboost", _booster(boosters.load_catboost), "catboost"),
    Flavour("onnx", _booster(boosters.load_onnx), "onnxruntime"),
    Flavour("python_function", _load_pyfunc, "mlflow"),
)
"""The supported flavours, the most direct first."""
