"""
An MLflow model directory → :class:`Model`: name, version, schema, predict.

The rule: loading is all or nothing and executes nothing from the file. scikit-learn models saved with skops are loaded
natively against an allow-list of ours; anything else can run code when it is loaded, so it is loaded only if the
settings pin its digest. A model that fails on its own input example is never served.
"""

import contextlib
import functools
import hashlib
import importlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from stream_consumer.contract import NUMERIC, Column, EventSchema, InvalidRecord
from stream_consumer.errors import ModelError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Types beyond skops' own trusted ones that a stock scikit-learn model needs. The list in the model's file is the file's
# word and is ignored. None of these runs anything on load: partial and check_array are only referred to.
TRUSTED_TYPES = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)

# MLflow writes it into a downloaded copy, so it is no part of the model.
_REGISTRY_META = "registered_model_meta"
_TOLERANCE = 1e-6

# libyaml, where PyYAML was built with it, reads a model's few hundred lines in a sixth of the time.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Columns = Sequence[Sequence[Any]]
Predict = Callable[[Columns], NDArray[np.float64]]
_Shape = TypeVar("_Shape")


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
    with model_directory(location, s3) as path:
        actual = directory_digest(path)
        if digest is not None and digest != actual:
            raise ModelError(f"the model at {location} has the digest {actual}, but MODEL_DIGEST pins {digest}")
        description = _read(path / "MLmodel", _Description, location)
        ours = description.metadata.stream_consumer if description.metadata else _Ours()
        schema = EventSchema(_columns(description.signature, ours.bounds, location))
        predict = _loader(description.flavors, location, pinned=digest is not None)(path, schema)
        registered = _read(path / _REGISTRY_META, _Registered, location) if (path / _REGISTRY_META).exists() else None
        example = _example(path, description.saved_input_example_info, schema, location)
    run = description.run_id or description.model_id
    model = Model(
        name=registered.model_name if registered else ours.name or description.model_id or "model",
        version=version or str(registered.model_version if registered else run or actual[:12]),
        location=location,
        digest=actual,
        schema=schema,
        predict=predict,
        categories={name: frozenset(values) for name, values in ours.categories.items()},
        example=example,
        expected=ours.example_predictions,
    )
    model.check()
    return model


def directory_digest(directory: Path) -> str:
    """Return the SHA-256 over the sorted names and contents of all files of a model directory."""
    whole = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file() and path.name != _REGISTRY_META):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{content}  {path.relative_to(directory).as_posix()}\n".encode())
    return whole.hexdigest()


@contextlib.contextmanager
def model_directory(location: str, s3: Callable[[], "S3Client"]) -> Iterator[Path]:
    """
    Give the files of the model at *location* as a local directory; a fetched copy lasts as long as the context.

    Raises:
        ModelError: There is no model, or it cannot be fetched.
    """
    if location.startswith(("s3://", "models:/", "runs:/")):
        with tempfile.TemporaryDirectory(prefix="model-") as scratch:
            if location.startswith("s3://"):
                _download_from_s3(location, s3(), Path(scratch))
                yield Path(scratch)
            else:
                yield _download_from_registry(location, scratch)
        return
    path = Path(location.removeprefix("file://"))
    if not (path / "MLmodel").is_file():
        raise ModelError(
            f"there is no MLflow model at {location}: the file {path / 'MLmodel'} does not exist; "
            "MODEL_LOCATION is the directory that holds it"
        )
    yield path


def _download_from_s3(location: str, s3: "S3Client", scratch: Path) -> None:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/")]
        if f"{prefix}MLmodel" not in keys:
            raise ModelError(
                f"there is no MLflow model at {location}: {len(keys)} objects begin with it and none is MLmodel; "
                "runs of MLflow 3 keep models under <experiment>/models/m-<id>/artifacts"
            )
        for key in keys:
            relative = PurePosixPath(key.removeprefix(prefix))
            if ".." in relative.parts or relative.is_absolute():
                raise ModelError(f"the object {key!r} at {location} would be written outside the model's directory")
            target = scratch / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, key, str(target))
    except (BotoCoreError, ClientError) as error:
        raise ModelError(
            f"the model at {location} cannot be read: {error}; the function needs s3:ListBucket on the bucket and "
            "s3:GetObject on the prefix"
        ) from error


