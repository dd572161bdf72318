"""
SageMaker's contract with a training container: the files with the job's inputs, and the files that SageMaker collects.

The rule: only this module knows the files of the contract. All faults of a job are reported at once, in
``output/failure``.

Source: Amazon SageMaker AI developer guide, "How Amazon SageMaker AI Provides Training Information" and "How Amazon
SageMaker AI Processes Training Output".
"""

import contextlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from stream_consumer.environment_variables import Field, read, some_text
from stream_consumer.errors import StreamConsumerError, UsageError, in_one_line
from stream_consumer.whole_file import refuse_unwritable

if TYPE_CHECKING:
    from stream_consumer.training.train import TrainingOptions, TrainingResult

ROOT = Path("/opt/ml")
_LONGEST_REASON = 1024  # characters. Source: Amazon SageMaker API reference, "DescribeTrainingJob", FailureReason
_LARGEST_SEED = 2**32 - 1
_SHOWN = 80

_INPUT_CONFIG = Path("input") / "config"
_FAILURE = Path("output") / "failure"
_RESULTS = Path("output") / "data"


def _seed(text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text) or int(text) > _LARGEST_SEED:
        raise ValueError(f"wanted a whole number from 0 to {_LARGEST_SEED}")
    return int(text)


HYPERPARAMETERS: Final[Mapping[str, Field]] = {
    "name": Field("name", some_text, "ride-duration", "Registered model."),
    "experiment": Field("experiment", some_text, "ride-duration", "Experiment of the run."),
    "seed": Field("seed", _seed, 42, "Seed of everything random."),
    "tracking_uri": Field("tracking_uri", some_text, None, "MLflow's server.", fallback="MLFLOW_TRACKING_URI"),
    "models": Field("models", some_text, None, "Registry of files.", fallback="MODELS_LOCATION"),
}
"""The options of ``train``. A fallback is also a hyperparameter, and an environment variable of the job."""


class JobFailed(StreamConsumerError):
    """A training job cannot be done as specified. SageMaker expects exit code 1."""


@dataclass(frozen=True, slots=True)
class Job:
    """The inputs of a training job: files of rides, and the options of the training."""

    rides: list[str]
    options: "TrainingOptions"


def is_job(root: Path = ROOT) -> bool:
    """Return whether SageMaker started this container."""
    return (root / _INPUT_CONFIG).is_dir()


def job_of(root: Path, environ: Mapping[str, str]) -> Job:
    """
    Read the job below *root*. *environ* may name the registries of models.

    Raises:
        UsageError: Hyperparameters, channels or hosts are wrong. The message has all of them, each with its remedy.
    """
    options, faults = _options(_configuration(root, "hyperparameters"), environ)
    faults += _hosts(_configuration(root, "resourceconfig"))
    rides, unreadable = _rides(root, _configuration(root, "inputdataconfig"))
    if faults := [*faults, *unreadable]:
        raise UsageError("the training job is wrong: " + "; ".join(faults))
    from stream_consumer.training.train import TrainingOptions  # noqa: PLC0415 (takes seconds that a wrong job need not)

    return Job(rides, TrainingOptions(**options, model_directory=root / "model"))


def _configuration(root: Path, name: str) -> dict[str, Any]:
    file = root / _INPUT_CONFIG / f"{name}.json"
    try:
        content = json.loads(file.read_bytes()) if file.exists() else {}
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(f"{file} cannot be read: {in_one_line(error)}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} holds no JSON object")
    return content


