"""The registry that is files: nothing in it is lost to another writer, in a folder and on S3 alike."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from stream_consumer.errors import ModelError, UsageError
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import load_model
from stream_consumer.training.file_registry import ChampionChanged, Entry, FileRegistry
from stream_consumer.training.model_store import Folder, Held, ModelStore, RegistryFailed, model_store
from tests.cli.model import linear_model


@dataclass(frozen=True)
class Place:
    """A location for registries, and what reaches it."""

    location: str
    s3: Callable[[], Any]

    def store(self) -> ModelStore:
        return model_store(self.location, "rides", self.s3)

    def registry(self) -> FileRegistry:
        return FileRegistry(self.location, "rides", self.s3)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "folder":
        yield Place(str(tmp_path / "models"), lambda: pytest.fail("no S3 client is needed"))
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.session.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="taxi")
        yield Place("s3://taxi/models/", lambda: client)


ON_S3 = pytest.mark.parametrize("place", ["s3"], indirect=True)
IN_A_FOLDER = pytest.mark.parametrize("place", ["folder"], indirect=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models that differ."""
    root = tmp_path_factory.mktemp("linear")
    return [Path(linear_model(root / f"rides-{slope}", slope)) for slope in (1.0, 2.0, 3.0)]


def added(registry: FileRegistry, model: Path, number: int) -> Entry:
    digest = directory_digest(model)
    entry = Entry(version=str(number), digest=digest, metrics={"rmse": 7.0 - number}, created=f"2021-02-0{number}")
    registry.add_model(model, digest, {".npz": b"rides"})
    registry.record(entry)
    return entry


# --- the store --------------------------------------------------------------------------------------------------------


def test_a_file_is_written_only_if_it_is_new_or_as_it_was_read(place: Place) -> None:
    store = place.store()
    assert store.read("a.json") is None
    assert store.write("a.json", b"1", over=None)
    assert not store.write("a.json", b"2", over=None), "it is there"
    first = store.read("a.json")
    assert first is not None
    assert store.write("a.json", b"3", over=first.tag)
    assert not store.write("a.json", b"4", over=first.tag), "it is another now"
    assert not store.write("b.json", b"5", over=first.tag), "it is not there"
    held = store.read("a.json")
    assert held is not None
    assert (held.content, store.read("b.json")) == (b"3", None)


def test_names_are_those_directly_below_the_root(place: Place) -> None:
    store = place.store()
    assert store.names() == []
    for name in ("b.json", "folder/c.json"):
        store.write(name, b"", over=None)
    assert [name for name in store.names() if not name.startswith(".")] == ["b.json"]


@pytest.mark.parametrize(
    ("location", "name", "said"),
    [
        ("gs://bucket", "rides", "'gs://bucket' cannot hold models; name a folder or s3://bucket/prefix"),
        ("", "rides", "'' cannot hold models"),
        ("models", "../etc", "'../etc' cannot name a folder of models"),
        ("models", "..", "'..' cannot name a folder of models"),
        ("models", "", "'' cannot name a folder of models"),
    ],
)
def test_other_locations_and_names_are_refused(location: str, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        model_store(location, name, lambda: pytest.fail("no S3 client is needed"))


@ON_S3
def test_a_bucket_needs_no_prefix(place: Place) -> None:
    assert model_store("s3://taxi", "rides", place.s3).root == "s3://taxi/rides"
    assert place.store().root == "s3://taxi/models/rides"


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RegistryFailed, match=r"file/models/rides cannot be written: Not a directory"):
        model_store(f"{tmp_path}/file/models", "rides", lambda: pytest.fail("no S3 client is needed")).check()


