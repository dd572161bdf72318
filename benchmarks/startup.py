"""
Init in a fresh process, and what the largest batch adds to its memory.

The rule: ours and the floor run as in the Lambda image, that is, without the packages that only the development
environment has and that scikit-learn or skops import where they find them.
``python -m benchmarks.startup CONTESTANT MODEL ENDPOINT [EVENT_FILE]`` prints one measurement.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.contestants import Setup
    from benchmarks.stub import StubKinesis
    from benchmarks.workload import Say, Workload

_NOT_IN_THE_IMAGE = ("matplotlib", "mlflow", "pandas", "polars", "pyarrow", "pytest", "rich")
OURS, PINNED = "this project", "this project, model pickled (MODEL_DIGEST pins it)"
FLOOR, LITERAL, REFERENCE = "import of the model's module + client", "import sklearn + client", "mlflow pyfunc + client"
_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Init:
    """The least of the rounds: whatever an init takes beyond it, other programs took."""

    seconds: float
    """Processor time from the start of the interpreter until the first prediction can be made."""
    megabytes: float
    """Resident at that time."""


@dataclass(frozen=True, slots=True)
class Startup:
    """What it takes to begin."""

    inits: Mapping[str, Init]
    event_megabytes: float
    batch_megabytes: float
    """The peak above the memory after init while the largest event is parsed and consumed."""

    def ratio(self, one: str, other: str) -> float:
        """Seconds of the one to those of the other."""
        return self.inits[one].seconds / self.inits[other].seconds


def startup(workload: "Workload", stub: "StubKinesis", directory: Path, rounds: int, say: "Say") -> Startup:
    """Start each in turn, so often."""
    payload, _ = workload.largest_event()
    event = directory / "event.json"
    event.write_bytes(payload)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in _MAKERS}
    for number in range(rounds):
        for name in _MAKERS:
            say(f"init, round {number + 1} of {rounds}: {name}")
            model = workload.pickled if name == PINNED else workload.models["default"]
            consumed = [str(event)] if name == OURS else []
            runs[name].append(_child([name, str(model), stub.endpoint_url, *consumed]))
    inits = {
        name: Init(min(run["seconds"] for run in some), min(run["megabytes"] for run in some))
        for name, some in runs.items()
    }
    batch = statistics.median(run["batch_megabytes"] for run in runs[OURS])
    return Startup(inits, len(payload) / _MEGABYTE, batch)


def _child(arguments: list[str]) -> dict[str, float]:
    program = [sys.executable, "-m", "benchmarks.startup", *arguments]
    *_, last = subprocess.run(program, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()  # noqa: S603 (ours)
    measured: dict[str, float] = json.loads(last)
    return measured


class _Image(MetaPathFinder):
    """Finds nothing that the image does not carry."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname.partition(".")[0] in _NOT_IN_THE_IMAGE:
            raise ModuleNotFoundError(f"{fullname} is not in the image", name=fullname)


def _ours(setup: "Setup") -> Callable[[bytes], object]:
    from benchmarks.contestants import Context, initialised, runtime_parse  # noqa: PLC0415

    handler = initialised(setup)
    return lambda payload: handler(runtime_parse()(payload), Context())


def _pinned(setup: "Setup") -> None:
    from stream_consumer.models.files import directory_digest  # noqa: PLC0415

    os.environ["MODEL_DIGEST"] = directory_digest(setup.model)
    _ours(setup)


def _floor(_: "Setup") -> None:
    import sklearn.ensemble  # noqa: F401, PLC0415 (the module of the model's class)

    _client()


def _literal(_: "Setup") -> None:
    import sklearn  # noqa: F401, PLC0415

    _client()


def _client() -> None:
    import boto3  # noqa: PLC0415

    boto3.client("kinesis")


def _reference(setup: "Setup") -> None:
    import mlflow  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(str(setup.model))
    _client()
    model.predict({"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66})


_MAKERS: dict[str, Callable[["Setup"], Any]] = {
    OURS: _ours,
    PINNED: _pinned,
    FLOOR: _floor,
    LITERAL: _literal,
    REFERENCE: _reference,
}


def megabytes(field: str) -> float:
    """Megabytes: ``VmRSS`` is resident now, ``VmHWM`` was resident at most. NaN where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return float("nan")
    [kilobytes] = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(kilobytes) * 1024 / _MEGABYTE


def main(name: str, model: str, endpoint_url: str, *event: str) -> None:
    if name != REFERENCE:
        sys.meta_path.insert(0, _Image())
    from benchmarks.contestants import Setup  # noqa: PLC0415

    consume = _MAKERS[name](Setup(Path(model), endpoint_url))
    measured = {"seconds": time.process_time(), "megabytes": megabytes("VmRSS")}
    for path in event:
        payload = Path(path).read_bytes()
        consume(payload)
        measured["batch_megabytes"] = megabytes("VmHWM") - measured["megabytes"]
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
