"""``batch``: files scored from the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stream_consumer.aws.clients import Clients
from tests.batch.files import jobs_asked, rides_file, rows
from tests.cli.conftest import Command
from tests.cli.model import linear_model


@pytest.fixture
def model(tmp_path: Path) -> str:
    return linear_model(tmp_path / "model")


@pytest.fixture
def rides(tmp_path: Path) -> Path:
    return rides_file(tmp_path / "rides.parquet")


def test_a_file_is_scored_and_summed_up(command: Command, rides: Path, model: str, tmp_path: Path) -> None:
    ran = command("batch", rides, tmp_path / "minutes.parquet", "--model", model)
    assert ran.code == 0, ran
    assert [row["ride_duration"] for row in rows(tmp_path / "minutes.parquet")] == [12.0, 7.0]
    assert ran.out.splitlines()[0].split() == ["input", "rows", "predicted", "rejected"]
    assert ran.out.splitlines()[1].split() == ["rides.parquet", "4", "2", "2"]
    assert f"  rejected: 1 schema, 1 bounds, see {tmp_path}/minutes.parquet.rejected.jsonl" in ran.out


def test_the_table_fits_80_columns(command: Command, model: str, tmp_path: Path) -> None:
    source = rides_file(tmp_path / f"{'long' * 20}.csv")
    command("batch", source, f"{tmp_path}/out/", "--model", model)
    ran = command("batch", source, f"{tmp_path}/out/", "--model", model, "--resume")
    assert max(len(line) for line in ran.out.splitlines() if str(tmp_path) not in line) <= 80
    assert "there already" in ran.out
    assert "".join(line.split()[0] for line in ran.out.splitlines()[1:5]).startswith(source.name), "no name is cut"


def test_the_name_of_a_month_of_the_tlc_is_one_line(command: Command, model: str, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "green_tripdata_2021-02.parquet")
    ran = command("batch", source, tmp_path / "minutes.parquet", "--model", model)
    assert ran.out.splitlines()[1].split() == [source.name, "4", "2", "2"]


def test_a_missing_input_is_told_before_the_model_is_loaded(command: Command, tmp_path: Path) -> None:
    ran = command("batch", tmp_path / "gone.csv", tmp_path / "minutes.csv", "--model", tmp_path / "no-model")
    assert (ran.code, ran.err) == (2, f"error: there is no file {tmp_path}/gone.csv\n")


def test_an_output_of_something_else_is_told_before_the_model_is_loaded(
    command: Command, rides: Path, tmp_path: Path
) -> None:
    output = tmp_path / "minutes.csv"
    output.write_text("mine\n")
    ran = command("batch", rides, output, "--model", tmp_path / "no-model")
    assert (ran.code, f"error: {output}" in ran.err, output.read_text()) == (2, True, "mine\n")


def test_a_misspelt_setting_is_named(
    command: Command, rides: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ID_FILD", "ride_id")
    ran = command("batch", rides, tmp_path / "minutes.csv", "--model", model)
    said = "ID_FILD is not a setting, and its value is not used. Is ID_FIELD meant?"
    assert (ran.code, ran.err.splitlines()[0]) == (0, said)


def test_resuming_skips_what_is_there(command: Command, rides: Path, model: str, tmp_path: Path) -> None:
    target = tmp_path / "out" / "rides.parquet"
    command("batch", rides, f"{tmp_path}/out/", "--model", model)
    before = target.stat().st_mtime_ns
    other = rides_file(tmp_path / "other.csv")
    ran = command("batch", rides, other, f"{tmp_path}/out/", "--model", model, "--resume")
    assert [line.split()[-2:] for line in ran.out.splitlines()[1:3]] == [["there", "already"], ["2", "2"]]
    assert target.stat().st_mtime_ns == before


def test_what_was_committed_before_a_failure_is_shown(
    command: Command, rides: Path, model: str, tmp_path: Path
) -> None:
    ran = command("batch", rides, tmp_path / "gone.csv", f"{tmp_path}/out/", "--model", model)
    assert (ran.code, f"there is no file {tmp_path}/gone.csv" in ran.err) == (2, True)
    assert ran.out.splitlines()[1].split() == ["rides.parquet", "4", "2", "2"]


def test_an_input_of_which_nothing_could_be_predicted_is_a_failure(
    command: Command, rides: Path, model: str, tmp_path: Path
) -> None:
    """Its rejected rows are committed, and so are the other inputs."""
    bad = tmp_path / "bad.csv"
    bad.write_text("ride_id,PULocationID,DOLocationID,trip_distance\n1,x,2,3\n", encoding="utf-8")
    ran = command("batch", bad, rides, f"{tmp_path}/out/", "--model", model)
    assert (ran.code, "no row of bad.csv could be predicted" in ran.err) == (1, True), ran
    assert (tmp_path / "out" / "bad.csv.rejected.jsonl").exists()
    assert (tmp_path / "out" / "rides.parquet.summary.json").exists()


NO_OUTPUT = "c.parquet is there and no run of batch made it: it has no summary beside it; the last name is the OUTPUT"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["b", "c"], NO_OUTPUT),
        (["a", "b", "c"], "2 inputs cannot go into one file, "),
        (["hardlink", "c"], NO_OUTPUT),
        (["link", "c"], "c.parquet is an input and would be written over"),
    ],
)
def test_several_inputs_do_not_write_over_the_last(
    command: Command, model: str, tmp_path: Path, names: list[str], said: str
) -> None:
    """``batch *.parquet`` names inputs alone, and some may be one file."""
    for name in ("a", "b", "c"):
        rides_file(tmp_path / f"{name}.parquet")
    os.link(tmp_path / "c.parquet", tmp_path / "hardlink.parquet")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "c.parquet")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    ran = command("batch", *(tmp_path / f"{name}.parquet" for name in names), "--model", model)
    assert (ran.code, said in ran.err) == (2, True), ran
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_a_pipe_is_refused(command: Command, model: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rides.csv")
    ran = command("batch", tmp_path / "rides.csv", tmp_path / "out.csv", "--model", model)
    assert (ran.code, "is a pipe or a device" in ran.err) == (2, True), ran


def test_a_pipe_is_no_output(command: Command, rides: Path, model: str, tmp_path: Path) -> None:
    pipe = tmp_path / "out.csv"
    os.mkfifo(pipe)
    ran = command("batch", rides, pipe, "--model", model)
    assert (ran.code, "it is a pipe or a device, not a file" in ran.err, pipe.is_fifo()) == (1, True, True), ran


@pytest.mark.parametrize("name", ["caf\udce9.csv", f"{'x' * 300}.csv", "loop.csv", f"s3://rides/{'k' * 1020}.csv"])
def test_a_name_that_no_file_has_is_one_line(name: str, command: Command, model: str, tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    path = name if "://" in name else tmp_path / name
    for places in ((path, tmp_path / "out.csv"), (rides_file(tmp_path / "rides.parquet"), path)):
        ran = command("batch", *places, "--model", model, "--endpoint-url", "http://127.0.0.1:9")
        assert (ran.code in {1, 2}, ran.err.count("error:"), "Traceback" in ran.err) == (True, 1, False), ran


@pytest.mark.process
@pytest.mark.parametrize(
    "said",
    # A file that is open for reading refuses every write, on every machine; /dev/full is missing from some.
    [("utf-8", "rb", 1), ("ascii", "r+b", 0)],
)
def test_standard_output_decides_nothing(said: tuple[str, str, int], rides: Path, model: str, tmp_path: Path) -> None:
    encoding, mode, code = said
    (tmp_path / "out.txt").touch()
    with (tmp_path / "out.txt").open(mode) as out:
        ran = subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "stream_consumer", "batch", str(rides), f"{tmp_path}/out/", "--model", model],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert (ran.returncode, "Traceback" in ran.stderr) == (code, False), ran
    assert (tmp_path / "out" / "rides.parquet.summary.json").exists()


def test_columns_are_kept_by_name_and_a_name_that_is_taken_is_refused(
    command: Command, rides: Path, model: str, tmp_path: Path
) -> None:
    kept = ("--keep", "trip_distance", "--keep", "DOLocationID", "--keep", "trip_distance")
    ran = command("batch", rides, tmp_path / "out.parquet", "--model", model, *kept)
    assert ran.code == 0, ran
    assert [(row["trip_distance"], row["DOLocationID"]) for row in rows(tmp_path / "out.parquet")] == [
        (3.5, 205),
        (1.0, 75),
    ]
    ran = command("batch", rides, tmp_path / "two.parquet", "--model", model, "--keep", "ride_id")
    assert (ran.code, "--keep ride_id: that name is taken in the output, which has ride_id" in ran.err) == (2, True)


def test_too_many_rejected_rows_are_a_failure(command: Command, rides: Path, model: str, tmp_path: Path) -> None:
    ran = command("batch", rides, tmp_path / "out.csv", "--model", model, "--max-rejected", "10%")
    assert (ran.code, "more than 10.0%" in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rides.parquet"], "rides.parquet is the only location. Name an INPUT and an OUTPUT"),
        ([], "name it with --bucket or BUCKET"),
        (["x.csv", "x.csv"], "would be written over"),
        (["{year}.csv", "out.csv"], "asks for {year}"),
        (["x.csv", "y.csv", "--max-rejected", "lots"], "--max-rejected 'lots' is not a share"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(arguments: list[str], said: str, command: Command, model: str) -> None:
    ran = command("batch", *arguments, "--model", model)
    assert (ran.code, said in ran.err) == (2, True), ran


def test_a_model_that_is_not_there_is_a_failure(command: Command, rides: Path, tmp_path: Path) -> None:
    ran = command("batch", rides, tmp_path / "out.csv", "--model", tmp_path / "no-model")
    assert (ran.code, "there is no MLflow model" in ran.err) == (1, True)


def test_an_interval_is_scored_from_the_environment_alone(
    command: Command, mocked_aws: Clients, rides: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``docker run -e DATE=2021-03-01 -e BUCKET=rides IMAGE batch`` does."""
    mocked_aws.s3.create_bucket(Bucket="rides")
    mocked_aws.s3.upload_file(str(rides), "rides", "rides/2021-03.parquet")
    for name, value in {"DATE": "2021-03-01", "BUCKET": "rides", "MODEL_LOCATION": model}.items():
        monkeypatch.setenv(name, value)
    ran = command("batch")
    assert ran.code == 0, ran
    assert "→ s3://rides/predictions/2021-03.parquet" in ran.out
    found = mocked_aws.s3.list_objects_v2(Bucket="rides", Prefix="predictions/")["Contents"]
    assert [item["Key"] for item in found] == [
        "predictions/2021-03.parquet",
        "predictions/2021-03.parquet.rejected.jsonl",
        "predictions/2021-03.parquet.summary.json",
    ]


