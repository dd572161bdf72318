"""SageMaker's contract: what a job's files say, and what is left where SageMaker looks for it."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.cli.app import app, run
from stream_consumer.errors import UsageError
from stream_consumer.models.files import directory_digest
from stream_consumer.training.sagemaker import (
    HYPERPARAMETERS,
    JobFailed,
    is_job,
    job_of,
    make_ready,
    metric_lines,
    metric_pattern,
    told,
)
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions
from tests.training.trips import write_rides

ROOT = Path(__file__).parents[2]
ONE_HOST = {"current_host": "algo-1", "hosts": ["algo-1"]}
CHANNEL = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}


def made(root: Path, hyperparameters: Mapping[str, str], **config: Any) -> Path:
    """A job's tree, with the configuration *config* in the place of that of one host and the channel train."""
    contents = {"hyperparameters": hyperparameters, "resourceconfig": ONE_HOST, "inputdataconfig": {"train": CHANNEL}}
    (root / "input" / "config").mkdir(parents=True)
    for name, content in (contents | config).items():
        (root / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    return root


def channel(root: Path, name: str, *files: str) -> Path:
    folder = root / "input" / "data" / name
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return folder


def test_hyperparameters_are_the_options_of_train(tmp_path: Path) -> None:
    given = {"name": "rides", "experiment": "nightly", "seed": "4294967295", "tracking-uri": "https://mlflow.example"}
    root = made(tmp_path, given | {"models": "s3://bucket/models"})
    channel(root, "train", "2021-01.parquet")
    assert job_of(root, {}).options == TrainingOptions(
        name="rides",
        experiment="nightly",
        seed=4294967295,
        tracking_uri="https://mlflow.example",
        models="s3://bucket/models",
        model_directory=root / "model",
    )


def test_every_option_of_a_training_is_a_hyperparameter_with_the_same_default() -> None:
    own = {field.name: field.default for field in fields(TrainingOptions)}
    del own["budget"], own["model_directory"]
    assert {name: field.default for name, field in HYPERPARAMETERS.items()} == own


def test_hyperparameters_that_are_not_said_are_as_train_has_them(tmp_path: Path) -> None:
    """The environment says where models are registered; a hyperparameter counts before it."""
    root = made(tmp_path, {"models": "s3://bucket/other"})
    channel(root, "train", "2021-01.parquet")
    environ = {"MODELS_LOCATION": "s3://bucket/models", "MLFLOW_TRACKING_URI": "https://mlflow.example"}
    assert job_of(root, environ).options == TrainingOptions(
        models="s3://bucket/other", tracking_uri="https://mlflow.example", model_directory=root / "model"
    )


def test_a_hyperparameter_that_the_sdk_wrote_in_quotes_is_its_text(tmp_path: Path) -> None:
    root = made(tmp_path, {"models": '"s3://bucket/models"', "seed": '"7"', "name": '"'})
    channel(root, "train", "2021-01.parquet")
    options = job_of(root, {}).options
    assert (options.models, options.seed, options.name) == ("s3://bucket/models", 7, '"')


def test_the_rides_are_the_files_of_every_channel_but_for_markers(tmp_path: Path) -> None:
    root = made(tmp_path, {"models": "m"}, inputdataconfig={"train": CHANNEL, "recent": CHANNEL})
    train = channel(root, "train", "b/2021-02.parquet", "2021-01.parquet", "_SUCCESS", ".x/2021-03.parquet")
    recent = channel(root, "recent", "2021-03.csv")
    channel(root, "unnamed", "2021-04.csv")
    assert job_of(root, {}).rides == [
        str(recent / "2021-03.csv"),
        str(train / "2021-01.parquet"),
        str(train / "b" / "2021-02.parquet"),
    ]


def test_every_fault_of_a_job_is_said_at_once_with_its_remedy(tmp_path: Path) -> None:
    root = made(
        tmp_path,
        {"sead": "1", "seed": "-1"},
        resourceconfig={"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]},
        inputdataconfig={"train": CHANNEL, "piped": {"TrainingInputMode": "Pipe"}},
    )
    with pytest.raises(UsageError) as caught:
        job_of(root, {})
    assert str(caught.value) == (
        "the training job is wrong: "
        "hyperparameter sead is unknown; wanted name, experiment, seed, tracking_uri, models, MLFLOW_TRACKING_URI, "
        "MODELS_LOCATION; "
        "hyperparameter seed='-1': wanted a whole number from 0 to 4294967295; "
        "nothing says where the model is registered; set the hyperparameter models to s3://bucket/prefix, or "
        "tracking_uri to MLflow's server; "
        "the job has 2 hosts (algo-1, algo-2), and training runs on one; set InstanceCount to 1; "
        "channel piped is a pipe; set its InputMode to File or FastFile; "
        "channel train holds no file; check the S3 prefix that it is given"
    )


def test_a_job_without_a_channel_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path, {"models": "m"}, inputdataconfig={})
    with pytest.raises(UsageError, match="the job has no channel; add one, such as train"):
        job_of(root, {})


@pytest.mark.parametrize(("content", "said"), [("[]", "holds no JSON object"), ("{", "cannot be read: Expecting")])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: str, said: str) -> None:
    root = made(tmp_path, {})
    (root / "input" / "config" / "resourceconfig.json").write_text(content)
    with pytest.raises(UsageError, match=rf"resourceconfig\.json {said}"):
        job_of(root, {})


