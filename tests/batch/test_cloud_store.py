"""Objects of other clouds, by plain download and upload. fsspec's store in memory stands for them."""

import functools
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from stream_consumer.batch.cloud_store import CloudStore
from stream_consumer.batch.errors import Stopped, StoreFailed, UnusableInput
from stream_consumer.batch.job import Job, committed, run
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.batch.storage import Stores, digest_of
from stream_consumer.clouds import Opened, open_url
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.model import Model
from stream_consumer.models.files import model_directory
from stream_consumer.worker.loop import targets
from tests.batch.conftest import nowhere
from tests.batch.files import letters, rides_file, rows

RIDES, MINUTES = Location.parse("gs://taxi/rides.parquet"), Location.parse("gs://taxi/out/minutes.parquet")


class Cloud(MemoryFileSystem):  # type: ignore[misc]
    """A store of its own for each test, whose calls can be made to fail."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.broken: dict[str, Exception] = {}
        """What a call raises, by its name and path."""

    def open_url(self, url: str) -> Opened:
        return self, "/" + url.partition("://")[2]

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self._break("put_file", rpath)
        super().put_file(lpath, rpath, **options)

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        self._break("get_file", rpath)
        super().get_file(rpath, lpath, **options)

    def _break(self, call: str, path: str) -> None:
        if error := self.broken.get(f"{call} {path}"):
            raise error


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def stores(cloud: Cloud, scratch: Path) -> Stores:
    return Stores(nowhere, scratch, cloud.open_url)


def uploaded(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put_file(str(rides_file(tmp_path / "rides.parquet")), "/taxi/rides.parquet")


@pytest.mark.parametrize("url", ["gs://b/k.csv", "abfs://c@a.dfs.core.windows.net/k.csv", "abfss://c/k.csv"])
def test_urls_of_other_clouds_are_objects_and_no_databases(url: str) -> None:
    assert Location.parse(url).kind is Kind.CLOUD
    assert str(Location.parse(url).sibling(".summary.json")) == f"{url}.summary.json"
    assert (Location.parse(url).name, Location.parse(url).suffix) == ("k.csv", ".csv")


def test_a_run_downloads_its_input_and_uploads_what_it_made(
    cloud: Cloud, stores: Stores, model: Model, tmp_path: Path
) -> None:
    uploaded(cloud, tmp_path)
    job = Job.of(RIDES.text, MINUTES.text)
    summary = run(job, model=model, stores=stores)
    assert (summary.rows, summary.predicted, summary.source) == (4, 2, "gs://taxi/rides.parquet")
    cloud.get("/taxi/out", str(tmp_path / "down"), recursive=True)
    assert [row["ride_duration"] for row in rows(tmp_path / "down" / "minutes.parquet")] == [12.0, 7.0]
    rejected = letters(tmp_path / "down" / "minutes.parquet.rejected.jsonl")
    assert [letter.event_id for letter in rejected] == ["gs://taxi/rides.parquet:2", "gs://taxi/rides.parquet:3"]
    assert sorted(cloud.ls("/taxi/out", detail=False)) == [
        f"/taxi/out/minutes.parquet{ending}" for ending in ("", ".rejected.jsonl", ".summary.json")
    ]
    assert committed(job, stores, model=model) == summary
    assert run(job, model=model, stores=stores) == summary, "and again over what it made"


def test_an_input_that_is_not_there_is_said_to_be_missing(cloud: Cloud, stores: Stores, model: Model) -> None:
    with pytest.raises(UnusableInput, match=r"there is no object gs://taxi/rides\.parquet"):
        run(Job.of(RIDES.text, MINUTES.text), model=model, stores=stores)
    cloud.mkdirs("/taxi/rides.parquet")
    with pytest.raises(UnusableInput, match=r"there is no object gs://taxi/rides\.parquet"):
        run(Job.of(RIDES.text, MINUTES.text), model=model, stores=stores)


def test_what_no_run_made_is_not_written_over(cloud: Cloud, stores: Stores, model: Model, tmp_path: Path) -> None:
    uploaded(cloud, tmp_path)
    cloud.pipe_file("/taxi/out/minutes.parquet", b"precious")
    with pytest.raises(UsageError, match="is there and no run of batch made it"):
        run(Job.of(RIDES.text, MINUTES.text), model=model, stores=stores)
    assert cloud.cat_file("/taxi/out/minutes.parquet") == b"precious"


def test_a_commit_that_fails_leaves_no_mark_and_the_next_run_the_same_bytes(
    cloud: Cloud, stores: Stores, model: Model, tmp_path: Path
) -> None:
    uploaded(cloud, tmp_path)
    job = Job.of(RIDES.text, MINUTES.text)
    run(job, model=model, stores=stores)
    made = {path: cloud.cat_file(path) for path in cloud.find("/taxi/out")}
    cloud.broken = {"put_file /taxi/out/minutes.parquet.rejected.jsonl": RuntimeError("503\n backend")}
    with pytest.raises(StoreFailed, match=r"minutes\.parquet\.rejected\.jsonl cannot be written: 503 backend"):
        run(job, model=model, stores=stores)
    assert not cloud.exists("/taxi/out/minutes.parquet.summary.json")
    assert committed(job, stores) is None
    cloud.broken = {}
    run(job, model=model, stores=stores)
    assert {path: cloud.cat_file(path) for path in cloud.find("/taxi/out")} == made


def test_a_changed_object_has_another_version(cloud: Cloud, tmp_path: Path) -> None:
    store = CloudStore(cloud.open_url)
    uploaded(cloud, tmp_path)
    before = store.version(RIDES)
    assert store.version(RIDES) == before
    cloud.pipe_file("/taxi/rides.parquet", b"other")
    assert store.version(RIDES) != before


def test_the_digest_is_that_of_the_content(cloud: Cloud, tmp_path: Path) -> None:
    store, file = CloudStore(cloud.open_url), tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 1_000)
    store.put(file, MINUTES)
    assert store.digest(MINUTES) == digest_of(file)
    assert store.digest(RIDES) is None
    assert (store.size(MINUTES), store.size(RIDES), store.read(RIDES)) == (256_000, None, None)


def test_a_download_is_stopped_and_one_that_breaks_off_is_no_input(cloud: Cloud, scratch: Path, tmp_path: Path) -> None:
    store = CloudStore(cloud.open_url)
    uploaded(cloud, tmp_path)

    def stop() -> None:
        raise Stopped("stopped before the end")

    with pytest.raises(Stopped):
        store.fetch(RIDES, scratch, stop)
    cloud.broken = {"get_file /taxi/rides.parquet": ConnectionResetError("gone")}
    with pytest.raises(StoreFailed, match=r"gs://taxi/rides\.parquet cannot be downloaded: gone"):
        store.fetch(RIDES, tmp_path, lambda: None)


def test_a_scheme_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r"gs:// needs a library .*: pip install 'stream-consumer\[gcs\]'"):
        open_url("gs://taxi/rides.parquet")


def test_a_model_is_fetched_whole_or_refused(cloud: Cloud, model_folder: str) -> None:
    cloud.put(model_folder, "/taxi/models/7", recursive=True)
    fetched = functools.partial(model_directory, s3=nowhere, open_url=cloud.open_url)
    with fetched("gs://taxi/models/7") as folder:
        names = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert names == {path.name: path.read_bytes() for path in Path(model_folder).iterdir()}
    with pytest.raises(ModelError, match="there is no MLflow model at gs://taxi/models: "), fetched("gs://taxi/models"):
        pass
    cloud.broken = {"get_file /taxi/models/7/MLmodel": PermissionError("403")}
    with pytest.raises(ModelError, match="the model at gs://taxi/models/7 cannot be read: 403"):
        fetched("gs://taxi/models/7").__enter__()


def test_the_worker_stays_on_s3_and_says_so() -> None:
    with pytest.raises(UsageError, match=r"wanted an s3:// URL .*; the worker reads and writes objects of S3 alone"):
        targets("gs://taxi/{key}")


def test_the_objects_of_a_folder_are_listed_by_name(cloud: Cloud) -> None:
    for path in ("/taxi/a/2", "/taxi/a/1/x", "/taxi/ab"):
        cloud.pipe_file(path, b"")
    store = CloudStore(cloud.open_url)
    for folder in ("gs://taxi/a", "gs://taxi/a/"):
        assert [one.text for one in store.list(Location.parse(folder))] == ["gs://taxi/a/1/x", "gs://taxi/a/2"]
    assert store.list(Location.parse("gs://taxi/nosuch")) == []
