"""
Save a trained model, with or without a run in MLflow, and log the facts of the run.

The rule: the saved form of a model executes no code from its file on loading.
"""

import logging
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import ModelError, UsageError
from stream_consumer.models.files import default_s3, model_directory, sqlite_file
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.training.file_registry import refuse_other
from stream_consumer.training.fit import HYPERPARAMETERS, Predict
from stream_consumer.training.interruption import uninterrupted
from stream_consumer.training.promotion import Rival
from stream_consumer.training.record import log_record, record_of
from stream_consumer.training.reference import COLUMNS, reference
from stream_consumer.training.rides import BOUNDS, FEATURES
from stream_consumer.training.run_notes import log_notes
from stream_consumer.training.sources import shown
from stream_consumer.training.trial import Trial
from stream_consumer.whole_file import refuse_unwritable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
EXAMPLE_RIDES = 5
# MLflow wants this list before saving the default model with skops. Loading does not need the list.
TRUSTED_TYPES = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
# Source: mlflow.store.db.db_types of 3.17.
_DATABASES = frozenset({"mssql", "mysql", "postgresql", "sqlite"})
_LIBRARIES = ("numpy", "scikit-learn", "scipy", "skops")

# Set before mlflow is imported, because mlflow reads them on import. The user's own values take precedence.
_QUIET: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # by default a wrong address fails only after four silent minutes
}
_KNOWN_WARNINGS = (
    (UserWarning, ".*Any type hint is inferred as AnyType"),  # mlflow 3.17 about itself, on import
    (DeprecationWarning, "The ``noload`` loader strategy"),  # mlflow 3.17 with SQLAlchemy 2.1
    (DeprecationWarning, "Operation with range is deprecated"),  # mlflow 3.17 with pandas 3
    (UserWarning, "X has feature names"),  # mlflow tries the example as a DataFrame on a model fitted on arrays
)


@dataclass(frozen=True, slots=True)
class Logged:
    """The ids of a run and its model in MLflow."""

    run_id: str
    model_id: str


@contextmanager
def quiet_mlflow() -> Iterator[ModuleType]:
    """Import mlflow without its chatter. No store is opened."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        for category, message in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        # Here, since the import takes seconds for training only, and since mlflow reads the variables just set.
        import mlflow.pyfunc  # noqa: PLC0415
        import mlflow.sklearn  # noqa: PLC0415

        logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
        yield mlflow


@contextmanager
def mlflow_at(uri: str | None) -> Iterator[ModuleType]:
    """
    Import mlflow without its chatter and point the process at *uri*.

    The default is ``MLFLOW_TRACKING_URI``, or else sqlite in the working directory.

    Raises:
        UsageError: The store or its artifact location cannot be used.
    """
    uri = _tracking_uri(uri)
    _refuse_store(uri)
    with quiet_mlflow() as mlflow:
        try:
            mlflow.set_tracking_uri(uri)
            yield mlflow
        except (mlflow.MlflowException, *_database_errors(), BotoCoreError, ClientError, OSError) as error:
            # SQLAlchemy adds further lines with the query and an address.
            reason = str(error).partition("\n")[0]
            raise UsageError(f"MLflow at {shown(uri)} cannot be used: {reason}") from error


def _database_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of MLflow's databases. Empty if MLflow is installed without databases."""
    try:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    except ModuleNotFoundError:
        return ()
    return (SQLAlchemyError,)


def refuse_missing(uri: str | None) -> None:
    """
    Raise if the store of :func:`mlflow_at` is a missing SQLite file. MLflow would create the file, even on a read.

    Raises:
        UsageError: The file is missing.
    """
    file = sqlite_file(_tracking_uri(uri))
    if file and not file.exists():
        raise UsageError(
            f"there is no MLflow store {file}; `stream-consumer train` makes one, MLFLOW_TRACKING_URI or --models says "
            "where to look"
        )


def _tracking_uri(uri: str | None) -> str:
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


def _refuse_store(uri: str) -> None:
    """
    Raise if *uri* is not a URL, or names an unusable database: a SQLite file must be writable.

    MLflow would retry an unwritable file for most of an hour.

    Raises:
        UsageError: The store cannot be used.
    """
    try:
        engine = urlsplit(uri).scheme.partition("+")[0]
    except ValueError as error:
        raise UsageError(f"MLflow at {shown(uri)} cannot be used: {error}") from None
    if engine in _DATABASES and not _database_errors():
        raise UsageError(
            f"MLflow at {shown(uri)} cannot be used: MLflow is installed here without its databases; give --models, or "
            "the https:// URL of an MLflow server"
        )
    file = sqlite_file(uri)
    if file:
        try:
            refuse_unwritable(file)
        except OSError as error:
            raise UsageError(
                f"MLflow's store {file} cannot be written: {error.strerror}; change to a folder that can be, or name "
                "another store with MLFLOW_TRACKING_URI"
            ) from None


