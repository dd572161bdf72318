"""``train`` and ``model``: a model made and looked at from the command line."""

from pathlib import Path

import pytest

from stream_consumer.models.files import directory_digest
from tests.cli.conftest import Command


def test_a_model_is_shown_with_its_columns_bounds_and_digest(command: Command, rides_model: Path) -> None:
    ran = command("model", rides_model)
    assert ran.code == 0
    assert directory_digest(rides_model) in ran.out
    assert "column       PULocationID: long, required, 1 to 265" in ran.out
    assert max(len(line) for line in ran.out.splitlines() if not line.startswith("location")) <= 80


def test_what_is_no_model_is_said_with_the_remedy(command: Command, tmp_path: Path) -> None:
    ran = command("model", tmp_path)
    assert ran.code == 1
    assert "MODEL_LOCATION is the directory that holds it" in ran.err


def test_training_prints_the_errors_beside_the_baseline(
    command: Command, rides_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # A store of its own by its full path: mlflow keeps a connection to every address for as long as the process lives.
    ran = command("train", rides_file, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert ran.code == 0, ran
    assert "the linear baseline" in ran.out
    assert "moved here: there was no champion" in ran.out
    assert command("model", "models:/ride-duration@champion").code == 0


def test_rides_that_are_not_there_are_a_usage_error(command: Command) -> None:
    ran = command("train", "no-such-rides.parquet")
    assert (ran.code, "no-such-rides.parquet" in ran.err) == (2, True)
