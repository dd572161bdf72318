"""Where models come from, other flavours than scikit-learn's, and what is not installed where they are served."""

import math
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import mlflow
import mlflow.pyfunc
import numpy as np
import pytest
from boto3.exceptions import RetriesExceededError
from botocore.exceptions import IncompleteReadError
from botocore.stub import Stubber
from moto import mock_aws

from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import Choice, load_model
from tests.example_models import EXAMPLE, save_pyfunc, signature_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def no_s3() -> Any:
    raise AssertionError("no S3 client is needed")


# --- S3 ---------------------------------------------------------------------------------------------------------------

BUCKET = "models-bucket"
PREFIX = "1/models/m-1/artifacts"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.session.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def upload(s3: "S3Client", model: Path) -> None:
    for path in model.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, f"{PREFIX}/{path.relative_to(model).as_posix()}")


def test_a_machine_without_a_temporary_folder_is_told_so(
    s3: "S3Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"the files of the model at s3://.* cannot be read: .*nowhere"):
        load_model(f"s3://{BUCKET}/{PREFIX}", s3=lambda: s3)


class CutOff:
    """S3 whose downloads end before they are whole, each time."""

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    def get_paginator(self, _: str) -> "CutOff":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": f"{PREFIX}/MLmodel"}]}]

    def download_file(self, *_: str) -> None:
        raise RetriesExceededError(IncompleteReadError(actual_bytes=1, expected_bytes=2))  # type: ignore[arg-type]


def test_a_download_that_is_cut_off_each_time_is_a_model_error() -> None:
    with pytest.raises(ModelError, match=r"the model at s3://.* cannot be read: Max Retries Exceeded"):
        load_model(f"s3://{BUCKET}/{PREFIX}", s3=lambda: CutOff().client)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_model_is_loaded_from_an_s3_prefix(s3: "S3Client", rides_model: Path, slash: str) -> None:
    """The digest is that of the local directory, and what begins alike is not part of the model."""
    upload(s3, rides_model)
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}-other/MLmodel", Body=b"not a model")
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/folder/", Body=b"")
    location = f"s3://{BUCKET}/{PREFIX}{slash}"
    model = load_model(location, s3=lambda: s3, choice=Choice(digest=directory_digest(rides_model)))
    assert (model.name, model.location) == ("ride-duration", location)
    assert model.predict(model.example).tolist() == pytest.approx(model.expected)


