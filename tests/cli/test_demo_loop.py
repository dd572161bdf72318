"""``demo-loop``: every act on a running stream, the counts, and its end when they do not add up."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stream_consumer
from stream_consumer.local.runtime.alias import Alias
from stream_consumer.local.runtime.functions import EMPTY_BATCH, Invocation
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.conftest import Command, write_rides

SMALL = ("--count", 3_000, "--rate", 200, "--records", 50, "--shards", 1, "--malformed", "4%")
ROOT = str(Path(stream_consumer.__file__).parent.parent)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The loop takes neither a registry nor a model from its user's environment."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    monkeypatch.setenv("PYTHONPATH", ROOT)  # where it is not installed


@pytest.mark.process
def test_a_better_model_is_proven_released_and_rolled_back_and_a_bad_one_refused(
    command: Command, tmp_path: Path
) -> None:
    ran = command("demo-loop", *SMALL, "--json")
    assert ran.code == 0, ran
    told = list(map(json.loads, ran.out.splitlines()))
    assert [key for one in told for key in one if not re.fullmatch(r"\w+", key)] == []
    first, serving, better, challenge, released, refused, back, summary = told
    old, new, bad = first["version"], better["version"], refused["version"]
    assert first["verdict"] == "champion: there was no champion"
    assert f"beats the {challenge_rmse(better)} of champion version {old}" in better["verdict"]
    assert refused["verdict"].startswith(f"refused: RMSE {refused['RMSE']:.4f} does not beat the {better['RMSE']:.4f}")
    assert [one["champion"] for one in (first, better, refused)] == [old, new, new]
    assert [one["model_version"] for one in (serving, challenge, released, back)] == [old, old, new, old]
    assert [one["function_version"] for one in (serving, challenge, released, back)] == [1, 2, 3, 4]
    assert better["predicted_meanwhile"] > 0, "the stream goes on while a model is trained"
    assert challenge["ChallengerCompared"] >= 50
    assert challenge["ChallengerFailures"] == 0
    assert challenge["ChallengerDifferenceP95"] > abs(challenge["ChallengerDifferenceMean"]) > 0

    assert (summary["lost"], summary["out_of_order"], summary["duplicates"], summary["discarded"]) == (0, 0, 0, 0)
    phases = summary["champions"]
    assert [phase["version"] for phase in phases] == [old, new, old]
    assert min(phase["predictions"] for phase in phases) >= 50
    assert sum(phase["predictions"] for phase in phases) == summary["predicted"]
    assert summary["put"] == summary["predicted"] + summary["dead_letters"]
    assert summary["dead_letters"] > 0
    assert summary["refused"] == f"{bad}: {refused['verdict'].removeprefix('refused: ')}"
    assert not list((tmp_path / "work").iterdir())
    assert not (tmp_path / "mlflow.db").exists()


def challenge_rmse(better: dict[str, str]) -> str:
    """Return the RMSE that the champion had on the rides of the proof."""
    return better["verdict"].split(" of champion")[0].rsplit(" ", 1)[1]


@pytest.mark.process
def test_a_batch_that_is_lost_at_a_release_ends_it_with_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias that answers for a version which it did not invoke, as a careless handover would."""
    invoke, point_to, swallowed = Alias.invoke, Alias.point_to, list[bytes]()

    def careless(alias: Alias, payload: bytes) -> Invocation:
        if swallowed != [EMPTY_BATCH]:
            return invoke(alias, payload)
        swallowed.append(payload)
        return Invocation("", b'{"batchItemFailures":[]}')

    def pointing(alias: Alias, version: object) -> None:
        swallowed.append(EMPTY_BATCH)
        point_to(alias, version)  # type: ignore[arg-type]

    monkeypatch.setattr(Alias, "invoke", careless)
    monkeypatch.setattr(Alias, "point_to", pointing)
    ran = command("demo-loop", *SMALL)
    count = len(json.loads(swallowed[1])["Records"])
    assert ran.code == 1, ran
    assert "does not add up: " in ran.out
    lost = next(line.split() for line in ran.out.splitlines() if line.startswith("lost "))
    assert int(lost[1]) == count > 0
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.process
def test_newer_rides_that_make_no_better_model_end_it_with_1(command: Command) -> None:
    """January's last week has durations that nothing explains, and the first champion was not trained on it."""
    rides = synthetic_rides(3_000, seed=7)
    week = (rides.pickup_time >= np.datetime64("2021-01-25")) & (rides.pickup_time < np.datetime64("2021-02-01"))
    durations = rides.duration.copy()
    durations[week] = np.random.default_rng(7).uniform(1, 60, week.sum())
    rides = replace(rides, duration=durations)
    february = rides.pickup_time >= np.datetime64("2021-02-01")
    names = write_rides(Path("january.parquet"), rides.where(~february)), Path("february.parquet")
    write_rides(names[1], rides.where(february))
    ran = command("demo-loop", "--train", names[0], "--rides", names[1], *SMALL)
    assert ran.code == 1, ran
    assert "error: the model of january.parquet, february.parquet did not become champion: RMSE" in ran.err
    assert "3. " not in ran.out


@pytest.mark.process
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """The interrupt comes while a model is trained, the stream runs and two processes serve."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ["demo-loop", *map(str, SMALL), "--json"]
    with subprocess.Popen(  # noqa: S603 (ours)
        [sys.executable, "-m", "stream_consumer", *arguments],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        for _ in range(2):
            assert child.stdout.readline().startswith('{"act":')
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said.strip()) == (130, "")
    assert list(scratch.iterdir()) == []


def test_too_few_rides_for_a_month_are_no_loop(command: Command) -> None:
    ran = command("demo-loop", "--count", 10)
    assert (ran.code, "--count is '10', wanted 3,000 to 10,000,000" in ran.err) == (2, True)