def load_champion(uri: str, digest: str | None = None, s3: "Callable[[], S3Client]" = default_s3) -> Predict:
    """
    Load the model at *uri* as serving does, and return its predict function.

    Raises:
        ModelError: The model cannot be served, takes other columns than a ride's, or does not have the *digest*.
    """
    with model_directory(uri, s3) as directory:
        if digest:
            refuse_other(directory, digest, uri)
        model = load_directory(directory, uri, Choice())
    columns = tuple(column.name for column in model.schema.columns)
    if columns != FEATURES:
        raise ModelError(f"{uri} takes the columns {', '.join(columns)}; wanted {', '.join(FEATURES)}")
    return lambda matrix: model.predict(matrix.T.tolist())


@uninterrupted()
def log_run(mlflow: ModuleType, trial: Trial, rival: Rival | None, *, name: str) -> Logged:
    """Log *trial* as a run of the active experiment, with its model under the name *name*."""
    with mlflow.start_run() as run:
        mlflow.log_params(_params(trial) | {"mlflow": mlflow.version.VERSION})
        mlflow.log_metrics(metrics_of(trial, rival))
        log_record(mlflow, record_of(trial))
        log_notes(mlflow, trial, Path.cwd())
        model = mlflow.sklearn.log_model(trial.fitted.model, name="model", **_form(mlflow, trial, name))
    return Logged(run.info.run_id, model.model_id)


def save_model(mlflow: ModuleType, trial: Trial, directory: Path, *, name: str) -> None:
    """Save the model of *trial* under the name *name* in *directory*, which must not exist yet."""
    mlflow.sklearn.save_model(trial.fitted.model, str(directory), **_form(mlflow, trial, name))


def _form(mlflow: ModuleType, trial: Trial, name: str) -> dict[str, Any]:
    """Return the arguments for saving the model, the same for every destination."""
    return {
        "serialization_format": "skops",
        "skops_trusted_types": list(TRUSTED_TYPES),
        "signature": _signature(mlflow),
        "pip_requirements": [f"{package}=={version(package)}" for package in _LIBRARIES],
        **_example(trial, name),
    }


def _params(trial: Trial) -> dict[str, object]:
    return {
        "rides": trial.origin,
        "rows_read": trial.rows.read,
        "rows_kept": trial.rows.kept,
        **{f"rows dropped: {reason}": count for reason, count in trial.rows.dropped.items()},
        "training_rides": trial.training_rides,
        "test_rides": len(trial.test),
        "holdout": trial.holdout,
        "seed": trial.seed,
        **HYPERPARAMETERS,
        "python": platform.python_version(),
        **{package: version(package) for package in _LIBRARIES},
    }


def metrics_of(trial: Trial, rival: Rival | None) -> dict[str, float]:
    """
    Return the metrics of a trial. Errors are in minutes.

    ``champion_rmse``, and the upper bound of the difference, are present only if a champion was compared.
    """
    compared = rival.comparison if rival else None
    return {
        **asdict(trial.model),
        **{f"baseline_{metric}": value for metric, value in asdict(trial.baseline).items()},
        **{f"bounded_baseline_{metric}": value for metric, value in asdict(trial.bounded_baseline).items()},
        **({"champion_rmse": compared.champion_rmse, "rmse_upper_bound": compared.upper_bound} if compared else {}),
    }


def _signature(mlflow: ModuleType) -> object:
    """Return the schema of a ride, by which serving decodes events."""
    column, schema = mlflow.types.ColSpec, mlflow.types.Schema
    inputs = [column(one.type, one.name) for one in COLUMNS]
    return mlflow.models.ModelSignature(inputs=schema(inputs), outputs=schema([column("double")]))


def _example(trial: Trial, name: str) -> dict[str, Any]:
    """Return the input example, and the facts by which serving checks the example and every ride."""
    from pandas import DataFrame  # noqa: PLC0415 - the one kind of example that mlflow saves with names

    rows = {column: getattr(trial.test, column)[:EXAMPLE_RIDES] for column in FEATURES}
    matrix = trial.test.matrix()[:EXAMPLE_RIDES]
    facts = {
        "name": name,
        "bounds": {column: dict(bounds) for column, bounds in BOUNDS.items()},
        "categories": dict(trial.fitted.categories),
        "example_predictions": trial.fitted.model.predict(matrix).tolist(),
        "reference": reference(trial.fitted, trial.training, trial.test).encode().decode(),
    }
    return {"input_example": DataFrame(rows), "metadata": {"stream_consumer": facts}}
