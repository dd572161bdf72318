"""``model list``, ``promote``, ``rollback`` and ``show`` of a champion: the same words for files and for MLflow."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_consumer.aws.clients import Clients
from stream_consumer.models.files import default_s3, directory_digest
from stream_consumer.models.loading import load_model
from stream_consumer.training.file_registry import Entry, FileRegistry
from stream_consumer.training.register import mlflow_at
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, train_on
from tests.cli.conftest import Command, write_rides
from tests.cli.model import linear_model
from tests.rides import ride_event
from tests.training.test_registration import poor

WORSE, BETTER = "there was no champion", "beats the "


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A registry of files with two versions, of which the second is champion."""
    registry = FileRegistry(str(tmp_path / "models"), "ride-duration", default_s3)
    for number, reason in enumerate((WORSE, BETTER), 1):
        model = Path(linear_model(tmp_path / f"model-{number}", number))
        digest = directory_digest(model)
        entry = Entry(
            version=str(number), digest=digest, metrics={"rmse": 7.0 - number}, reason=reason, created=f"{number}"
        )
        registry.add_model(model, digest, {})
        registry.record(entry)
        registry.promote(entry, registry.current())
    return tmp_path / "models"


def digest(models: Path, number: int) -> str:
    return directory_digest(models.parent / f"model-{number}")


def champion_file(models: Path) -> str:
    return str(models / "ride-duration" / "champion.json")


def test_versions_are_listed_with_the_champion_and_the_reasons(command: Command, models: Path) -> None:
    ran = command("model", "list", "--models", models)
    assert ran.code == 0, ran
    assert ran.out.splitlines() == [
        f"  1  {digest(models, 1)[:12]}  RMSE 6.00  1",
        "    there was no champion",
        f"* 2  {digest(models, 2)[:12]}  RMSE 5.00  2",
        "    beats the ",
    ]
    lines = [json.loads(line) for line in command("model", "list", "--models", models, "--json").out.splitlines()]
    assert [(line["version"], line["digest"], line["champion"]) for line in lines] == [
        ("1", digest(models, 1), False),
        ("2", digest(models, 2), True),
    ]


