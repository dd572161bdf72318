"""A job: what is committed, when, and what never is."""

import dataclasses
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
import msgspec
import numpy as np
import pyarrow.csv
import pytest
from moto import mock_aws

from stream_consumer.batch.errors import CountsDiffer, Stopped, StoreFailed, TooManyRejected, UnusableInput
from stream_consumer.batch.job import Job, Options, committed, run
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import LocalStore, Stores
from stream_consumer.batch.summary import Summary
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Reason
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from tests.batch.files import letters, parquet_file, rides_file, rows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NAMES = ["rides.parquet", "rides.csv", "rides.csv.gz", "rides.ndjson", "rides.jsonl"]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.of(str(parquet_file(tmp_path / "rides.parquet")), str(tmp_path / "out" / "minutes.parquet"))


def made(job: Job) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.target.path.parent.glob("*")}


def predicted(path: Path) -> list[tuple[Any, float]]:
    if path.name.endswith(".parquet"):
        return [(row["ride_id"], row["ride_duration"]) for row in rows(path)]
    if path.name.endswith((".csv", ".csv.gz")):
        return [(row["ride_id"], row["ride_duration"]) for row in pyarrow.csv.read_csv(path).to_pylist()]
    events = map(decode_prediction, path.read_bytes().splitlines())
    return [(event.prediction.id, event.prediction.value) for event in events]


@pytest.mark.parametrize(("given", "wanted"), list(itertools.product(NAMES, NAMES)))
def test_every_row_is_predicted_or_rejected(
    given: str, wanted: str, tmp_path: Path, model: Model, stores: Stores
) -> None:
    """Whatever goes in and comes out, the verdicts are those of the stream."""
    source, target = rides_file(tmp_path / given), tmp_path / "out" / wanted
    summary = run(Job.of(str(source), str(target)), model=model, stores=stores)
    assert (summary.rows, summary.predicted, summary.rejected) == (4, 2, {Reason.SCHEMA: 1, Reason.BOUNDS: 1})
    assert predicted(target) == [(7, 12.0), (8, 7.0)]
    refused = letters(tmp_path / "out" / f"{wanted}.rejected.jsonl")
    assert [(letter.event_id, letter.reason, letter.path) for letter in refused] == [
        (f"{source}:2", "bounds", "$.ride.DOLocationID"),
        (f"{source}:3", "schema", "$.ride.trip_distance"),
    ]
    assert json.loads(refused[0].data) == {
        "ride": {"PULocationID": 75, "DOLocationID": 300, "trip_distance": 2.0},
        "ride_id": 9,
    }


