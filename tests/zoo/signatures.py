"""Signatures and examples that do not fit the estimator as one would wish, and models that come from a registry."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.zoo import data
from tests.zoo.columns import churn_classifier
from tests.zoo.entry import Entry, Made
from tests.zoo.saving import log, made, quietly, save, signature, store
from tests.zoo.travelling import zoo_steps
from tests.zoo.ways import CLOUDPICKLE

_TRAVELLING = Path(zoo_steps.__file__)


def _on_an_array_with_names(folder: Path) -> Made:
    frame = data.rides()
    estimator = LinearRegression().fit(frame.to_numpy(), data.minutes())
    with quietly():
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame.to_numpy())))
        return made(path, frame)


def _other_order(folder: Path) -> Made:
    """``mlflow.pyfunc`` hands on the signature's order, which scikit-learn refuses; the estimator's own is right."""
    frame = data.rides()
    shuffled = frame[["trip_distance", "PULocationID", "DOLocationID"]]
    estimator = Ridge().fit(frame, data.minutes())
    with quietly():
        path = save(estimator, folder, signature=signature(shuffled))
        return made(path, shuffled, expected=estimator.predict(frame).tolist())


def _more_columns(folder: Path) -> Made:
    """The signature is of the whole table, the estimator was fitted on two of its columns."""
    frame = data.rides()
    fitted = frame[["trip_distance", "PULocationID"]]
    estimator = Ridge().fit(fitted, data.minutes())
    with quietly():
        path = save(estimator, folder, signature=signature(frame))
        return made(path, frame, expected=estimator.predict(fitted).tolist())


def _more_columns_of_a_pipeline(folder: Path) -> Made:
    """A ColumnTransformer takes its columns by name, and the table that was fitted has more."""
    frame = data.customers().assign(customer=[f"c-{at}" for at in range(data.ROWS)])
    estimator = churn_classifier().fit(frame, data.churn())
    with quietly():
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame)))
        return made(path, frame)


def _tensor(folder: Path) -> Made:
    frame = data.flowers()
    estimator = RandomForestClassifier(n_estimators=3, random_state=1).fit(frame.to_numpy(), data.species())
    with quietly():
        path = save(estimator, folder, signature=signature(frame.to_numpy(), estimator.predict(frame.to_numpy())))
        return made(path, frame, asked=frame.to_numpy(), columns=True)


def _tensor_but_names_are_known(folder: Path) -> Made:
    frame = data.flowers()
    estimator = LogisticRegression(max_iter=500).fit(frame, data.species())
    with quietly():
        path = save(estimator, folder, signature=signature(frame.to_numpy(), estimator.predict(frame)))
        return made(path, frame, asked=frame.to_numpy())


def _with_example(example: Any, *, array: bool = False, **options: Any) -> Any:
    """Log a linear model of rides with *example*; without one the model is unsigned."""

    def make(folder: Path) -> Made:
        frame = data.rides()
        inputs = frame.to_numpy() if array else frame
        with quietly():
            path = save(Ridge().fit(inputs, data.minutes()), folder, input_example=example, **options)
            return made(path, frame, asked=inputs, columns=array)

    return make


def _example_with_gaps(folder: Path) -> Made:
    frame = data.sensors()
    estimator = make_pipeline(SimpleImputer(), StandardScaler(), Ridge()).fit(frame, data.wear())
    with quietly():
        path = save(estimator, folder, input_example=frame.head(10))
        return made(path, frame)


def _params(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        estimator = GaussianProcessRegressor(alpha=0.1).fit(frame, data.minutes())
        defaults = {"return_std": False}
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame), params=defaults))
        return made(path, frame)


def _narrow_types(folder: Path) -> Made:
    frame = data.rides().astype({"PULocationID": "int32", "DOLocationID": "int32", "trip_distance": "float32"})
    estimator = Ridge().fit(frame, data.minutes())
    with quietly():
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame)))
        return made(path, frame)


def _flags(folder: Path) -> Made:
    frame = data.orders()[["express", "gift", "weight"]]
    estimator = RandomForestRegressor(n_estimators=3, random_state=1).fit(frame, data.delivery_days())
    with quietly():
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame)))
        return made(path, frame)


def _numbered_columns(folder: Path) -> Made:
    """What a scaler gave was put into a DataFrame without names."""
    frame = pd.DataFrame(data.flowers().to_numpy())
    estimator = Ridge().fit(frame, data.petals())
    with quietly():
        path = save(estimator, folder, signature=signature(frame, estimator.predict(frame)))
        return made(path, frame)


def _named_outputs(folder: Path) -> Made:
    frame = data.rides()
    target = pd.DataFrame({"minutes": data.minutes(), "fare": data.minutes() * 2.5})
    estimator = LinearRegression().fit(frame, target)
    output = pd.DataFrame(estimator.predict(frame), columns=target.columns)
    with quietly():
        path = save(estimator, folder, signature=signature(frame, output))
        return made(path, frame, names=["minutes", "fare"])


def _travelling(step: str) -> Any:
    """Log a pipeline with a step of the team's own, whose module travels with the model."""

    def make(folder: Path) -> Made:
        frame = data.rides()
        sys.path.insert(0, str(_TRAVELLING.parent))
        try:
            kind = getattr(importlib.import_module(_TRAVELLING.stem), step)
            estimator = make_pipeline(kind(), Ridge()).fit(frame, data.minutes())
            options = CLOUDPICKLE | {"code_paths": [str(_TRAVELLING)]}
            with quietly():
                path = save(estimator, folder, signature=signature(frame, estimator.predict(frame)), **options)
                return made(path, frame)
        finally:
            sys.path.remove(str(_TRAVELLING.parent))

    return make


