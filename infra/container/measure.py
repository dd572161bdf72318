"""
The size and the init time of an image, compared with the budget.

The rule: sizes are summed over all layers, as a registry stores and Lambda fetches them. Deleting a file in a later
layer therefore gains nothing.
"""

import json
import re
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.container.engine import ContainerError, Engine

INIT_SECONDS = 1.5

# Source: AWS Lambda developer guide, "Lambda quotas": an image's layers unpacked, and the first init.
LAMBDA_UNPACKED = 10 * 10**9
LAMBDA_INIT_SECONDS = 10.0

# Source: AWS Lambda developer guide, "Configure Lambda function memory": at 1,769 MB a function has one vCPU.
ONE_VCPU = ("--cpus", "1", "--memory", "1769m")

# Variables that Lambda sets and init requires.
_LAMBDA = ("--env", "AWS_DEFAULT_REGION=us-east-1", "--env", "AWS_ACCESS_KEY_ID=-", "--env", "AWS_SECRET_ACCESS_KEY=-")

HANDLER = "stream_consumer.lambda_function.lambda_handler"
_BLOCK = 2**20
_TRIES, _MOST_TRIES = 3, 12


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an archive. Registries store layers compressed with gzip."""

    name: str
    unpacked: int
    compressed: int


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of an image: total size of the layers, and init time."""

    unpacked: int
    compressed: int
    init_seconds: float = INIT_SECONDS

    def with_packages(self, unpacked: int, compressed: int) -> "Budget":
        """
        Return the budget of an image with additional packages of these sizes.

        Their import may take any time within Lambda's own limit.
        """
        total = min(self.unpacked + unpacked, LAMBDA_UNPACKED)
        return Budget(total, self.compressed + compressed, LAMBDA_INIT_SECONDS)

    def __str__(self) -> str:
        sizes = f"{self.unpacked / 1e6:.0f} MB unpacked, {self.compressed / 1e6:.0f} MB compressed"
        return f"{sizes}, init {self.init_seconds:.1f} s"


LEAN = Budget(420_000_000, 150_000_000)
DOORS = Budget(580_000_000, 200_000_000)
TRAINING = Budget(730_000_000, 240_000_000)

BUDGETS = {"": LEAN, "doors": DOORS, "training": TRAINING}
"""Budgets by the stage of the Dockerfile."""


def weigh(archive: Path) -> list[Layer]:
    """Return the layers of an archive in docker's format. The base's layers come first."""
    with tarfile.open(archive) as image:
        [description] = json.load(_member(image, "manifest.json"))
        return [_layer(image, name) for name in description["Layers"]]


def _member(image: tarfile.TarFile, name: str) -> IO[bytes]:
    file = image.extractfile(name)
    if file is None:
        raise ContainerError(f"the archive has no file {name}")
    return file


def _layer(image: tarfile.TarFile, name: str) -> Layer:
    unpacked = compressed = 0
    pack = zlib.compressobj(6, wbits=31)
    with _member(image, name) as file:
        while block := file.read(_BLOCK):
            compressed += len(pack.compress(block))
    with _member(image, name) as file, tarfile.open(fileobj=file) as layer:
        unpacked = sum(member.size for member in layer if member.isfile())
    return Layer(name, unpacked, compressed + len(pack.flush()))


def weigh_packages(archive: Path, names: Sequence[str]) -> dict[str, int]:
    """Return the unpacked size in bytes of each of the distributions *names*, with their bytecode."""
    wanted = {_normal(name): name for name in names}
    sizes = dict.fromkeys(names, 0)
    with tarfile.open(archive) as image:
        [description] = json.load(_member(image, "manifest.json"))
        for layer_name in description["Layers"] if names else ():
            with tarfile.open(fileobj=_member(image, layer_name)) as layer:
                folders = {
                    f"{site}/{top}/": wanted[name]
                    for site, name, tops in _distributions(layer)
                    if name in wanted
                    for top in tops
                }
                for member in layer:
                    if member.isfile() and (found := _SITE_FOLDER.match(member.name)) and found[0] in folders:
                        sizes[folders[found[0]]] += member.size
    return sizes


_SITE_FOLDER = re.compile(r".*?/site-packages/[^/]+/")
_RECORD = re.compile(r"(.*/site-packages)/([^/]+)-[^-/]+\.dist-info/RECORD")


def _distributions(layer: tarfile.TarFile) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the location of each distribution of *layer*, its name and its folders."""
    for member in layer.getmembers():
        if found := _RECORD.fullmatch(member.name):
            text = _member(layer, member.name).read().decode()
            files = (line.rpartition(",")[0].rpartition(",")[0] for line in text.splitlines())
            yield found[1], _normal(found[2]), {file.partition("/")[0] for file in files if "/" in file}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def init_seconds(engine: Engine, image: str, allowed: float) -> float:
    """
    Return the quickest of a few inits at one vCPU, read-only and without privileges.

    A busy machine makes inits slower. If all take more than the *allowed* seconds, more are tried.

    Raises:
        ContainerError: Init fails. The message has the image's output.
    """
    jail = ["--read-only", "--cap-drop", "all", "--tmpfs", "/tmp", "--user", "1234:1234", *ONE_VCPU]  # noqa: S108
    ours = ["--mount", f"type=bind,source={Path(__file__).parent},target=/probe/infra/container,readonly"]
    ours += ["--security-opt", "label=disable", "--env", "PYTHONPATH=/var/task:/probe", "--entrypoint", "python"]
    command = engine.run_command([*jail, *_LAMBDA, *ours], image, ["-m", "infra.container.probe", HANDLER])
    quickest = min(_probed(command) for _ in range(_TRIES))
    for _ in range(_MOST_TRIES - _TRIES):
        if quickest <= allowed:
            break
        quickest = min(quickest, _probed(command))
    return quickest


def _probed(command: Sequence[str]) -> float:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (the user's own tool)
    if answer.returncode:
        raise ContainerError(f"the image does not start: {answer.stderr.strip()}")
    return float(answer.stdout)


def over_budget(layers: Sequence[Layer], seconds: float | None, budget: Budget = LEAN) -> list[str]:
    """Return a line for each exceeded limit."""
    unpacked = sum(layer.unpacked for layer in layers)
    compressed = sum(layer.compressed for layer in layers)
    faults = []
    if unpacked > budget.unpacked:
        faults.append(f"{unpacked / 1e6:.0f} MB unpacked, {budget.unpacked / 1e6:.0f} allowed")
    if compressed > budget.compressed:
        faults.append(f"{compressed / 1e6:.0f} MB compressed, {budget.compressed / 1e6:.0f} allowed")
    if seconds is not None and seconds > budget.init_seconds:
        faults.append(f"init takes {seconds:.2f} s at one vCPU, {budget.init_seconds} allowed")
    return faults
