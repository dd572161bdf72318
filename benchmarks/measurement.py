"""All that one run of the benchmark measures, and where it ran."""

import os
import platform as host
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath

from benchmarks.platform import Platform, platform
from benchmarks.stages import Stages, far_stream, stages
from benchmarks.startup import Startup, startup
from benchmarks.stub import StubKinesis
from benchmarks.throughput import Throughput, throughput
from benchmarks.worker import ENVIRONMENT
from benchmarks.workload import Say, workload


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    platform_seconds: int
    """0 leaves the local platform out."""


FULL = Extent(rounds=7, platform_seconds=20)
QUICK = Extent(rounds=3, platform_seconds=0)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run."""

    machine: str
    rides: str
    models: Mapping[str, str]
    throughput: Throughput
    stages: Stages
    far_stream: Mapping[int, float]
    startup: Startup
    platform: Platform | None


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
            throughput=throughput(work, stub, extent.rounds, say),
            stages=stages(work, stub, extent.rounds, say),
            far_stream=far_stream(work, extent.rounds, say),
            startup=startup(work, stub, directory, extent.rounds, say),
            platform=platform(work, extent.platform_seconds, say) if extent.platform_seconds else None,
        )


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
