"""What a model needs of its image, read off its files without loading anything."""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from infra.container.example_model import write_example_model
from infra.container.needs import needs_of
from stream_consumer.errors import ModelError

LOCKED = {"cloudpickle": "3.1.2", "numpy": "2.5.5", "scikit-learn": "1.9.1"}
FRAME = pd.DataFrame({"distance": np.arange(20.0), "tolls": np.arange(20.0) ** 0.5})
STATED = "mlflow==3.17.2\npandas==3.1.1\ncloudpickle==3.1.2\n"


def model(folder: Path, flavours: Mapping[str, Any], requirements: str = "") -> Path:
    """Write what MLflow says of a model."""
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(json.dumps({"flavors": flavours}))
    if requirements:
        (folder / "requirements.txt").write_text(requirements)
    return folder


def estimator(folder: Path, content: bytes, requirements: str = STATED) -> Path:
    facts = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", "sklearn_version": "1.9.0"}
    path = model(folder, {"sklearn": facts, "python_function": {"loader_module": "mlflow.sklearn"}}, requirements)
    (path / "model.pkl").write_bytes(content)
    return path


def needed(folder: Path) -> list[str]:
    return [need.requirement for need in needs_of(folder, "there", LOCKED)]


@pytest.mark.parametrize(
    ("flavour", "facts", "requirements", "wanted"),
    [
        ("xgboost", {"xgb_version": "3.0.5", "data": "model.ubj"}, "", ["xgboost==3.0.5"]),
        ("lightgbm", {"lgb_version": "4.6.0", "data": "model.lgb"}, "pandas==3.1.1", ["lightgbm==4.6.0"]),
        ("catboost", {"catboost_version": "1.2.8", "data": "model.cb"}, "", ["catboost==1.2.8"]),
        ("onnx", {"onnx_version": "1.19.0", "data": "model.onnx"}, "onnxruntime==1.23.0", ["onnxruntime==1.23.0"]),
        ("onnx", {"onnx_version": "1.19.0", "data": "model.onnx"}, "", ["onnxruntime"]),
    ],
)
def test_a_flavour_needs_its_library_in_the_version_that_saved_it(
    tmp_path: Path, flavour: str, facts: Mapping[str, str], requirements: str, wanted: Sequence[str]
) -> None:
    assert needed(model(tmp_path, {flavour: facts, "python_function": {}}, requirements)) == wanted


def test_a_model_that_only_mlflow_loads_needs_all_of_its_requirements(tmp_path: Path) -> None:
    stated = "mlflow==3.17.2\nstatsmodels==0.14.6  # fits\n\n# by hand\nnumpy>=2,<3\n"
    path = model(tmp_path, {"statsmodels": {}, "python_function": {"loader_module": "mlflow.statsmodels"}}, stated)
    assert needed(path) == ["mlflow-skinny==3.17.2", "pandas", "statsmodels==0.14.6", "numpy<3,>=2"]


def test_the_usual_model_needs_nothing_more(tmp_path: Path) -> None:
    write_example_model(tmp_path / "model", scikit_learn="1.9.1")
    assert needed(tmp_path / "model") == []


def test_a_model_of_another_scikit_learn_needs_that_one(tmp_path: Path) -> None:
    write_example_model(tmp_path / "model", scikit_learn="1.5.2")
    [need] = needs_of(tmp_path / "model", "there", LOCKED)
    assert need.requirement == "scikit-learn==1.5.2"
    assert need.reason == "saved by scikit-learn 1.5.2, the image has 1.9.1"


def with_dummies(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame)


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame * 2


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have *function* pickled as one of a notebook's is: with its code."""
    function.__module__ = "__main__"
    return function


PIPELINES = {
    "scikit-learn alone": (make_pipeline(StandardScaler(), LinearRegression()), []),
    "a function that calls pandas": (
        make_pipeline(FunctionTransformer(by_value(with_dummies)), LinearRegression()),
        ["pandas==3.1.1"],
    ),
    "a function that may": (
        make_pipeline(FunctionTransformer(by_value(doubled)), LinearRegression()),
        ["pandas==3.1.1"],
    ),
    "DataFrames by set_output": (
        make_pipeline(StandardScaler().set_output(transform="pandas"), LinearRegression()),
        ["pandas==3.1.1"],
    ),
}


@pytest.mark.parametrize(("pipeline", "wanted"), PIPELINES.values(), ids=PIPELINES)
def test_pandas_is_needed_where_a_step_may_call_it(tmp_path: Path, pipeline: Any, wanted: Sequence[str]) -> None:
    """MLflow states pandas for every model, so its own requirements do not tell."""
    pipeline.fit(FRAME, FRAME["distance"])
    assert needed(estimator(tmp_path, cloudpickle.dumps(pipeline))) == wanted


def test_a_file_of_skops_tells_the_same(tmp_path: Path) -> None:
    for output, wanted in (("default", []), ("pandas", ["pandas==3.1.1"])):
        pipeline = make_pipeline(StandardScaler().set_output(transform=output), LinearRegression())
        content = skops.io.dumps(pipeline.fit(FRAME, FRAME["distance"]))
        assert needed(estimator(tmp_path, content)) == wanted


class Scaler(StandardScaler):  # type: ignore[misc]
    """Stands for a class of a package that scikit-learn pipelines use."""


def test_a_package_of_a_step_is_needed_as_the_model_states_it(tmp_path: Path) -> None:
    """What a pickle names and the model does not state is never installed."""
    scaler = Scaler().fit(FRAME)
    content = pickle.dumps(scaler, protocol=0).replace(b"tests.container.test_needs", b"category_encoders.ordinal")
    assert needed(estimator(tmp_path, content, "category-encoders==2.8.1\n")) == ["category-encoders==2.8.1"]
    assert needed(estimator(tmp_path, content, "scikit-learn==1.9.1\n")) == []


def test_code_that_travels_with_the_model_is_no_package(tmp_path: Path) -> None:
    content = pickle.dumps(Scaler().fit(FRAME), protocol=0).replace(b"tests.container.test_needs", b"ours.steps")
    (tmp_path / "code" / "ours").mkdir(parents=True)
    (tmp_path / "code" / "ours" / "steps.py").touch()
    assert needed(estimator(tmp_path, content, "ours==1.0\npandas==3.1.1\n")) == ["pandas==3.1.1"]


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    """The build host reads models that are fetched from anywhere."""
    witness = tmp_path / "witness"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return partial(Path.touch), (witness,)

    assert needed(estimator(tmp_path, pickle.dumps([Hostile(), eval]))) == []
    assert not witness.exists()


@pytest.mark.parametrize(
    "line", ["-r more.txt", "--extra-index-url https://a.b/simple", "code/ours.whl", "a @ https://a.b/a.whl"]
)
def test_a_requirement_that_no_hash_can_be_locked_for_is_refused(tmp_path: Path, line: str) -> None:
    path = model(tmp_path, {"python_function": {}}, f"numpy\n{line}\n")
    with pytest.raises(ModelError, match=r"requirements\.txt of the model at there has the line '.*pip_requirements="):
        needed(path)


def test_a_file_that_is_no_estimator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.pkl is neither a pickle nor a file of skops"):
        needed(estimator(tmp_path, b"nothing"))


def test_a_model_without_a_flavour_that_is_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has the flavours \['crate'\]"):
        needed(model(tmp_path, {"crate": {}}))
