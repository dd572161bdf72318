"""The image that trains: SageMaker's contract on a tree of files, and plain arguments, as jailed as Lambda's."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.container.engine import Engine
from integration_tests.containers import JAIL, TMP, mounted
from integration_tests.image.test_contents import locked, normal
from stream_consumer.models.champion import decode_champion
from stream_consumer.models.files import directory_digest
from stream_consumer.training.sagemaker import metric_pattern
from stream_consumer.training.synthetic import synthetic_rides
from tests.training.trips import write_rides

SECONDS = 300
RIDES = "2021.parquet"

Answer = subprocess.CompletedProcess[str]


@pytest.fixture
def offline(engine: Engine) -> Engine:
    """The container tool, whose containers have no network."""
    at = engine.run_flags.index("--network") if "--network" in engine.run_flags else len(engine.run_flags)
    flags = (*engine.run_flags[:at], *engine.run_flags[at + 2 :], "--network", "none")
    return replace(engine, run_flags=flags)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What SageMaker mounts under /opt/ml, for a user that nobody knows: rides, and folders to write to."""
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    for folder in ("model", "output", "models"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o777)
    write_rides(tmp_path / "input" / "data" / "train" / RIDES, synthetic_rides(1_000, seed=1))
    configure(tmp_path, hyperparameters={"models": "/models"})
    configure(tmp_path, resourceconfig={"current_host": "algo-1", "hosts": ["algo-1"]})
    configure(tmp_path, inputdataconfig={"train": {"TrainingInputMode": "File"}})
    return tmp_path


def configure(tree: Path, **config: Mapping[str, Any]) -> None:
    for name, content in config.items():
        (tree / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


Command = Callable[..., list[str]]


@pytest.fixture
def command(offline: Engine, training: str, tree: Path) -> Command:
    """Make the command that runs the image on the tree: its inputs are read-only, as its root is."""

    def command(*arguments: str) -> list[str]:
        writable = [f"--volume={tree}/{folder}:/opt/ml/{folder}" for folder in ("model", "output")]
        folders = [*mounted(tree / "input", "/opt/ml/input"), *writable, f"--volume={tree}/models:/models"]
        return offline.run_command([*JAIL, *TMP, *folders], training, arguments)

    return command


def ran(command: list[str]) -> Answer:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603


def test_a_job_leaves_three_outputs_and_plain_arguments_meet_its_champion(command: Command, tree: Path) -> None:
    """The second training is of the same rides and no better: a candidate, which is a success of the task."""
    job = ran(command("train"))
    assert job.returncode == 0, job.stdout + job.stderr
    result = json.loads((tree / "output" / "data" / "result.json").read_text())
    assert result["promoted"]
    assert directory_digest(tree / "model") == result["digest"]
    assert "<h1>ride-duration, version " in (tree / "output" / "data" / "report.html").read_text()
    assert not (tree / "output" / "failure").exists()
    assert re.findall(metric_pattern("rmse"), job.stdout) == [f"{result['metrics']['rmse']:.6f}"]
    assert job.stderr == ""
    champion_file = tree / "models" / "ride-duration" / "champion.json"
    champion = decode_champion(champion_file.read_bytes(), "champion.json")
    assert champion.digest == result["digest"]

    task = ran(command("train", f"/opt/ml/input/data/train/{RIDES}", "--models", "/models"))
    assert task.returncode == 0, task.stdout + task.stderr
    assert f"does not beat the {result['metrics']['rmse']:.4f} of champion" in " ".join(task.stdout.split())
    assert decode_champion(champion_file.read_bytes(), "champion.json") == champion


def test_broken_rides_are_named_as_the_reason(command: Command, tree: Path) -> None:
    (tree / "input" / "data" / "train" / RIDES).write_bytes(b"PAR1 and nothing else")
    job = ran(command("train"))
    assert job.returncode == 1
    reason = (tree / "output" / "failure").read_text()
    assert reason.startswith(f"/opt/ml/input/data/train/{RIDES} cannot be read as trip records: ")
    assert reason in job.stderr
    assert [*(tree / "model").iterdir()] == []


def test_two_hosts_are_refused_with_all_else_that_is_wrong(command: Command, tree: Path) -> None:
    configure(tree, resourceconfig={"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]})
    configure(tree, hyperparameters={"models": "/models", "sead": "1"})
    job = ran(command("train"))
    assert job.returncode == 1
    assert (tree / "output" / "failure").read_text() == (
        "the training job is wrong: hyperparameter sead is unknown; wanted name, experiment, seed, tracking_uri, "
        "models, MLFLOW_TRACKING_URI, MODELS_LOCATION; the job has 2 hosts (algo-1, algo-2), and training runs on one; "
        "set InstanceCount to 1"
    )


def test_without_a_registry_it_names_those_that_it_can_reach(command: Command) -> None:
    """MLflow's own default is a database, and would be lost with the container."""
    task = ran(command("train", f"/opt/ml/input/data/train/{RIDES}"))
    assert task.returncode == 2
    assert "MLflow is installed here without its databases; give --models, or the https:// URL" in " ".join(
        task.stderr.split()
    )


def test_a_job_that_is_told_to_stop_ends_without_a_model_or_a_failure(command: Command, tree: Path) -> None:
    with subprocess.Popen(command("train"), stdout=subprocess.PIPE, text=True) as job:  # noqa: S603
        assert job.stdout
        assert job.stdout.readline() == "opening the registry\n"
        job.terminate()  # the tool hands it on to the container
        assert job.wait(SECONDS) == 143
    assert [*(tree / "model").iterdir()] == []
    assert not (tree / "output" / "failure").exists()
    assert not (tree / "models" / "ride-duration" / "champion.json").exists()


def test_the_lock_is_what_is_installed(engine: Engine, training: str) -> None:
    """Every package with its metadata, for scanners to read; MLflow has neither its server nor its databases."""
    program = """
import importlib.metadata, importlib.util
print(*(f"{one.name}=={one.version}" for one in importlib.metadata.distributions()))
print([name for name in ("alembic", "flask", "moto", "pip", "psycopg", "sqlalchemy") if importlib.util.find_spec(name)])
"""
    run = engine.run_command(["--read-only", "--cap-drop", "all", "--entrypoint", "python"], training, ["-c", program])
    found, foreign = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    assert locked("training.txt") == {
        (normal(name), version) for name, _, version in (one.partition("==") for one in found.split())
    }
    assert foreign == "[]"


def test_it_is_two_layers_on_those_of_the_lean_image(engine: Engine, image: str, training: str) -> None:
    shown = [json.loads(engine.call("image", "inspect", name))[0]["RootFS"]["Layers"] for name in (image, training)]
    # The fourth is the model's folder, which is empty here.
    assert shown[1][:3] == shown[0][:3]
    assert len(shown[1]) == len(shown[0]) + 2