def test_templates_are_filled_for_several_inputs(command: Command, model: str, tmp_path: Path) -> None:
    for name in ("green-2021-03-09.csv", "yellow-2021-03-09.csv"):
        rides_file(tmp_path / name)
    sources = [f"{tmp_path}/{colour}-{{date:%Y-%m-%d}}.csv" for colour in ("green", "yellow")]
    target = f"{tmp_path}/{{bucket}}/{{date:%Y}}/"
    options = ("--date", "2021-03-09", "--interval", "day", "--bucket", "out", "--model", model)
    assert command("batch", *sources, target, *options).code == 0
    assert (tmp_path / "out" / "2021" / "yellow-2021-03-09.csv.summary.json").exists()


def test_predictions_go_into_a_database(command: Command, rides: Path, model: str, tmp_path: Path) -> None:
    ran = command("batch", rides, f"sqlite:///{tmp_path}/taxi.db", "--table", "minutes", "--model", model)
    assert ran.code == 0, ran
    assert "see the table …_rejected" in ran.out


INTERRUPTED = """
import os, signal, sys
from stream_consumer.batch import chunk_scoring, chunks
from stream_consumer.cli.app import main

decide = chunk_scoring.Judge.decide
def interrupted(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    return decide(*arguments)

chunk_scoring.Judge.decide = interrupted
sys.argv[0] = "stream-consumer"
main()
"""