def test_the_location_of_the_registry_is_a_setting_too(
    command: Command, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_LOCATION", str(models))
    assert "* 2 " in command("model", "list").out
    assert command("model", "list", "--name", "churn").out == "churn has no version yet\n"


def test_a_version_is_promoted_and_the_promotion_is_rolled_back(command: Command, models: Path) -> None:
    ran = command("model", "promote", "1", "--models", models)
    assert (ran.code, ran.out) == (0, "ride-duration: version 1 is champion, before it 2\n")
    assert load_model(champion_file(models), s3=default_s3).digest == digest(models, 1)
    again = command("model", "promote", digest(models, 1)[:8], "--models", models)
    assert (again.code, "version 1 is champion already" in again.err) == (2, True)
    back = command("model", "rollback", "--models", models)
    assert (back.code, back.out) == (0, "ride-duration: version 2 is champion again, in place of 1\n")
    assert load_model(champion_file(models), s3=default_s3).digest == digest(models, 2)


def test_a_version_that_does_not_load_is_not_promoted(command: Command, models: Path) -> None:
    (models / "ride-duration" / digest(models, 1) / "model.skops").write_bytes(b"no archive")
    ran = command("model", "promote", "1", "--models", models)
    assert (ran.code, f"wanted {digest(models, 1)}" in "".join(ran.err.split("\n"))) == (1, True)
    unknown = command("model", "promote", "9", "--models", models)
    assert (unknown.code, "is called '9' or" in " ".join(unknown.err.split())) == (2, True)
    assert load_model(champion_file(models), s3=default_s3).digest == digest(models, 2)


def test_a_champion_is_shown_with_what_is_known_of_it(command: Command, models: Path) -> None:
    ran = command("model", "show", champion_file(models))
    assert ran.code == 0, ran
    assert f"digest       {digest(models, 2)}" in ran.out
    assert "champion     2, before it 1\n" in ran.out
    assert "metric       rmse: 5.0000\n" in ran.out
    assert command("model", champion_file(models)).out == ran.out, "show is what happens without a command"
    assert command("model", champion_file(models), "--digest").out == f"{digest(models, 2)}\n"


def test_batch_scores_with_the_champion(command: Command, models: Path, tmp_path: Path) -> None:
    (tmp_path / "rides.ndjson").write_text(
        '{"ride": {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 4.5}, "ride_id": 1}\n'
    )
    out = tmp_path / "minutes.ndjson"
    ran = command("batch", tmp_path / "rides.ndjson", out, "--model", champion_file(models))
    assert ran.code == 0, ran
    assert json.loads(out.read_text())["prediction"]["ride_duration"] == pytest.approx(5 + 2 * 4.5)


@pytest.fixture
def in_mlflow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports_without_plots: None,  # noqa: ARG001
) -> Iterator[str]:
    """A store of MLflow's with two versions, of which the second is champion."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELS_LOCATION", raising=False)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    rides = synthetic_rides(1_000, seed=42)
    for some in (poor(rides), rides):
        train_on(some, options=TrainingOptions(tracking_uri=uri))
    yield uri
    with mlflow_at(uri) as mlflow:
        mlflow.set_tracking_uri(None)


@pytest.mark.process
def test_versions_in_mlflow_are_listed_promoted_and_rolled_back(command: Command, in_mlflow: str) -> None:
    def ran(*arguments: str) -> tuple[int, str]:
        result = command("model", *arguments, "--tracking-uri", in_mlflow)
        return result.code, result.out + result.err

    listed = [line for line in ran("list")[1].splitlines() if not line.startswith("    ")]
    assert [line[:4] for line in listed] == ["  1 ", "* 2 "]
    assert all("rides, 2021-01-01 to 2021-01-31" in line for line in listed)
    assert ran("promote", "1") == (0, "ride-duration: version 1 is champion, before it 2\n")
    assert "version 1 of ride-duration is champion already" in ran("promote", "1")[1]
    assert "ride-duration has no version '9'; there: 1, 2" in ran("promote", "9")[1]
    assert ran("rollback") == (0, "ride-duration: version 2 is champion again, in place of 1\n")
    shutil.rmtree("mlruns")
    broken = ran("rollback")
    assert (broken[0], "models:/ride-duration/1 names the file" in broken[1]) == (1, True)
    assert "* 2 " in ran("list")[1]


def test_a_store_that_is_not_there_is_not_made(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = command("model", "list")
    assert (ran.code, "there is no MLflow store mlflow.db" in ran.err, list(tmp_path.iterdir())) == (2, True, [])


def test_training_without_a_server_ends_in_a_champion_on_s3_that_is_shown_and_scores(
    command: Command, mocked_aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mocked_aws.s3.create_bucket(Bucket="taxi-models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    rides = write_rides(tmp_path / "rides.parquet", synthetic_rides(500, seed=1))
    ran = command("train", rides, "--models", "s3://taxi-models/models")
    assert ran.code == 0, ran
    file = "s3://taxi-models/models/ride-duration/champion.json"
    [digest] = {path.rpartition("/")[2] for path in re.findall(r"s3://\S+/[0-9a-f]{64}", "".join(ran.out.split()))}
    assert f"{file.removesuffix('champion.json')}{digest}.html" in "".join(ran.out.split())
    assert [path.name for path in tmp_path.iterdir()] == ["rides.parquet"]
    assert "* " in command("model", "list", "--models", "s3://taxi-models/models").out
    shown = command("model", file)
    assert (shown.code, "before it none" in shown.out) == (0, True)
    (tmp_path / "rides.ndjson").write_bytes(ride_event(1) + b"\n")
    scored = command("batch", tmp_path / "rides.ndjson", tmp_path / "minutes.ndjson", "--model", file)
    assert scored.code == 0, scored
    assert 1 < json.loads((tmp_path / "minutes.ndjson").read_text())["prediction"]["ride_duration"] < 60


def test_a_mistyped_folder_is_no_model_without_a_version(command: Command, models: Path) -> None:
    for arguments in ((), ("--json",)):
        ran = command("model", "list", "--models", f"{models}-typo", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "there is no folder " in ran.err
    assert command("model", "list", "--models", models, "--name", "churn").out == "churn has no version yet\n"


@pytest.mark.parametrize("content", [b'{"version":' + b"[" * 100_000, b"\xff", b""], ids=["deep", "not UTF-8", "empty"])
def test_a_hostile_champion_or_record_ends_the_list_in_one_line(command: Command, models: Path, content: bytes) -> None:
    for name in ("champion.json", f"{digest(models, 1)}.json"):
        file = models / "ride-duration" / name
        before = file.read_bytes()
        file.write_bytes(content)
        ran = command("model", "list", "--models", models)
        assert (ran.code, ran.out, ran.err.count("error:")) == (1, "", 1)
        assert "Traceback" not in ran.err
        file.write_bytes(before)


def test_a_champion_file_that_is_far_too_large_is_not_read(command: Command, models: Path) -> None:
    with Path(champion_file(models)).open("r+b") as file:
        file.truncate(1 << 40)  # sparse: it takes no disk
    listed = command("model", "list", "--models", models)
    assert (listed.code, "has 1,099,511,627,776 bytes" in " ".join(listed.err.split())) == (1, True)
    shown = command("model", champion_file(models))
    assert (shown.code, "has more than 1,048,576 bytes" in " ".join(shown.err.split())) == (1, True)