def test_the_first_line_of_an_error_is_why_the_job_failed(tmp_path: Path) -> None:
    """A fault of the job is an error of exit code 1; a fault of ours keeps its traceback. SageMaker cuts long ones."""
    with pytest.raises(JobFailed, match="no rides"), told(tmp_path):
        raise UsageError("no rides\nmore of it")
    assert (tmp_path / "output" / "failure").read_text() == "no rides"
    with pytest.raises(ZeroDivisionError), told(tmp_path):
        raise ZeroDivisionError
    assert (tmp_path / "output" / "failure").read_text() == "ZeroDivisionError"
    with pytest.raises(JobFailed), told(tmp_path):
        raise UsageError("hyperparameter bogus\ud800 is unknown")
    assert (tmp_path / "output" / "failure").read_text() == r"hyperparameter bogus\ud800 is unknown"
    with pytest.raises(MemoryError), told(tmp_path):
        raise MemoryError("x" * 2000)
    assert (tmp_path / "output" / "failure").read_text() == "x" * 1024


@pytest.mark.parametrize("name", ["model", "output/data"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_trained(tmp_path: Path, name: str) -> None:
    """The new champion was served, and the job had failed."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("a file in the place of the folder")
    with pytest.raises(UsageError, match=f"^{tmp_path / name} cannot be written: "):
        make_ready(tmp_path)


def test_a_job_that_is_told_to_stop_has_not_failed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), told(tmp_path):
        sys.exit(143)
    assert not (tmp_path / "output").exists()


def test_an_error_whose_reason_cannot_be_written_stays_that_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "output").write_text("a file in the place of the folder")
    with pytest.raises(JobFailed, match="no rides"), told(tmp_path):
        raise UsageError("no rides")
    assert "output/failure cannot be written" in caplog.text


def test_sagemakers_pattern_reads_the_line_of_a_metric() -> None:
    lines = "\n".join(metric_lines({"rmse": 5.25, "rmse_upper_bound": -0.125, "promoted": 1.0}))
    assert lines == "metric rmse=5.250000;\nmetric rmse_upper_bound=-0.125000;\nmetric promoted=1.000000;"
    assert re.findall(metric_pattern("rmse"), lines) == ["5.250000"]
    assert re.findall(metric_pattern("rmse_upper_bound"), lines) == ["-0.125000"]


def test_a_machine_without_sagemakers_files_runs_no_job(tmp_path: Path) -> None:
    assert not is_job(tmp_path)
    assert is_job(made(tmp_path / "ml", {}))


def test_asking_for_a_job_takes_no_mlflow() -> None:
    """A job that is wrong is refused before the seconds that MLflow takes."""
    program = (
        "import sys, stream_consumer.cli.training_job; sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603


def job(root: Path) -> int:
    return run(lambda: app(["training-job", "--root", str(root)]))


@pytest.mark.process
def test_a_job_leaves_model_report_result_and_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second one on the same rides is no better: its model is a candidate, and the job a success all the same."""
    results = []
    for name in ("first", "second"):
        root = made(tmp_path / name, {"models": str(tmp_path / "models"), "seed": "3"})
        write_rides(channel(root, "train", "rides.csv") / "rides.csv", synthetic_rides(1_000, seed=1))
        assert job(root) == 0
        assert not (root / "output" / "failure").exists()
        assert "<h1>ride-duration, version " in (root / "output" / "data" / "report.html").read_text()
        result = json.loads((root / "output" / "data" / "result.json").read_text())
        assert directory_digest(root / "model") == result["digest"]
        results.append(result)
        said = capsys.readouterr().out
        assert re.findall(metric_pattern("rmse"), said) == [f"{result['metrics']['rmse']:.6f}"]
        assert re.findall(metric_pattern("promoted"), said) == [f"{float(result['promoted']):.6f}"]
        assert said.splitlines()[0] == "opening the registry"
    assert [result["promoted"] for result in results] == [True, False]
    assert "does not beat" in results[1]["reason"]
    assert set(results[1]["metrics"]) == set(defined_metrics())


def defined_metrics() -> list[str]:
    """The metrics that Terraform has SageMaker read."""
    text = (ROOT / "infra" / "modules" / "training" / "main.tf").read_text()
    assert metric_pattern("${metric}") in text
    [listed] = re.findall(r"^  metrics = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)"', listed)


def test_terraform_gives_a_job_hyperparameters_that_it_knows() -> None:
    text = (ROOT / "infra" / "modules" / "training" / "main.tf").read_text()
    [given] = re.findall(r"HyperParameters = merge\((.*?)\n    \)", text, re.DOTALL)
    assert set(re.findall(r"(\w+) = ", given)) == {"name", "seed", "models", "tracking_uri"} <= set(HYPERPARAMETERS)


def test_a_job_on_broken_rides_fails_and_names_them(tmp_path: Path) -> None:
    root = made(tmp_path / "ml", {"models": str(tmp_path / "models")})
    (channel(root, "train", "2021-01.parquet") / "2021-01.parquet").write_bytes(b"PAR1 and nothing else")
    assert job(root) == 1
    reason = (root / "output" / "failure").read_text()
    assert reason.startswith(f"{root}/input/data/train/2021-01.parquet cannot be read as trip records: ")
    assert list((root / "model").iterdir()) == []


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"resourceconfig": {"hosts": 1}}, "the hosts in resourceconfig.json are 1; wanted a list of names"),
        ({"resourceconfig": {"hosts": [1, 2]}}, "the hosts in resourceconfig.json are [1, 2]; wanted a list of names"),
        ({"inputdataconfig": {"train": "File"}}, 'channel train in inputdataconfig.json is "File"; wanted an object'),
        ({"inputdataconfig": {"train": None}}, "channel train in inputdataconfig.json is null; wanted an object"),
        ({"hyperparameters": {"seed": [1]}}, "hyperparameter seed is [1]; wanted a text"),
        ({"hyperparameters": {"name": None}}, "hyperparameter name is null; wanted a text"),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path: Path, config: dict[str, Any], fault: str) -> None:
    given = {"models": "s3://bucket/models", **config.pop("hyperparameters", {})}
    root = made(tmp_path, given, **config)
    channel(root, "train", "2021-01.parquet")
    with pytest.raises(UsageError) as raised:
        job_of(root, {})
    assert fault in str(raised.value)


@pytest.mark.parametrize("name", ["hyperparameters", "resourceconfig", "inputdataconfig"])
@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"{", b"[]", b"1"])
def test_a_file_that_is_no_object_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    root = made(tmp_path, {"models": "s3://bucket/models"})
    (root / "input" / "config" / f"{name}.json").write_bytes(content)
    with pytest.raises(UsageError, match=rf"{name}\.json (cannot be read|holds no JSON object)"):
        job_of(root, {})