@pytest.mark.process
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_leaves_nothing(jobs: str, rides: Path, model: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ran = subprocess.run(  # noqa: S603 (our own script)
        [sys.executable, "-c", INTERRUPTED, "batch", str(rides), f"{tmp_path}/out/", "--model", model, "--jobs", jobs],
        env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (128 + signal.SIGINT, False), ran
    assert not (tmp_path / "out").exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("said", [("3", "2", 3), (None, "2", 2), (None, "", 5)])
def test_the_number_of_jobs_is_said_by_option_environment_or_cores(
    said: tuple[str | None, str, int], command: Command, rides: Path, model: str
) -> None:
    option, environment, wanted = said
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCH_JOBS", environment)
        patch.setattr("stream_consumer.batch.parallel.cpu_count", lambda: 5)
        asked = jobs_asked(patch)
        options = ["--jobs", option] if option else []
        assert command("batch", rides, rides.with_name("out.csv"), "--model", model, *options).code == 0
    assert asked == [wanted]


@pytest.mark.parametrize("jobs", ["0", "many"])
def test_a_number_of_jobs_that_is_none_is_refused(jobs: str, command: Command, rides: Path, model: str) -> None:
    ran = command("batch", rides, rides.with_name("out.csv"), "--model", model, "--jobs", jobs)
    assert (ran.code, "--jobs" in ran.err) == (2, True), ran


def test_the_help_has_an_example(command: Command) -> None:
    ran = command("batch", "--help")
    assert ran.code == 0
    assert "stream-consumer batch rides.parquet minutes.parquet --model model/" in ran.out