def _download_from_registry(location: str, scratch: str) -> Path:
    mlflow = _mlflow(f"{location} names a model in MLflow's registry")
    try:
        return Path(mlflow.artifacts.download_artifacts(location, dst_path=scratch))
    except Exception as error:  # (every store of MLflow has exceptions of its own)
        raise ModelError(
            f"the model {location} cannot be fetched from {mlflow.get_tracking_uri()}: {error}; "
            "`stream-consumer train` makes one, MLFLOW_TRACKING_URI says where to look"
        ) from error


def _mlflow(because: str) -> Any:
    """Import mlflow, here and nowhere else on the way to a prediction: it costs seconds and hundreds of megabytes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        importlib.import_module("mlflow.pyfunc")
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise ModelError(
            f"{because}, and mlflow is not installed here; give the directory or s3:// prefix of a scikit-learn model "
            "saved with skops, or install mlflow"
        ) from error


# What we read of the file MLmodel. Source: mlflow.models.Model and the flavours' own add_to_model.
class _Bounds(msgspec.Struct, forbid_unknown_fields=True):
    minimum: int | float | None = None
    maximum: int | float | None = None


class _Ours(msgspec.Struct):
    name: str | None = None
    bounds: dict[str, _Bounds] = {}
    categories: dict[str, list[bool | int | float | str]] = {}
    example_predictions: list[float] = []


class _Metadata(msgspec.Struct):
    stream_consumer: _Ours = msgspec.field(default_factory=_Ours)


class _Sklearn(msgspec.Struct):
    pickled_model: str
    sklearn_version: str
    serialization_format: str = "pickle"


class _Flavors(msgspec.Struct):
    sklearn: _Sklearn | None = None
    python_function: dict[str, Any] | None = None


class _Signature(msgspec.Struct):
    inputs: str


class _ColSpec(msgspec.Struct):
    name: str
    type: str
    required: bool = True


class _ExampleInfo(msgspec.Struct):
    artifact_path: str


class _Description(msgspec.Struct):
    flavors: _Flavors
    signature: _Signature | None = None
    metadata: _Metadata | None = None
    run_id: str | None = None
    model_id: str | None = None
    saved_input_example_info: _ExampleInfo | None = None


class _Registered(msgspec.Struct):
    model_name: str
    model_version: str | int


def _read(path: Path, shape: type[_Shape], location: str) -> _Shape:
    try:
        return msgspec.convert(yaml.load(path.read_text(encoding="utf-8"), _YamlLoader), shape)  # noqa: S506 (a safe one)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(
            f"{path.name} of the model at {location} cannot be read: {error}; log the model again"
        ) from error


def _columns(signature: _Signature | None, bounds: Mapping[str, _Bounds], location: str) -> list[Column]:
    try:
        inputs = msgspec.json.decode(signature.inputs if signature else b"", type=list[_ColSpec])
    except ValueError as error:
        raise ModelError(
            f"the model at {location} has no signature of named columns ({error}), so there is nothing to decode rides "
            "by; log it with signature=ModelSignature(inputs=Schema([ColSpec(…), …]))"
        ) from error
    names = [spec.name for spec in inputs]
    if not names or set(bounds) - set(names):
        raise ModelError(
            f"the model at {location} has the columns {names} and declares bounds for {sorted(bounds)}; bounds are for "
            "columns, and there must be at least one"
        )
    return [
        Column(spec.name, spec.type, spec.required, **msgspec.structs.asdict(bounds.get(spec.name, _Bounds())))
        for spec in inputs
    ]


def _loader(flavors: _Flavors, location: str, *, pinned: bool) -> Callable[[Path, EventSchema], Predict]:
    sklearn = flavors.sklearn
    if sklearn is None and flavors.python_function is None:
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
    mlflow = _mlflow("the model is of a flavour other than sklearn")
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


class _Rows(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]


def _example(path: Path, info: _ExampleInfo | None, schema: EventSchema, location: str) -> Columns:
    """Return the input example by column, read as a ride event would be."""
    if info is None:
        return ()
    try:
        content = msgspec.json.decode((path / info.artifact_path).read_bytes(), type=_Rows)
        rows = [dict(zip(content.columns, row, strict=True)) for row in content.data]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the input example of the model at {location} cannot be read: {error}; log it as rows"
        ) from error
    events = [schema.decode(msgspec.json.encode({"ride": row, "ride_id": 0})) for row in rows]
    for row, event in zip(rows, events, strict=True):
        if isinstance(event, InvalidRecord):
            raise ModelError(
                f"the model at {location} would refuse its own input example {row}: {event.path}: {event.detail}"
            )
    return [[getattr(event.ride, name) for event in events] for name in schema.fields]  # type: ignore[union-attr]
