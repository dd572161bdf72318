"""``champion.json``: the file that names which model is served, and what is loaded by it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from stream_consumer.errors import ModelError
from stream_consumer.models.champion import Champion, TrainedOn, decode_champion, encode_champion, read_champion
from stream_consumer.models.files import directory_digest, model_directory
from stream_consumer.models.loading import Choice, load_model
from tests.batch.test_cloud_store import Cloud

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

JANUARY = TrainedOn(rides="a.parquet", count=70, first="2021-01-01", last="2021-01-31", digest="f" * 64, seed=42)
FIRST = Champion(version="1", digest="1" * 64, metrics={"rmse": 6.5})
SECOND = Champion(version="2", digest="2" * 64, metrics={"rmse": 5.5}, trained_on=JANUARY, previous=FIRST)


def no_s3() -> Any:
    raise AssertionError("no S3 client is needed")


@pytest.fixture
def folder(rides_model: Path, tmp_path: Path) -> Path:
    """A folder of models whose champion is a linear model of rides."""
    digest = directory_digest(rides_model)
    shutil.copytree(rides_model, tmp_path / digest)
    champion = Champion(version="7", digest=digest, metrics={})
    (tmp_path / "champion.json").write_bytes(encode_champion(champion))
    return tmp_path


@pytest.fixture
def s3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    """The same folder as ``s3://taxi/models/ride-duration``."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.session.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="taxi")
        for path in (path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), "taxi", f"models/ride-duration/{path.relative_to(folder).as_posix()}")
        yield client


S3_FILE = "s3://taxi/models/ride-duration/champion.json"


def test_the_bytes_of_the_file() -> None:
    content = b"""{
  "version": "2",
  "digest": "2222222222222222222222222222222222222222222222222222222222222222",
  "metrics": {
    "rmse": 5.5
  },
  "trained_on": {
    "rides": "a.parquet",
    "count": 70,
    "first": "2021-01-01",
    "last": "2021-01-31",
    "digest": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "seed": 42
  },
  "previous": {
    "version": "1",
    "digest": "1111111111111111111111111111111111111111111111111111111111111111",
    "metrics": {
      "rmse": 6.5
    },
    "trained_on": null,
    "previous": null
  }
}
"""
    assert encode_champion(SECOND) == content
    assert decode_champion(content, "here") == SECOND


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    content = json.loads(encode_champion(SECOND)) | {"approved_by": "somebody"}
    assert decode_champion(json.dumps(content).encode(), "here") == SECOND


def test_the_model_that_a_file_of_a_folder_names_is_loaded(folder: Path, rides_model: Path) -> None:
    location = str(folder / "champion.json")
    model = load_model(location, s3=no_s3)
    assert (model.digest, model.location) == (directory_digest(rides_model), location)
    assert model.predict(model.example).tolist() == pytest.approx(model.expected)
    assert load_model(f"file://{location}", s3=no_s3).digest == model.digest


def test_a_file_is_named_from_within_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert load_model("champion.json", s3=no_s3).name == "ride-duration"


def test_the_model_that_an_object_names_is_loaded(s3: "S3Client", rides_model: Path) -> None:
    assert load_model(S3_FILE, s3=lambda: s3).digest == directory_digest(rides_model)


def test_the_model_that_a_file_of_another_cloud_names_is_loaded(folder: Path, rides_model: Path) -> None:
    cloud = Cloud()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        cloud.pipe_file(f"/taxi/models/{path.relative_to(folder).as_posix()}", path.read_bytes())
    with model_directory("gs://taxi/models/champion.json", no_s3, cloud.open_url) as directory:
        assert directory_digest(directory) == directory_digest(rides_model)
    with pytest.raises(ModelError, match=r"^gs://taxi/other/champion.json cannot be read: "):
        read_champion("gs://taxi/other/champion.json", no_s3, cloud.open_url)


def test_a_pin_holds_for_the_named_model_too(folder: Path, rides_model: Path) -> None:
    location = str(folder / "champion.json")
    assert load_model(location, s3=no_s3, choice=Choice(digest=directory_digest(rides_model))).name == "ride-duration"
    with pytest.raises(ModelError, match=f"but MODEL_DIGEST pins {'0' * 64}"):
        load_model(location, s3=no_s3, choice=Choice(digest="0" * 64))


def test_files_of_another_digest_than_the_named_one_are_refused(folder: Path, rides_model: Path) -> None:
    digest = directory_digest(rides_model)
    (folder / digest / "requirements.txt").write_text("other")
    with pytest.raises(ModelError) as caught:
        load_model(str(folder / "champion.json"), s3=no_s3)
    changed = directory_digest(folder / digest)
    assert f"names the model {digest}, but the files in that folder have the digest {changed}" in str(caught.value)


def test_an_object_of_another_digest_is_refused(s3: "S3Client", rides_model: Path) -> None:
    key = f"models/ride-duration/{directory_digest(rides_model)}/another"
    s3.put_object(Bucket="taxi", Key=key, Body=b"one file more")
    with pytest.raises(ModelError, match=r"^s3://taxi/.*champion.json names the model [0-9a-f]{64}, but the files"):
        load_model(S3_FILE, s3=lambda: s3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Input data was truncated"),
        (b"{}", "missing required field `version`"),
        (encode_champion(FIRST).replace(b"1" * 64, b"../../etc"), "Expected `str` matching regex"),
        (encode_champion(FIRST).replace(b"1" * 64, b"1" * 64 + rb"\n"), "Expected `str` matching regex"),
        (b'{"previous":' * 50_000, "recursion"),
        (b"\xff", "champion.json does not name a champion"),
        (b" " * 1_048_577, "has more than 1,048,576 bytes"),
    ],
)
def test_a_file_that_names_no_model_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "champion.json").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(str(tmp_path / "champion.json"), s3=no_s3)
    assert str(caught.value).startswith(f"{tmp_path}/champion.json ")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named_with_what_makes_it(tmp_path: Path, s3: "S3Client") -> None:
    with pytest.raises(
        ModelError, match=r"champion.json cannot be read: .*train --models` or `model promote` makes it"
    ):
        load_model(str(tmp_path / "nowhere" / "champion.json"), s3=no_s3)
    with pytest.raises(ModelError, match=r"^s3://taxi/champion.json cannot be read: .*NoSuchKey.*needs s3:GetObject"):
        load_model("s3://taxi/champion.json", s3=lambda: s3)
