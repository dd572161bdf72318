"""
The ways in which people log a model, and MLflow's own answer for it.

MLflow is imported where it is used: collecting the tests must not wait for it.
"""

import atexit
import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from stream_consumer.models.files import directory_digest
from tests.zoo.entry import Made

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

MLFLOW_TYPES = {"i": "long", "u": "long", "f": "double", "b": "boolean", "M": "datetime"}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """
    Silence the advice that MLflow and scikit-learn give, and log without a look for requirements.

    MLflow infers requirements in a process of its own, which takes seconds. Serving does not read them.
    """
    import mlflow.models  # noqa: PLC0415

    infer = mlflow.models.infer_pip_requirements
    mlflow.models.infer_pip_requirements = lambda *_, fallback=None, **__: fallback
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mlflow.models.infer_pip_requirements = infer


def save(estimator: Any, folder: Path, **options: Any) -> Path:
    """
    Save with ``mlflow.sklearn``.

    By default that is skops. MLflow refuses types that skops does not know, and its message says how to trust them, so
    people do.
    """
    import mlflow.sklearn  # noqa: PLC0415

    path = folder / "model"
    if options.get("serialization_format", "skops") == "skops":
        options = _trusting(estimator) | options
    mlflow.sklearn.save_model(estimator, str(path), **options)
    return path


def _trusting(estimator: Any) -> dict[str, Any]:
    import skops.io  # noqa: PLC0415

    unknown = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    return {"skops_trusted_types": unknown} if unknown else {}


def save_pyfunc(model: Any, folder: Path, **options: Any) -> Path:
    import mlflow.pyfunc  # noqa: PLC0415

    path = folder / "model"
    mlflow.pyfunc.save_model(str(path), python_model=model, **options)
    return path


def signature(inputs: Any, outputs: Any = None, params: Mapping[str, Any] | None = None) -> Any:
    from mlflow.models import infer_signature  # noqa: PLC0415

    return infer_signature(inputs, outputs, params=dict(params) if params else None)


def signature_of_columns(**types: str) -> Any:
    """Return a signature as written by hand."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    return ModelSignature(inputs=Schema([ColSpec(kind, name) for name, kind in types.items()]))


@functools.cache
def store() -> str:
    """Return the address of a tracking store in SQLite that lasts as long as the process."""
    import mlflow  # noqa: PLC0415

    scratch = tempfile.TemporaryDirectory(prefix="zoo-")
    atexit.register(scratch.cleanup)
    address = f"sqlite:///{scratch.name}/mlflow.db"
    mlflow.set_tracking_uri(address)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("zoo", artifact_location=f"{scratch.name}/artifacts"))
    return address


def log(estimator: Any, *name: str, **options: Any) -> Any:
    """Log into a run of the store, as training scripts do; return MLflow's ``ModelInfo``."""
    import mlflow  # noqa: PLC0415

    store()
    with mlflow.start_run():
        return mlflow.sklearn.log_model(estimator, *name, **(_trusting(estimator) | options))


def autolog(estimator: Any, inputs: Any, target: Any, **options: Any) -> Path:
    """Fit under ``mlflow.sklearn.autolog()``; return the folder of what was logged."""
    import mlflow  # noqa: PLC0415

    store()
    mlflow.sklearn.autolog(log_datasets=False, log_post_training_metrics=False, silent=True, **options)
    try:
        with mlflow.start_run():
            estimator.fit(inputs, target)
    finally:
        mlflow.sklearn.autolog(disable=True)
    logged = mlflow.last_logged_model()
    assert logged is not None
    return Path(logged.artifact_location.removeprefix("file://"))


# --- what is right ----------------------------------------------------------------------------------------------------


def made(  # noqa: PLR0913 (what may differ from model to model)
    path: Path,
    frame: pd.DataFrame,
    *,
    asked: Any = None,
    names: Sequence[str] | None = None,
    expected: Sequence[Any] | None = None,
    columns: bool = False,
    pinned: bool | None = None,
    **environ: str,
) -> Made:
    """
    Describe the model in *path* with the answer of ``mlflow.pyfunc`` for *frame*.

    Args:
        path: The directory that holds ``MLmodel``.
        frame: Rows of the model's data, which are sent as JSON.
        asked: What ``mlflow.pyfunc`` is asked instead of *frame*, by people who logged an array or texts.
        names: The names of several outputs.
        expected: The values, where ``mlflow.pyfunc`` cannot be asked.
        columns: Whether a setting must name the columns.
        pinned: Whether MODEL_DIGEST is set; by default where loading can run code.
        environ: Further settings.
    """
    if expected is None:
        expected = values_of(_predict(path, frame if asked is None else asked), names)
    settings = dict(environ)
    if columns:
        settings["MODEL_COLUMNS"] = columns_setting(frame)
    if _can_run_code(path) if pinned is None else pinned:
        settings["MODEL_DIGEST"] = directory_digest(path)
    return Made(location=str(path), rows=rows_of(frame), expected=expected, environ=settings)


def refused(path: Path, frame: pd.DataFrame, *, pinned: bool = False) -> Made:
    """Describe a model that no row of *frame* may reach."""
    environ = {"MODEL_DIGEST": directory_digest(path)} if pinned else {}
    return Made(location=str(path), rows=rows_of(frame), expected=(), environ=environ)


def _predict(path: Path, asked: Any) -> Any:
    import mlflow.pyfunc  # noqa: PLC0415

    return mlflow.pyfunc.load_model(str(path)).predict(asked)


def _can_run_code(path: Path) -> bool:
    flavors = yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8"))["flavors"]
    return bool(flavors.get("sklearn", {}).get("serialization_format") != "skops")


def columns_setting(frame: pd.DataFrame) -> str:
    """Return MODEL_COLUMNS for *frame*: ``name:type``, with ``?`` behind the type where values are missing."""
    types = {name: MLFLOW_TYPES.get(frame[name].dtype.kind, "string") for name in frame.columns}
    return ",".join(f"{name}:{kind}{'?' * bool(frame[name].isna().any())}" for name, kind in types.items())


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON values; what is missing is null."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def values_of(result: Any, names: Sequence[str] | None = None) -> list[Any]:
    """
    Return a prediction's JSON value for each row of *result*.

    Several outputs are an object, named by *names* or else counted from "0". One column is its values.
    """
    if isinstance(result, Mapping):
        columns = {str(name): values_of(part) for name, part in result.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return rows if len(columns) > 1 else next(iter(columns.values()))
    if isinstance(result, pd.DataFrame):
        names, result = [str(name) for name in result.columns], result.to_numpy(dtype=object)
    if isinstance(result, np.ndarray) and result.ndim == 2:
        if result.shape[1] == 1:
            return [_plain(row[0]) for row in result]
        keys = names or [str(at) for at in range(result.shape[1])]
        return [dict(zip(keys, map(_plain, row), strict=True)) for row in result]
    return [_plain(value) for value in result]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
