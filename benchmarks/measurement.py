"""All that one run of the benchmark measures, and where it ran."""

import os
import platform as host
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath

from benchmarks.batch import Batch, batch
from benchmarks.contestants import ON_FRAMES
from benchmarks.platform import Platform, platform
from benchmarks.stages import FAR, Stages, far_stream, stages
from benchmarks.startup import Startup, startup
from benchmarks.stub import StubKinesis
from benchmarks.throughput import Throughput, throughput
from benchmarks.web import Web, web
from benchmarks.worker import ENVIRONMENT
from benchmarks.workload import Say, Workload, workload

PIPELINE = "pipeline"
FRAME_SIZES = (100, 1_000)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    far_rounds: int
    """Of all contestants against a stream that is far; 0 leaves them out."""
    platform_seconds: int
    """0 leaves the local platform out."""
    file_rows: int
    """Of the file that the batch interface scores."""
    file_rounds: int
    web_rounds: int
    web_seconds: int


FULL = Extent(
    rounds=7, far_rounds=2, platform_seconds=20, file_rows=10_000_000, file_rounds=3, web_rounds=5, web_seconds=5
)
QUICK = Extent(
    rounds=3, far_rounds=0, platform_seconds=0, file_rows=1_000_000, file_rounds=2, web_rounds=1, web_seconds=2
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run."""

    machine: str
    rides: str
    models: Mapping[str, str]
    throughput: Throughput
    far_throughput: Throughput | None
    """With the default model, against a stream that takes ``stages.FAR`` to answer."""
    frames: Throughput
    """With a pipeline that was fitted on a DataFrame."""
    stages: Stages
    far_stream: Mapping[int, float]
    startup: Startup
    batch: Batch
    platform: Platform | None
    web: Web | None
    """None where wrk is not installed."""


def measure(extent: Extent, train: list[str], rides: list[str], say: Say) -> Measurement:
    """Run the whole benchmark; what it needs of AWS it brings along."""
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch, StubKinesis() as stub:
        directory = Path(scratch)
        say("fitting the models")
        work = workload(directory, train, rides)
        return Measurement(
            machine=machine(),
            rides=", ".join(PurePath(source).name for source in rides) or work.rides.origin,
            models=work.description,
            throughput=throughput(work.models, work, stub, extent.rounds, say),
            far_throughput=_far_throughput(work, extent.far_rounds, say) if extent.far_rounds else None,
            frames=_frames(work, stub, extent.rounds, say),
            stages=stages(work, stub, extent.rounds, say),
            far_stream=far_stream(work, extent.rounds, say),
            startup=startup(work, stub, directory, extent.rounds, say),
            batch=batch(work, extent.file_rows, extent.file_rounds, say),
            platform=platform(work, extent.platform_seconds, say) if extent.platform_seconds else None,
            web=web(work, directory, extent.web_rounds, extent.web_seconds, say),
        )


def measure_batch(extent: Extent, train: list[str], rides: list[str], say: Say) -> Batch:
    """Run the part of a file of rides alone."""
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        return batch(workload(Path(scratch), train, rides), extent.file_rows, extent.file_rounds, say)


def _far_throughput(work: Workload, rounds: int, say: Say) -> Throughput:
    with StubKinesis(FAR) as stub:
        return throughput({"default": work.models["default"]}, work, stub, rounds, say)


def _frames(work: Workload, stub: StubKinesis, rounds: int, say: Say) -> Throughput:
    models = {PIPELINE: work.pipeline}
    return throughput(models, work, stub, rounds, say, contestants=ON_FRAMES, sizes=FRAME_SIZES)


def machine() -> str:
    """Where this runs, in one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "numpy", "botocore"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {host.system()}, {host.python_implementation()} "
        f"{host.python_version()}, {libraries}, {datetime.now(UTC):%Y-%m-%d}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return host.processor() or host.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else host.machine()