def _options(given: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the options in the hyperparameters *given* and in *environ*, and their faults."""
    platforms = [field.fallback for field in HYPERPARAMETERS.values() if field.fallback]
    known = [*HYPERPARAMETERS, *platforms]
    texts = {name.replace("-", "_"): _unquoted(value) for name, value in given.items()}
    faults = [
        f"hyperparameter {name} is unknown; wanted {', '.join(known)}"
        for name in given
        if name.replace("-", "_") not in known
    ]
    faults += [
        f"hyperparameter {name} is {json.dumps(value)[:_SHOWN]}; wanted a text"
        for name, value in given.items()
        if value is None or isinstance(value, (dict, list))
    ]
    values, wrong = read(HYPERPARAMETERS, {name: environ.get(name, "") for name in platforms} | texts)
    faults += [f"hyperparameter {fault}" for fault in wrong]
    if not (values["models"] or values["tracking_uri"]):
        faults.append(
            "nothing says where the model is registered; set the hyperparameter models to s3://bucket/prefix, or "
            "tracking_uri to MLflow's server"
        )
    return values, faults


def _unquoted(value: object) -> str:
    """Return the text of a hyperparameter. SageMaker's own SDK writes the text as JSON, in quotes."""
    text = str(value)
    if re.fullmatch(r'".*"', text, re.DOTALL):
        with contextlib.suppress(ValueError):
            return str(json.loads(text))
    return text


def _hosts(resources: Mapping[str, Any]) -> list[str]:
    hosts = resources.get("hosts", [])
    if not (isinstance(hosts, list) and all(isinstance(host, str) for host in hosts)):
        return [f"the hosts in resourceconfig.json are {json.dumps(hosts)[:_SHOWN]}; wanted a list of names"]
    if len(hosts) <= 1:
        return []
    return [f"the job has {len(hosts)} hosts ({', '.join(hosts)}), and training runs on one; set InstanceCount to 1"]


def _rides(root: Path, channels: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the files of every channel, sorted, and the faults of the channels."""
    if not channels:
        return [], ["the job has no channel; add one, such as train, whose S3 prefix holds files of rides"]
    rides, faults = list[str](), list[str]()
    for name, channel in sorted(channels.items()):
        if not isinstance(channel, dict):
            faults.append(f"channel {name} in inputdataconfig.json is {json.dumps(channel)[:_SHOWN]}; wanted an object")
            continue
        if channel.get("TrainingInputMode") == "Pipe":
            faults.append(f"channel {name} is a pipe; set its InputMode to File or FastFile")
            continue
        files = list(_files(root / "input" / "data" / name))
        rides += map(str, files)
        if not files:
            faults.append(f"channel {name} holds no file; check the S3 prefix that it is given")
    return rides, faults


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder*, without hidden files and markers such as ``_SUCCESS``."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts):
            yield path


@contextlib.contextmanager
def told(root: Path) -> Iterator[None]:
    """
    Write the first line of any error to ``output/failure``, from where SageMaker reads the reason.

    Raises:
        JobFailed: Replaces a UsageError.
    """
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        try:
            (root / _FAILURE).parent.mkdir(parents=True, exist_ok=True)
            (root / _FAILURE).write_text(reason[:_LONGEST_REASON], encoding="utf-8", errors="backslashreplace")
        except OSError as unwritten:
            logging.getLogger(__name__).warning("%s cannot be written: %s", root / _FAILURE, unwritten)
        if isinstance(error, UsageError):
            raise JobFailed(str(error)) from error
        raise


def make_ready(root: Path) -> None:
    """
    Make the folders for the job's results, and check that they are writable, before any training.

    Raises:
        UsageError: A folder cannot be written.
    """
    for folder in (root / "model", root / _RESULTS):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            refuse_unwritable(folder / "file")
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {in_one_line(error)}") from error


def leave(root: Path, result: "TrainingResult") -> None:
    """Write the report and the result into ``output/data``. The model's files are in ``model`` already."""
    folder = root / _RESULTS
    registered = result.registered
    (folder / "report.html").write_text(registered.report.page, encoding="utf-8")
    content = {
        "name": result.name,
        "version": result.version,
        "digest": registered.digest,
        "model_uri": result.model_uri,
        "promoted": result.verdict.promoted,
        "reason": result.verdict.reason,
        "metrics": metrics_of_job(result),
    }
    (folder / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def metrics_of_job(result: "TrainingResult") -> dict[str, float]:
    """Return the metrics of the run, and whether the model became champion (``promoted``, 1 or 0)."""
    from stream_consumer.training.register import metrics_of  # noqa: PLC0415 (as above)

    metrics = metrics_of(result.trial, result.rival) | {"promoted": float(result.verdict.promoted)}
    return {name: value for name, value in metrics.items() if isfinite(value)}


def metric_lines(metrics: Mapping[str, float]) -> Iterator[str]:
    """Yield a line for each of *metrics*, in the form of :func:`metric_pattern`."""
    for name, value in metrics.items():
        yield f"metric {name}={value:.6f};"


def metric_pattern(name: str) -> str:
    """Return the regular expression with which a MetricDefinition of SageMaker reads the metric *name*."""
    return f"metric {name}=(-?[0-9.]+);"
