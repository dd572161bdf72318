"""
The notes of an MLflow run for data scientists: description, data, and the composition of the error.

The rule: notes describe the run and decide nothing. They are no part of the proof of a model or of champion.json.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from stream_consumer.training.fit import evaluate
from stream_consumer.training.record import rides_digest
from stream_consumer.training.rides import FEATURES, Rides
from stream_consumer.training.trial import Trial

DESCRIPTION_TAG, COMMIT_TAG = "mlflow.note.content", "mlflow.source.git.commit"
"""Source: MLflow, "MLflow Tracking", system tags."""
_DIGEST_LENGTH = 36  # MLflow stores no longer digest of a dataset
_IMPORTANCE_RIDES, _IMPORTANCE_REPEATS = 10_000, 5
_GIT_SECONDS = 10


def log_notes(mlflow: ModuleType, trial: Trial, folder: Path) -> None:
    """Log the notes of *trial* with the active run. *folder* is the working directory for git."""
    mlflow.log_metrics(note_metrics(trial))
    mlflow.set_tags({DESCRIPTION_TAG: description(trial)} | commit_tag(folder))
    for context, rides in (("training", trial.training), ("testing", trial.test)):
        mlflow.log_input(_dataset(mlflow, trial.origin, rides), context=context)
    for name, values in (("hour", hours(trial.test)), ("pickup_zone", trial.test.PULocationID)):
        mlflow.log_text("".join(error_rows(trial, name, values)), f"error_by_{name}.csv")


def note_metrics(trial: Trial) -> dict[str, float]:
    """
    Return the errors on the training rides, the rows dropped by reason, and the importance of each column.

    The importance of a column is the growth of the RMSE on held-out rides, in minutes, after shuffling the column.
    """
    training = asdict(evaluate(trial.fitted.model.predict, trial.training))
    return {
        **{f"training_{metric}": value for metric, value in training.items()},
        **{f"rows_dropped/{reason}": float(count) for reason, count in trial.rows.dropped.items()},
        **{f"importance/{column}": value for column, value in _importances(trial).items()},
    }


def _importances(trial: Trial) -> dict[str, float]:
    some = np.random.default_rng(trial.seed).permutation(len(trial.test))[:_IMPORTANCE_RIDES]
    found = permutation_importance(
        trial.fitted.model,
        trial.test.matrix()[some],
        trial.test.duration[some],
        scoring="neg_root_mean_squared_error",
        n_repeats=_IMPORTANCE_REPEATS,
        random_state=trial.seed,
    )
    return dict(zip(FEATURES, found.importances_mean.tolist(), strict=True))


def description(trial: Trial) -> str:
    """Return a sentence on the data and a sentence on the result, for the page of the run."""
    return (
        f"HistGradientBoosting, fitted on {trial.training_rides:,} rides of {trial.origin}. "
        f"On {trial.holdout}, {len(trial.test):,} rides, the RMSE is {trial.model.rmse:.2f} min, and "
        f"{trial.baseline.rmse:.2f} min for the linear baseline."
    )


def commit_tag(folder: Path) -> dict[str, str]:
    """Return the tag of the git commit of *folder*. Empty outside a repository or without git."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],  # noqa: S607 (the user's own)
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {COMMIT_TAG: asked.stdout.strip()}


def hours(rides: Rides) -> NDArray[np.int64]:
    """Return the hour of the day of each ride's pickup."""
    return rides.pickup_time.astype("datetime64[h]").astype(np.int64) % 24


def error_rows(trial: Trial, name: str, values: NDArray[np.int64]) -> Iterator[str]:
    """
    Yield the lines of a CSV: rides, RMSE and mean error in minutes for each distinct value.

    *values* has a value for each test ride.
    """
    errors = trial.fitted.model.predict(trial.test.matrix()) - trial.test.duration
    yield f"{name},rides,rmse,mean_error\n"
    for value in np.unique(values).tolist():
        there = errors[values == value]
        yield f"{value},{len(there)},{np.sqrt(np.mean(there**2)):.4f},{there.mean():.4f}\n"


def _dataset(mlflow: ModuleType, origin: str, rides: Rides) -> object:
    from mlflow.data.code_dataset_source import CodeDatasetSource  # noqa: PLC0415 (seconds, which only training pays)
    from mlflow.data.meta_dataset import MetaDataset  # noqa: PLC0415

    columns, schema = mlflow.types.ColSpec, mlflow.types.Schema
    kinds = zip(("long", "long", "double", "double"), (*FEATURES, "duration"), strict=True)
    source = CodeDatasetSource(tags={"rides": origin, "count": str(len(rides))})
    digest = rides_digest(rides)[:_DIGEST_LENGTH]
    described = schema([columns(*kind) for kind in kinds])
    return MetaDataset(source, name="rides", digest=digest, schema=described)  # type: ignore[abstract]