def refusal(location: str, s3: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(location, s3=lambda: s3)
    message = str(caught.value)
    assert location in message
    return message


def test_a_prefix_without_a_model_says_where_mlflow_keeps_them(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/sub/MLmodel", Body=b"too deep")
    message = refusal(f"s3://{BUCKET}/{PREFIX}", s3)
    assert "1 objects begin with it and none is MLmodel" in message
    assert "<experiment>/models/m-<id>/artifacts" in message


def test_a_bucket_that_does_not_exist_is_named(s3: "S3Client") -> None:
    assert "NoSuchBucket" in refusal("s3://absent-bucket/model", s3)


def test_access_denied_says_which_permissions_are_needed() -> None:
    client = boto3.session.Session("k", "s", region_name="us-east-1").client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied", "Access Denied", 403)
        message = refusal(f"s3://{BUCKET}/{PREFIX}", client)
    assert "AccessDenied" in message
    assert message.endswith("the function needs s3:ListBucket on the bucket and s3:GetObject on the prefix")


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside"])
def test_no_object_is_written_outside_the_models_directory(s3: "S3Client", rides_model: Path, name: str) -> None:
    upload(s3, rides_model)
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"")
    assert "would be written outside the model's directory" in refusal(f"s3://{BUCKET}/{PREFIX}", s3)


# --- the registry -----------------------------------------------------------------------------------------------------


def test_a_registered_model_is_loaded_by_its_alias(
    rides_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions carry the registry's name and version."""
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        client = mlflow.MlflowClient()
        client.create_registered_model("rides")
        version = client.create_model_version("rides", source=str(rides_model)).version
        client.set_registered_model_alias("rides", "champion", str(version))
        model = load_model("models:/rides@champion", s3=no_s3)
        assert (model.name, model.version, model.location) == ("rides", "1", "models:/rides@champion")
        assert model.digest == directory_digest(rides_model)
        with pytest.raises(
            ModelError,
            match=r"models:/rides@absent cannot be fetched from sqlite:///.*; correct the name, log the model",
        ):
            load_model("models:/rides@absent", s3=no_s3)
    finally:
        mlflow.set_tracking_uri(before)


@pytest.mark.parametrize(
    ("location", "remedy"),
    [
        ("models:/ride-duration@champion", "make one with `stream-consumer train`"),
        ("models:/rides@champion", "correct the name, log the model there"),
        ("runs:/0123/model", "correct the name, log the model there"),
    ],
)
def test_a_registry_that_does_not_exist_is_not_made_by_a_read(
    location: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)  # what mlflow leaves in the environment, too
    mlflow.set_tracking_uri(store)
    try:
        with pytest.raises(ModelError) as caught:
            load_model(location, s3=no_s3)
    finally:
        mlflow.set_tracking_uri(before)
    assert str(caught.value) == (
        f"the model {location} cannot be fetched from {store}: this store does not exist; "
        f"{remedy}, or say with MLFLOW_TRACKING_URI where to look"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let importing mlflow fail, as it does in the Lambda image."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)


@pytest.mark.usefixtures("without_mlflow")
@pytest.mark.parametrize("location", ["models:/rides@champion", "models:/rides/1", "runs:/r-1/model"])
def test_without_mlflow_a_registered_model_is_refused_with_the_alternatives(location: str) -> None:
    assert refusal(location, None) == (
        f"{location} names a model in MLflow's registry, and mlflow is not installed here; give the directory or s3:// "
        "prefix of a scikit-learn model saved with skops, or install mlflow"
    )


# --- pyfunc -----------------------------------------------------------------------------------------------------------


def missing_values(self: Any, context: Any, model_input: Any, params: Any = None) -> Any:
    """Predict the number of missing values of each row, and remember the types that came."""
    del self, context, params
    Recorder.dtypes = {name: str(dtype) for name, dtype in model_input.dtypes.items()}
    return model_input.isna().sum(axis=1).to_numpy()


# MLflow would take type hints for a schema of its own.
missing_values.__annotations__.clear()


class Recorder(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    dtypes: dict[str, str]
    predict = missing_values


def recorder(path: Path, *columns: tuple[str, str, bool]) -> Model:
    saved = save_pyfunc(Recorder(), path, signature=signature_of(columns))
    return load_model(str(saved), s3=no_s3, choice=Choice(digest=directory_digest(saved)))


def test_any_other_flavour_is_loaded_through_pyfunc_if_its_digest_is_pinned(tmp_path: Path) -> None:
    model = recorder(
        tmp_path / "model",
        *[(name, kind, True) for name, kind in zip("abc", ("long", "string", "double"), strict=True)],
    )
    assert model.predict([[1, 2], ["x", "y"], [0.5, 1.5]]).tolist() == [0.0, 0.0]
    assert Recorder.dtypes == {"a": "int64", "b": "object", "c": "float64"}


WHEN = datetime(2021, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        ("boolean", True, "bool"),
        ("integer", 1, "int32"),
        ("long", 1, "int64"),
        ("float", 1.0, "float32"),
        ("double", 1.0, "float64"),
        ("string", "x", "object"),
        ("binary", b"x", "object"),
        ("datetime", WHEN, "datetime64[ns]"),
        ("datetime", WHEN.astimezone(UTC).replace(tzinfo=None), "datetime64[ns]"),
    ],
)
def test_a_pyfunc_model_is_given_the_types_of_its_signature(tmp_path: Path, kind: str, value: Any, dtype: str) -> None:
    """MLflow refuses any other, even where the column is optional and there."""
    model = recorder(tmp_path / "model", ("required", kind, True), ("optional", kind, False), ("key", "long", True))
    assert model.predict([[value, value], [value, value], [1, 2]]).tolist() == [0.0, 0.0]
    assert Recorder.dtypes == {"required": dtype, "optional": dtype, "key": "int64"}


@pytest.mark.parametrize("kind", ["boolean", "float", "double", "string", "binary", "datetime"])
def test_missing_optional_values_reach_a_pyfunc_model_as_such(tmp_path: Path, kind: str) -> None:
    value = {"boolean": True, "float": 1.0, "double": 1.0, "string": "x", "binary": b"x", "datetime": WHEN}[kind]
    model = recorder(tmp_path / "model", ("optional", kind, False))
    assert model.predict([[value, None]]).tolist() == [0.0, 1.0]
    assert model.predict([[None, None]]).tolist() == [1.0, 1.0]


def test_an_integer_column_without_any_value_is_left_out(tmp_path: Path) -> None:
    """MLflow cannot hold a missing integer; isolation splits a batch until all or none of its rows have one."""
    model = recorder(tmp_path / "model", ("optional", "long", False), ("key", "long", True))
    assert model.predict([[None, None], [1, 2]]).tolist() == [0.0, 0.0]
    assert Recorder.dtypes == {"key": "int64"}
    with pytest.raises(mlflow.MlflowException):
        model.predict([[1, None], [1, 2]])


@pytest.mark.usefixtures("without_mlflow")
def test_without_mlflow_other_flavours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        'flavors: {python_function: {}}\nsignature: {inputs: \'[{"name": "x", "type": "double"}]\'}\n', encoding="utf-8"
    )
    with pytest.raises(ModelError, match="flavour python_function, and mlflow is not installed here"):
        load_model(str(tmp_path), s3=no_s3, choice=Choice(digest=directory_digest(tmp_path)))


def test_a_pyfunc_model_that_cannot_be_loaded_is_a_model_error(tmp_path: Path) -> None:
    saved = save_pyfunc(Recorder(), tmp_path / "model", signature=signature_of((("x", "double", True),)))
    (saved / "python_model.pkl").write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"cannot be loaded: \w+"):
        load_model(str(saved), s3=no_s3, choice=Choice(digest=directory_digest(saved)))


def test_a_scikit_learn_model_is_loaded_natively_although_pyfunc_could(
    rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    model = load_model(str(rides_model), s3=no_s3)
    assert np.isfinite(model.predict(list(EXAMPLE.values()))).all()
    assert not math.isnan(model.expected[0])