@ON_S3
def test_a_bucket_that_is_not_there_or_is_forbidden_is_named_with_what_is_needed(place: Place) -> None:
    missing = model_store("s3://nowhere/models", "rides", place.s3)
    with pytest.raises(RegistryFailed, match=r"^s3://nowhere/models/rides cannot be listed: .*needed: s3:ListBucket"):
        missing.names()
    with Stubber(place.s3()) as stub:
        stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
        with pytest.raises(RegistryFailed, match=r"a.json cannot be written: .*AccessDenied.*needed: s3:PutObject"):
            place.store().write("a.json", b"", over=None)


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_version_is_its_files_and_a_record_of_it(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    assert registry.versions() == []
    first, second = added(registry, models[0], 1), added(registry, models[1], 2)
    assert registry.versions() == [first, second]
    beside = place.store().read(f"{first.digest}.npz")
    assert beside is not None
    assert beside.content == b"rides"
    assert load_model(registry.location(second.digest), s3=place.s3).digest == second.digest


def test_files_without_a_record_are_no_version(place: Place, models: list[Path]) -> None:
    """A training that ends while it adds a model leaves nothing that anybody would load."""
    registry = place.registry()
    registry.add_model(models[0], directory_digest(models[0]), {})
    assert registry.versions() == []


def test_a_version_that_is_added_again_is_the_same_and_other_content_is_refused(
    place: Place, models: list[Path], tmp_path: Path
) -> None:
    registry = place.registry()
    first = added(registry, models[0], 1)
    assert added(registry, models[0], 1) == first
    changed = shutil.copytree(models[0], tmp_path / "changed")
    (changed / "MLmodel").write_text("{}")
    with pytest.raises(RegistryFailed, match=r"/MLmodel holds other content; files of a version never change$"):
        registry.add_model(changed, first.digest, {})


def test_a_version_is_found_by_its_name_and_by_the_beginning_of_its_digest(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    first, second = added(registry, models[0], 1), added(registry, models[1], 2)
    assert registry.find("2") == second
    assert registry.find(first.digest) == registry.find(first.digest[:6]) == first
    for unknown in ("3", first.digest[:5], "f" * 64):
        with pytest.raises(UsageError, match=f"is called '{unknown}' or has a digest .* there: 1, 2"):
            registry.find(unknown)


# --- the champion -----------------------------------------------------------------------------------------------------


def test_the_champion_is_what_its_file_names_with_all_before_it(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    assert registry.current().champion is None
    for number, model in enumerate(models, 1):
        registry.promote(added(registry, model, number), registry.current())
    champion = registry.current().champion
    assert champion is not None
    assert load_model(registry.champion_file, s3=place.s3).digest == champion.digest == directory_digest(models[2])
    names = []
    while champion is not None:
        names.append(champion.version)
        champion = champion.previous
    assert names == ["3", "2", "1"]


def test_the_history_keeps_ten_champions(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    entry = added(registry, models[0], 1)
    for number in range(15):
        registry.promote(msgspec.structs.replace(entry, version=str(number)), registry.current())
    champion, length = registry.current().champion, 0
    while champion is not None:
        champion, length = champion.previous, length + 1
    assert length == 10


def test_of_two_trainings_that_met_the_same_champion_one_wins_and_the_other_is_told(
    place: Place, models: list[Path]
) -> None:
    registry, another = place.registry(), place.registry()
    first = added(registry, models[0], 1)
    registry.promote(first, registry.current())
    met = registry.current(), another.current()
    registry.promote(added(registry, models[1], 2), met[0])
    with pytest.raises(ChampionChanged, match=r"champion.json was changed in the meantime, to version 2; nothing was"):
        another.promote(added(another, models[2], 3), met[1])
    champion = registry.current().champion
    assert champion is not None
    assert champion.previous is not None
    assert (champion.version, champion.previous.version) == ("2", "1")


@IN_A_FOLDER
def test_of_many_first_trainings_at_once_exactly_one_wins(place: Place, models: list[Path]) -> None:
    """S3 promises as much; moto in this process looks and writes in two steps."""
    registry = place.registry()
    entry = added(registry, models[0], 1)
    met, ready = registry.current(), threading.Barrier(8)

    def promote(number: int) -> str | None:
        ready.wait(timeout=30)
        try:
            place.registry().promote(msgspec.structs.replace(entry, version=str(number)), met)
        except ChampionChanged:
            return None
        return str(number)

    with ThreadPoolExecutor(8) as threads:
        won = [version for version in threads.map(promote, range(8)) if version]
    champion = registry.current().champion
    assert champion is not None
    assert won == [champion.version]


class AnswerLost(Folder):
    """A store whose first write of each file is done, and then found done by the second try of the same request."""

    def write(self, name: str, content: bytes, *, over: str | None) -> bool:
        super().write(name, content, over=over)
        return super().write(name, content, over=over)


def test_a_write_whose_answer_was_lost_is_known_to_be_ours(
    tmp_path: Path, models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Botocore sends such a request again, and the condition of the second one does not hold."""
    monkeypatch.setattr("stream_consumer.training.model_store.Folder", AnswerLost)
    registry = FileRegistry(str(tmp_path), "rides", lambda: pytest.fail("no S3 client is needed"))
    registry.promote(added(registry, models[0], 1), registry.current())
    registry.promote(added(registry, models[1], 2), registry.current())
    champion = registry.current().champion
    assert champion is not None
    assert champion.version == "2"


def test_rollback_goes_back_champion_by_champion(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    with pytest.raises(UsageError, match="names no champion before the present one"):
        registry.rollback()
    for number, model in enumerate(models, 1):
        registry.promote(added(registry, model, number), registry.current())
    assert [registry.rollback() for _ in range(2)] == [("2", "3"), ("1", "2")]
    assert load_model(registry.champion_file, s3=place.s3).digest == directory_digest(models[0])
    with pytest.raises(UsageError, match="names no champion before the present one"):
        registry.rollback()


@IN_A_FOLDER
def test_rollback_to_files_that_were_changed_is_refused(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    for number, model in enumerate(models[:2], 1):
        registry.promote(added(registry, model, number), registry.current())
    (Path(registry.location(directory_digest(models[0]))) / "MLmodel").write_text("{}")
    with pytest.raises(ModelError, match=f"wanted {directory_digest(models[0])}"):
        registry.rollback()
    champion = registry.current().champion
    assert champion is not None
    assert champion.version == "2"


def test_the_bytes_of_a_record(place: Place, models: list[Path]) -> None:
    registry = place.registry()
    digest = directory_digest(models[0])
    registry.record(Entry(version="1", digest=digest, metrics={"rmse": 6.0}, reason="why", created="2021-02-01"))
    held = place.store().read(f"{digest}.json")
    assert isinstance(held, Held)
    assert json.loads(held.content) == {
        "version": "1",
        "digest": digest,
        "metrics": {"rmse": 6.0},
        "trained_on": None,
        "reason": "why",
        "created": "2021-02-01",
    }