def test_predictions_name_the_model(job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    assert rows(job.target.path)[0] == {
        "ride_id": 7,
        "ride_duration": 12.0,
        "model": "batch",
        "version": "run-batch",
    }


def test_the_summary_says_what_was_scored_by_what(job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    document = json.loads(made(job)["minutes.parquet.summary.json"])
    status = job.source.path.stat()
    names = {"minutes.parquet": ".parquet", "minutes.parquet.rejected.jsonl": ".rejected.jsonl"}
    sizes = {ending: len(made(job)[name]) for name, ending in names.items()}
    assert document == {
        "source": str(job.source),
        "source_version": f"{status.st_size} bytes of {status.st_mtime_ns}",
        "model": "batch",
        "model_version": "run-batch",
        "model_digest": model.digest,
        "schema_digest": model.schema.digest,
        "id_column": None,
        "rows": 4,
        "predicted": 2,
        "rejected": {"schema": 1, "bounds": 1},
        "sizes": sizes,
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_rerun_makes_the_same_bytes(name: str, job: Job, model: Model, stores: Stores) -> None:
    job = Job.of(job.source.text, str(job.target.path.with_name(name)))
    run(job, model=model, stores=stores)
    before = made(job)
    run(job, model=model, stores=stores)
    assert made(job) == before
    assert sorted(before) == sorted([name, f"{name}.rejected.jsonl", f"{name}.summary.json"])


@pytest.mark.parametrize("name", ["rides.parquet", "rides.parquet.rejected.jsonl"])
def test_an_output_over_the_input_is_refused(name: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    """By any name: what was read would be gone."""
    source = rides_file(tmp_path / "in" / name)
    target = tmp_path / "in" / ".." / "in" / "rides.parquet"
    before = source.read_bytes()
    with pytest.raises(UsageError, match="is the input and would be written over"):
        run(Job.of(str(source), str(target)), model=model, stores=stores)
    assert source.read_bytes() == before


def test_predictions_in_another_format_are_not_there_already(job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    assert committed(job, stores, model=model) is not None
    assert committed(Job.of(job.source.text, job.target.text.replace("minutes.parquet", "minutes.csv")), stores) is None


def test_what_was_committed_with_more_rejected_than_allowed_is_not_there_already(
    job: Job, model: Model, stores: Stores
) -> None:
    run(job, model=model, stores=stores)
    assert committed(job, stores, options=Options(max_rejected=0.5)) is not None
    assert committed(job, stores, options=Options(max_rejected=0.4)) is None


def test_scratch_that_is_full_is_said(
    job: Job, model: Model, stores: Stores, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stream_consumer.batch.writers.DeadLetterWriter.write", full)
    with pytest.raises(StoreFailed, match=f"No space left on device: scratch in {scratch} .* nothing was committed"):
        run(job, model=model, stores=stores)


def test_two_runs_at_once_put_no_half_file(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two containers on one volume, both with the process id 1."""
    whole, other, target = (tmp_path / name for name in ("whole", "other", "target"))
    whole.write_bytes(b"whole")
    other.write_bytes(b"other")
    location, copy = Location.parse(str(target)), shutil.copyfileobj

    def meanwhile(source: IO[bytes], aside: IO[bytes]) -> None:
        if source.name == str(whole):
            copy(source, aside)
            with pytest.raises(StoreFailed):
                stores.at(location).put(other, location)
        else:
            aside.write(b"ot")
            raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(shutil, "copyfileobj", meanwhile)
    stores.at(location).put(whole, location)
    assert target.read_bytes() == b"whole"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"whole", "other", "target"}


def test_outputs_of_one_stem_share_no_file(model: Model, stores: Stores, tmp_path: Path) -> None:
    """Each keeps its rejected rows and its summary."""
    out = tmp_path / "out"
    jobs = [Job.of(str(rides_file(tmp_path / name)), str(out / name)) for name in NAMES]
    summaries = [run(job, model=model, stores=stores) for job in jobs]
    assert len(list(out.iterdir())) == 3 * len(NAMES)
    assert [committed(job, stores, model=model) for job in jobs] == summaries


def test_event_ids_name_the_whole_source(
    model: Model, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead letters of equal ids are one to redrive, and the second would be deleted with the first."""
    ids = []
    for folder in ("march", "april"):
        rides_file(tmp_path / folder / "part-0.csv")
        monkeypatch.chdir(tmp_path / folder)
        run(Job.of("part-0.csv", "out.ndjson"), model=model, stores=stores)
        events = map(decode_prediction, Path("out.ndjson").read_bytes().splitlines())
        refused = letters(Path("out.ndjson.rejected.jsonl"))
        ids += [event.event_id for event in events] + [letter.event_id for letter in refused]
        assert [(letter.stream, letter.shard) for letter in refused] == [(None, None)] * 2
    assert ids == [f"{tmp_path}/{folder}/part-0.csv:{row}" for folder in ("march", "april") for row in range(4)]


@pytest.mark.parametrize("name", ["minutes.parquet", "minutes.parquet.rejected.jsonl", "minutes.parquet.summary.json"])
@pytest.mark.parametrize("content", [b"", b"mine", b'{"source": "mine"}'])
def test_a_file_that_no_run_made_is_never_written_over(
    name: str, content: bytes, job: Job, model: Model, stores: Stores
) -> None:
    mine = job.target.path.with_name(name)
    mine.parent.mkdir()
    mine.write_bytes(content)
    with pytest.raises(UsageError, match=f"{name} is there and no run of batch made it"):
        run(job, model=model, stores=stores)
    assert made(job) == {name: content}


def test_a_file_that_comes_while_rows_are_scored_is_not_written_over(job: Job, model: Model, stores: Stores) -> None:
    def meanwhile(*_: object) -> None:
        job.target.path.parent.mkdir()
        job.target.path.write_bytes(b"mine")

    with pytest.raises(UsageError, match="no run of batch made it"):
        run(job, model=model, stores=stores, progress=meanwhile)
    assert made(job) == {"minutes.parquet": b"mine"}


def test_the_results_of_another_source_are_not_written_over(
    job: Job, model: Model, stores: Stores, tmp_path: Path
) -> None:
    run(job, model=model, stores=stores)
    before = made(job)
    with pytest.raises(UsageError, match=f"has the predictions of {job.source}; remove them, or name another"):
        run(Job.of(str(rides_file(tmp_path / "other.csv")), job.target.text), model=model, stores=stores)
    assert made(job) == before


def test_a_run_that_ended_while_it_committed_is_finished_by_the_next(
    job: Job, model: Model, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no summary then, and yet the files are known for those of this source."""
    expected = run(job, model=model, stores=stores)
    for count in range(5):
        puts = itertools.count()
        put, remove = LocalStore.put, LocalStore.remove

        def failing(step: Any, *arguments: Any, count: int = count, puts: Any = puts) -> None:
            if next(puts) == count:
                raise StoreFailed("killed")
            step(*arguments)

        monkeypatch.setattr(LocalStore, "put", lambda *given, step=put: failing(step, *given))
        monkeypatch.setattr(LocalStore, "remove", lambda *given, step=remove: failing(step, *given))
        with pytest.raises(StoreFailed, match="killed"):
            run(job, model=model, stores=stores)
        monkeypatch.undo()
        other = Job.of(str(rides_file(tmp_path / "other.csv")), job.target.text)
        with pytest.raises(UsageError, match="has the predictions of"):
            run(other, model=model, stores=stores)
        assert run(job, model=model, stores=stores) == expected
        assert len(made(job)) == 3


def test_two_runs_that_commit_at_once_leave_no_summary_of_the_others_predictions(
    job: Job, model: Model, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that wrote last finds the other's file and fails."""
    other = dataclasses.replace(model, version="4")
    put = LocalStore.put

    def meanwhile(store: LocalStore, file: Path, location: Location) -> None:
        if location.text.endswith(".summary.json"):
            monkeypatch.undo()
            run(job, model=other, stores=stores)
        put(store, file, location)

    monkeypatch.setattr(LocalStore, "put", meanwhile)
    with pytest.raises(StoreFailed, match=r"minutes\.parquet was changed while it was committed: run again"):
        run(job, model=model, stores=stores)
    run(job, model=model, stores=stores)
    assert {row["version"] for row in rows(job.target.path)} == {"run-batch"}


def test_an_input_that_changes_during_the_commit_fails_the_run(
    job: Job, model: Model, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that scored the new content may have committed first."""
    put = LocalStore.put

    def meanwhile(store: LocalStore, file: Path, location: Location) -> None:
        os.utime(job.source.path, (1, 1))
        put(store, file, location)

    monkeypatch.setattr(LocalStore, "put", meanwhile)
    with pytest.raises(StoreFailed, match="changed while its results were committed"):
        run(job, model=model, stores=stores)


def test_letters_of_an_earlier_run_do_not_stay(job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    good = {"PULocationID": [1], "DOLocationID": [2], "trip_distance": [1.5], "ride_id": ["a"]}
    rides_file(job.source.path, good)
    assert run(job, model=model, stores=stores).rejected == {}
    assert sorted(made(job)) == ["minutes.parquet", "minutes.parquet.summary.json"]


def test_no_rows_make_an_empty_output(job: Job, model: Model, stores: Stores) -> None:
    rides_file(job.source.path, {name: np.empty(0) for name in ("PULocationID", "DOLocationID", "trip_distance")})
    summary = run(job, model=model, stores=stores)
    assert (summary.rows, rows(job.target.path)) == (0, [])


def test_progress_tells_rows_and_how_many_there_are(job: Job, model: Model, stores: Stores) -> None:
    told: list[tuple[int, int | None]] = []
    run(job, model=model, stores=stores, progress=lambda *said: told.append(said))
    assert told == [(4, 4)]


def test_what_is_committed_is_known(job: Job, model: Model, stores: Stores) -> None:
    assert committed(job, stores) is None
    summary = run(job, model=model, stores=stores)
    assert committed(job, stores) == committed(job, stores, model=model) == summary


def test_another_input_model_or_output_is_not_committed(job: Job, model: Model, stores: Stores, tmp_path: Path) -> None:
    run(job, model=model, stores=stores)
    assert committed(job, stores, model=dataclasses.replace(model, version="4")) is None
    assert committed(job, stores, model=model, options=Options(id_column="PULocationID")) is None
    assert committed(Job.of(str(parquet_file(tmp_path / "other.parquet")), job.target.text), stores) is None
    os.utime(job.source.path, (1, 1))
    assert committed(job, stores) is None


def test_what_the_same_model_made_of_other_names_or_columns_is_not_there_already(
    job: Job, model: Model, stores: Stores
) -> None:
    """The settings decide both: ENTITY_FIELD, ID_FIELD, PREDICTION_FIELD and MODEL_COLUMNS."""
    run(job, model=model, stores=stores)
    columns, envelope = model.schema.columns, model.schema.envelope
    others = [
        EventSchema(columns, msgspec.structs.replace(envelope, **{field: "other"}))
        for field in ("entity", "id", "prediction")
    ]
    others.append(EventSchema([*columns[:-1], msgspec.structs.replace(columns[-1], required=False)], envelope))
    for schema in others:
        assert committed(job, stores, model=dataclasses.replace(model, schema=schema)) is None
    same = EventSchema(columns, envelope)
    assert committed(job, stores, model=dataclasses.replace(model, schema=same)) is not None


def test_a_summary_of_before_that_does_not_tell_the_schema_is_scored_again(
    job: Job, model: Model, stores: Stores
) -> None:
    run(job, model=model, stores=stores)
    before = made(job)
    path = Path(f"{job.target}.summary.json")
    document = json.loads(path.read_bytes())
    del document["schema_digest"]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert committed(job, stores, model=model) is None
    run(job, model=model, stores=stores)
    assert made(job) == before


@pytest.mark.parametrize("name", ["minutes.parquet", "minutes.parquet.rejected.jsonl", "minutes.parquet.summary.json"])
def test_what_lost_a_file_is_not_committed(name: str, job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    job.target.path.with_name(name).write_bytes(b"{}")
    assert committed(job, stores) is None
    job.target.path.with_name(name).unlink()
    assert committed(job, stores) is None


def test_a_stopped_run_leaves_nothing(job: Job, model: Model, stores: Stores, scratch: Path) -> None:
    with pytest.raises(Stopped):
        run(job, model=model, stores=stores, stop=lambda: True)
    assert not job.target.path.parent.exists()
    assert list(scratch.iterdir()) == []


def test_a_stopped_run_leaves_what_was_there(job: Job, model: Model, stores: Stores) -> None:
    run(job, model=model, stores=stores)
    before = made(job)
    answers = iter([False, True])
    with pytest.raises(Stopped):
        run(job, model=model, stores=stores, stop=lambda: next(answers))
    assert made(job) == before


def test_an_input_that_is_gone_is_unusable(job: Job, model: Model, stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"there is no file .*gone\.parquet"):
        run(Job.of(str(tmp_path / "gone.parquet"), job.target.text), model=model, stores=stores)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(UnusableInput, match="is a folder"):
        run(Job.of(str(tmp_path / "folder.parquet"), job.target.text), model=model, stores=stores)


def test_an_input_that_changes_meanwhile_is_not_committed(job: Job, model: Model, stores: Stores) -> None:
    with pytest.raises(StoreFailed, match="changed while it was read"):
        run(job, model=model, stores=stores, progress=lambda *_: os.utime(job.source.path, (1, 1)))
    assert not job.target.path.parent.exists()


@pytest.mark.parametrize(("source", "target"), [("rides.xlsx", "out.parquet"), ("rides.parquet", "out.json")])
def test_a_name_that_tells_no_format_is_a_usage_error(source: str, target: str, model: Model, stores: Stores) -> None:
    with pytest.raises(UsageError, match=r"(xlsx|json): the format is told by the name's end; wanted one of \.parquet"):
        run(Job.of(source, target), model=model, stores=stores)


def test_an_output_that_cannot_be_written_fails_the_run(job: Job, model: Model, stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match=r"minutes\.parquet cannot be written: .*/file is not a folder"):
        run(Job.of(job.source.text, str(tmp_path / "file" / "minutes.parquet")), model=model, stores=stores)


def test_too_many_rejected_rows_fail_the_run(job: Job, model: Model, stores: Stores) -> None:
    with pytest.raises(TooManyRejected, match=r"2 of 4 rows were rejected \(1 bounds, 1 schema\), more than 49\.0%"):
        run(job, model=model, stores=stores, options=Options(max_rejected=0.49))
    assert not job.target.path.parent.exists()
    assert run(job, model=model, stores=stores, options=Options(max_rejected=0.5)).predicted == 2


def test_counts_that_do_not_add_up_fail_the_run(
    job: Job, model: Model, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever loses a row on the way, nothing is committed: here the file of predictions says that it has one less."""
    monkeypatch.setattr("stream_consumer.batch.job.written", lambda _: 1)
    with pytest.raises(CountsDiffer, match=r"2 rows were written as \.parquet and 1 are there"):
        run(job, model=model, stores=stores)
    assert not job.target.path.parent.exists()


KILLED = """
import os, signal, sys
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.models.loading import load_model

def progress(rows, total):
    if 0 < rows < total:
        os.kill(os.getpid(), signal.SIGKILL)

model = load_model(sys.argv[3], s3=None)
run(Job.of(*sys.argv[1:3]), model=model, stores=Stores(), progress=progress, jobs=int(sys.argv[4]))
"""


@pytest.mark.process
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_leaves_no_half_output(
    jobs: int, job: Job, model: Model, model_folder: str, tmp_path: Path
) -> None:
    stores, count = Stores(), 150_000
    many = {name: np.ones(count, np.int64) for name in ("PULocationID", "DOLocationID", "trip_distance")}
    parquet_file(job.source.path, {**many, "ride_id": np.arange(count)})
    killed = subprocess.run(  # noqa: S603 (our own script)
        [sys.executable, "-c", KILLED, job.source.text, job.target.text, model_folder, str(jobs)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not job.target.path.parent.exists()
    run(job, model=model, stores=stores, jobs=jobs)
    undisturbed = Job.of(job.source.text, str(tmp_path / "undisturbed" / "minutes.parquet"))
    run(undisturbed, model=model, stores=stores)
    assert made(job) == made(undisturbed)
    assert len(rows(job.target.path)) == count


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="rides")
        yield client


S3_JOB = Job.of("s3://rides/in/made.parquet", "s3://rides/out/minutes.parquet")


def lay(s3: "S3Client", path: Path, key: str = "in/made.parquet") -> None:
    s3.upload_file(str(rides_file(path)), "rides", key)


def keys(s3: "S3Client", prefix: str = "out/") -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="rides", Prefix=prefix).get("Contents", ())]


def test_objects_are_scored_like_files(s3: "S3Client", model: Model, scratch: Path, tmp_path: Path) -> None:
    lay(s3, tmp_path / "rides.parquet")
    stores = Stores(lambda: s3, scratch)
    summary = run(S3_JOB, model=model, stores=stores)
    assert keys(s3) == ["out/minutes.parquet", "out/minutes.parquet.rejected.jsonl", "out/minutes.parquet.summary.json"]
    assert summary.source_version == s3.head_object(Bucket="rides", Key="in/made.parquet")["ETag"].strip('"')
    assert committed(S3_JOB, stores, model=model) == summary
    s3.download_file("rides", "out/minutes.parquet", str(tmp_path / "minutes.parquet"))
    assert predicted(tmp_path / "minutes.parquet") == [(7, 12.0), (8, 7.0)]
    assert list(scratch.iterdir()) == []


def test_an_object_that_changed_is_scored_anew(s3: "S3Client", model: Model, scratch: Path, tmp_path: Path) -> None:
    lay(s3, tmp_path / "rides.parquet")
    stores = Stores(lambda: s3, scratch)
    run(S3_JOB, model=model, stores=stores)
    lay(s3, tmp_path / "rides.csv")
    assert committed(S3_JOB, stores) is None
    s3.delete_object(Bucket="rides", Key="out/minutes.parquet")
    lay(s3, tmp_path / "rides.parquet")
    assert committed(S3_JOB, stores) is None


@pytest.mark.parametrize("source", ["s3://rides/in/gone.parquet", "s3://no-such-bucket/in/rides.parquet"])
def test_an_object_that_is_gone_is_unusable(source: str, s3: "S3Client", model: Model) -> None:
    with pytest.raises(UnusableInput, match=f"there is no object {source}"):
        run(Job.of(source, S3_JOB.target.text), model=model, stores=Stores(lambda: s3))


def test_a_bucket_that_is_gone_fails_the_run(s3: "S3Client", model: Model, tmp_path: Path) -> None:
    source = str(rides_file(tmp_path / "rides.parquet"))
    with pytest.raises(StoreFailed, match="s3://no-such-bucket/minutes"):
        run(Job.of(source, "s3://no-such-bucket/minutes.parquet"), model=model, stores=Stores(lambda: s3))


def test_a_download_can_be_stopped(s3: "S3Client", model: Model, scratch: Path, tmp_path: Path) -> None:
    lay(s3, tmp_path / "rides.parquet")
    with pytest.raises(Stopped):
        run(S3_JOB, model=model, stores=Stores(lambda: s3, scratch), stop=lambda: True)
    assert (keys(s3), list(scratch.iterdir())) == ([], [])


def test_a_failed_upload_leaves_no_mark(
    s3: "S3Client", model: Model, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of the earlier run goes before anything changes: nobody takes its files for this run's."""
    lay(s3, tmp_path / "rides.parquet")
    stores = Stores(lambda: s3, scratch)
    first = run(S3_JOB, model=model, stores=stores)
    upload = s3.upload_file

    def failing(file: str, bucket: str, key: str, **options: Any) -> None:
        upload(file, "no-such-bucket" if key == "out/minutes.parquet" else bucket, key, **options)

    monkeypatch.setattr(s3, "upload_file", failing)
    with pytest.raises(StoreFailed):
        run(S3_JOB, model=model, stores=stores)
    assert "out/minutes.parquet.summary.json" not in keys(s3)
    monkeypatch.undo()
    assert isinstance(first, Summary)
    assert run(S3_JOB, model=model, stores=stores) == first


def test_a_large_input_without_a_valid_row_commits_nothing(model: Model, stores: Stores, tmp_path: Path) -> None:
    """The model is another than the rows are for: 100 dead letters would only hide it."""
    source, target = tmp_path / "rides.ndjson", tmp_path / "out.ndjson"
    source.write_text('{"ride": {}, "ride_id": 1}\n' * 100)
    says = r"none of the 100 rows is valid: 100 have the fault schema at \$\.ride \(Object missing required field"
    with pytest.raises(TooManyRejected, match=says):
        run(Job.of(str(source), str(target)), model=model, stores=stores)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["rides.ndjson"]
    summary = run(Job.of(str(source), str(target)), model=model, stores=stores, options=Options(max_rejected=1.0))
    assert summary.rejected == {"schema": 100}
