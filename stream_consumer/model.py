"""
An MLflow model directory → :class:`Model`: name, version, schema, predict.

The rule: loading is all or nothing and executes nothing from the file. scikit-learn models saved with skops are loaded
natively against an allow-list of ours; anything else can run code when it is loaded, so it is loaded only if the
settings pin its digest. A model that fails on its own input example is never served.
"""

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from stream_consumer.contract import NUMERIC, EventSchema, InvalidRecord
from stream_consumer.errors import ModelError
from stream_consumer.mlmodel import Description, describe
from stream_consumer.model_files import default_s3, directory_digest, import_mlflow, model_directory

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Types beyond skops' own trusted ones that a stock scikit-learn model needs. The list in the model's file is the file's
# word and is ignored. None of these runs anything on load: partial and check_array are only referred to.
TRUSTED_TYPES = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)

_TOLERANCE = 1e-6

Columns = Sequence[Sequence[Any]]
Predict = Callable[[Columns], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model that has predicted its own example."""

    name: str
    version: str
    location: str
    digest: str
    """SHA-256 of the directory, as MODEL_DIGEST pins it."""
    schema: EventSchema
    predict: Predict
    """n minutes for columns of n values each, in the signature's order; None where an optional value is missing."""
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """Values of a column that training saw."""
    example: Columns = ()
    """The input example, by column; empty if the model was logged without one."""
    expected: Sequence[float] = ()
    """Minutes that training recorded for the example; empty if it did not."""

    def check(self) -> None:
        """
        Predict the input example.

        Raises:
            ModelError: It fails, is not finite, or differs from what training recorded.
        """
        if not self.example:
            return
        rows = len(self.example[0])
        try:
            minutes = np.asarray(self.predict(self.example), dtype=np.float64).ravel()
        except Exception as error:  # (a model may raise anything)
            raise ModelError(
                f"the model at {self.location} fails on its own input example: {type(error).__name__}: {error}; "
                "a scikit-learn pipeline must be fitted on arrays, with columns chosen by position"
            ) from error
        if len(minutes) != rows or not np.isfinite(minutes).all():
            raise ModelError(
                f"the model at {self.location} predicts {minutes.tolist()} for the {rows} rows of its input example; "
                "wanted one finite number a row"
            )
        if self.expected and not (
            len(self.expected) == rows and np.allclose(minutes, self.expected, rtol=_TOLERANCE, atol=_TOLERANCE)
        ):
            raise ModelError(
                f"the model at {self.location} predicts {minutes.tolist()} for its input example, but training "
                f"recorded {list(self.expected)}; other library versions load it than saved it: train it again"
            )


def load_model(
    location: str,
    *,
    s3: Callable[[], "S3Client"],
    digest: str | None = None,
    version: str | None = None,
) -> Model:
    """
    Load and check the model at *location*.

    That is a directory, an ``s3://`` prefix or, where mlflow is installed, ``models:/…``.

    Args:
        location: Where the MLflow model directory (the one that holds ``MLmodel``) is.
        s3: Makes the client, if one is needed.
        digest: What :func:`directory_digest` must give.
        version: Overrides the version that predictions carry.

    Raises:
        ModelError: The model cannot be read, has no usable signature, was saved by another version of scikit-learn, is
            not the one that *digest* pins, or fails its self-check; the message says what to do.
    """
    try:
        with model_directory(location, s3) as path:
            actual = directory_digest(path)
            if digest is not None and digest != actual:
                raise ModelError(f"the model at {location} has the digest {actual}, but MODEL_DIGEST pins {digest}")
            description = describe(path, location)
            schema = EventSchema(description.columns)
            predict = _loader(description, location, pinned=digest is not None)(path, schema)
    except OSError as error:  # no permission, no room in the temporary folder, or none
        raise ModelError(f"the files of the model at {location} cannot be read: {error}") from error
    model = Model(
        name=description.name,
        version=version or description.version or actual[:12],
        location=location,
        digest=actual,
        schema=schema,
        predict=predict,
        categories=description.categories,
        example=_example(description.example, schema, location),
        expected=description.expected,
    )
    model.check()
    return model


class Chosen(Protocol):
    """What of the settings says which model it is."""

    @property
    def model_location(self) -> str: ...

    @property
    def model_digest(self) -> str | None: ...

    @property
    def run_id(self) -> str | None: ...


def chosen_model(chosen: Chosen, s3: Callable[[], "S3Client"] = default_s3) -> Model:
    """
    Load the model that the settings name.

    Raises:
        ModelError: See :func:`load_model`.
    """
    return load_model(chosen.model_location, s3=s3, digest=chosen.model_digest, version=chosen.run_id)


def _loader(description: Description, location: str, *, pinned: bool) -> Callable[[Path, EventSchema], Predict]:
    sklearn = description.sklearn
    if sklearn is None and not description.pyfunc:
        raise ModelError(
            f"the model at {location} has neither the flavour sklearn nor python_function; log it with one"
        )
    safe = sklearn is not None and sklearn.serialization_format == "skops"
    if not safe and not pinned:
        raise ModelError(
            f"loading the model at {location} can run code from its files; save it with "
            'mlflow.sklearn.log_model(…, serialization_format="skops"), or, if you trust it, pin it with MODEL_DIGEST'
        )
    if sklearn is None:
        return functools.partial(_load_pyfunc, location=location)
    _check_version(sklearn.sklearn_version, location)
    file = sklearn.pickled_model

    def load(path: Path, schema: EventSchema) -> Predict:
        estimator = _load_skops(path / file, location) if safe else _load_pickle(path / file, location)
        return _native(estimator, schema, location)

    return load


def _check_version(saved: str, location: str) -> None:
    installed = importlib.import_module("sklearn").__version__
    if saved.split(".")[:2] != installed.split(".")[:2]:
        raise ModelError(
            f"the model at {location} was saved by scikit-learn {saved} and this is {installed}; other minor versions "
            "may predict differently or not at all: train it again, or build the image with the version that saved it"
        )


def _load_skops(path: Path, location: str) -> Any:
    skops = importlib.import_module("skops.io")
    refused = importlib.import_module("skops.io.exceptions").UntrustedTypesFoundException
    try:
        return skops.load(path, trusted=list(TRUSTED_TYPES))
    except refused as error:
        foreign = sorted(set(skops.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
        raise ModelError(f"the model at {location} holds types that are not trusted: {', '.join(foreign)}") from error
    except Exception as error:  # (what a broken archive raises is not skops' contract)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _load_pickle(path: Path, location: str) -> Any:
    """Load a pickled estimator, whose digest the settings pin."""
    try:
        return importlib.import_module("cloudpickle").loads(path.read_bytes())
    except Exception as error:  # (unpickling may raise anything)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _native(estimator: Any, schema: EventSchema, location: str) -> Predict:
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


def _load_pyfunc(path: Path, schema: EventSchema, *, location: str) -> Predict:
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


def _example(rows: Sequence[Mapping[str, Any]], schema: EventSchema, location: str) -> Columns:
    """Return the input example by column, read as a ride event would be."""
    if not rows:
        return ()
    events = [schema.decode(msgspec.json.encode({"ride": row, "ride_id": 0})) for row in rows]
    for row, event in zip(rows, events, strict=True):
        if isinstance(event, InvalidRecord):
            raise ModelError(
                f"the model at {location} would refuse its own input example {row}: {event.path}: {event.detail}"
            )
    return [[getattr(event.ride, name) for event in events] for name in schema.fields]  # type: ignore[union-attr]
