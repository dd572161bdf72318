"""``mlflow.pyfunc``: Python models of people's own, which only mlflow can load."""

import importlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.saving import made, quietly, refused, save_pyfunc, signature
from tests.zoo.travelling import zoo_steps


def python_model(name: str) -> Any:
    """Return a Python model whose class is written into the model, as that of a notebook is."""
    from tests.zoo import python_models  # noqa: PLC0415 (it imports mlflow)

    importlib.import_module("cloudpickle").register_pickle_by_value(python_models)
    return getattr(python_models, name)()


def _python(name: str, **how: Any) -> Any:
    """Log a Python model of rides with a signature."""

    def make(folder: Path) -> Made:
        frame = data.rides()
        with quietly():
            path = save_pyfunc(python_model(name), folder, signature=signature(frame, params=how.get("params")))
            return made(path, frame)

    return make


def _by_example(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        return made(save_pyfunc(python_model("ArrayModel"), folder, input_example=frame.head(3)), frame)


def _unsigned(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        return made(save_pyfunc(python_model("ArrayModel"), folder), frame, columns=True)


def _hinted(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        return made(save_pyfunc(python_model("HintedModel"), folder, input_example=frame.head(3)), frame)


def _with_artifact(folder: Path) -> Made:
    frame = data.rides()
    artifact = folder / "estimator.pkl"
    artifact.write_bytes(pickle.dumps(Ridge().fit(frame, data.minutes())))
    with quietly():
        path = save_pyfunc(
            python_model("ArtifactModel"), folder, artifacts={"estimator": str(artifact)}, signature=signature(frame)
        )
        return made(path, frame)


def _travelling(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        path = save_pyfunc(
            python_model("TravellingModel"), folder, signature=signature(frame), code_paths=[zoo_steps.__file__]
        )
        return made(path, frame)


_CODE = """
import mlflow
import numpy as np


class FromCode(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return np.asarray(model_input["trip_distance"]) * 3.5


mlflow.models.set_model(FromCode())
"""


def _from_code(folder: Path) -> Made:
    """Log a model as a script, which is how agents and many custom models are logged."""
    frame = data.rides()
    script = folder / "script.py"
    script.write_text(_CODE, encoding="utf-8")
    with quietly():
        return made(save_pyfunc(str(script), folder, signature=signature(frame)), frame)


def _columns_of(frame: Any) -> Sequence[float]:
    """Stand for a function that is logged as it is."""
    return [float(value) for value in np.asarray(frame["trip_distance"]) * 1.5]


def _function(folder: Path) -> Made:
    frame = data.rides()
    with quietly():
        return made(save_pyfunc(_columns_of, folder, signature=signature(frame), input_example=frame.head(2)), frame)


def _hinted_rows(name: str, frame: pd.DataFrame) -> Any:
    """Log a model whose type hint gives it a signature without named columns of a table."""

    def make(folder: Path) -> Made:
        with quietly():
            return refused(save_pyfunc(python_model(name), folder), frame, pinned=True)

    return make


ENTRIES = [
    *(
        Entry(name=f"pyfunc/{what}", make=_python(model), lean=False)
        for what, model in {
            "array": "ArrayModel",
            "series": "SeriesModel",
            "list of integers": "ListModel",
            "frame of two columns": "FrameModel",
            "list of dicts": "DictsModel",
            "list of texts": "WordsModel",
            "array of flags": "FlagsModel",
        }.items()
    ),
    Entry(name="pyfunc/params", make=_python("ParamsModel", params={"pace": 2.5}), lean=False),
    Entry(name="pyfunc/example only", make=_by_example, lean=False),
    Entry(name="pyfunc/unsigned, columns set", make=_unsigned, lean=False),
    Entry(name="pyfunc/hinted frame", make=_hinted, lean=False),
    Entry(name="pyfunc/artifact", make=_with_artifact, lean=False),
    Entry(name="pyfunc/code that travels", make=_travelling, lean=False),
    Entry(name="pyfunc/from code", make=_from_code, lean=False),
    Entry(name="pyfunc/function", make=_function, lean=False),
    Entry(
        name="pyfunc/hinted dicts",
        make=_hinted_rows("RowsModel", data.rides()),
        refused="set_signature",
        lean=False,
    ),
    Entry(
        name="pyfunc/hinted texts",
        make=_hinted_rows("TextsModel", data.reviews()[["review"]]),
        refused="set_signature",
        lean=False,
    ),
]