def _registered(_: Path) -> Made:
    frame = data.rides()
    estimator = Ridge().fit(frame, data.minutes())
    with quietly():
        log(estimator, name="model", signature=signature(frame), registered_model_name="zoo-rides")
        location = f"models:/zoo-rides/{_newest('zoo-rides')}"
        return replace(made(_folder(location), frame), location=location, environ={"MLFLOW_TRACKING_URI": store()})


def _by_run(_: Path) -> Made:
    """Name the run and, as most scripts do, the artifact's path by position."""
    frame = data.rides()
    estimator = Ridge().fit(frame, data.minutes())
    with quietly():
        info = log(estimator, "model", input_example=frame.head(2))
        rows = made(_folder(info.model_uri), frame)
        return replace(rows, location=f"runs:/{info.run_id}/model", environ={"MLFLOW_TRACKING_URI": store()})


def _copied(_: Path) -> Made:
    """A run's artifacts are copied to where the function reads them, as the course does with S3."""
    frame = data.rides()
    estimator = Ridge().fit(frame, data.minutes())
    with quietly():
        info = log(estimator, artifact_path="model", input_example=frame.head(2))
        return made(_folder(info.model_uri), frame)


def _newest(name: str) -> int:
    import mlflow  # noqa: PLC0415

    return max(int(version.version) for version in mlflow.MlflowClient().search_model_versions(f"name='{name}'"))


def _folder(uri: str) -> Path:
    import mlflow.artifacts  # noqa: PLC0415

    return Path(mlflow.artifacts.download_artifacts(uri))


_ROW = {"PULocationID": 7, "DOLocationID": 9, "trip_distance": 2.5}

ENTRIES = [
    Entry(name="signatures/names for an array", make=_on_an_array_with_names),
    Entry(name="signatures/columns in another order", make=_other_order),
    Entry(name="signatures/more columns than fitted", make=_more_columns),
    Entry(name="signatures/more columns than a pipeline takes", make=_more_columns_of_a_pipeline),
    Entry(name="signatures/tensor, columns set", make=_tensor),
    Entry(name="signatures/tensor, names known", make=_tensor_but_names_are_known),
    Entry(name="signatures/example as a dict", make=_with_example(_ROW)),
    Entry(name="signatures/example as an array", make=_with_example(np.array([[7, 9, 2.5]]), array=True)),
    Entry(name="signatures/example as rows", make=_with_example(pd.DataFrame([_ROW, _ROW]))),
    Entry(name="signatures/example with gaps", make=_example_with_gaps),
    Entry(name="signatures/params", make=_params),
    Entry(name="signatures/32-bit numbers", make=_narrow_types),
    Entry(name="signatures/flags", make=_flags),
    Entry(name="signatures/numbered columns", make=_numbered_columns),
    Entry(name="signatures/named outputs", make=_named_outputs),
    Entry(name="signatures/code that travels", make=_travelling("Areas")),
    Entry(name="signatures/code that travels and calls pandas", make=_travelling("Ratios"), lean=False),
    Entry(name="signatures/registered", make=_registered, lean=False),
    Entry(name="signatures/by run", make=_by_run, lean=False),
    Entry(name="signatures/copied from a run", make=_copied),
]
