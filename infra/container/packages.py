"""
A complete lock with hashes for an image with additional packages, based on ``.ci/locks/runtime.txt``.

The rule: a package keeps the version of the project's lock if possible, and all packages are wheels.
"""

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.container.engine import ContainerError

LOCKS = Path(".ci") / "locks"

# Models are saved with their own versions of these packages. All other versions are the code's.
_MODELS_OWN = frozenset({"numpy", "scikit-learn"})

# Without 469 MB of libraries for graphics cards, which Lambda does not have.
_WITHOUT_GPU = {"xgboost": "xgboost-cpu"}

# Trixie has a newer libc. Hardly any wheel needs more than this version.
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_PYTHONS = ("3.14", "3.13", "3.12", "3.11")


@dataclass(frozen=True, slots=True)
class Target:
    """The platform of the packages."""

    python: str
    """The interpreter of the base image: ``3.13``."""
    architecture: str
    """The container tools' name: ``amd64`` or ``arm64``."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A resolved lock in the build's context."""

    path: Path
    added: Sequence[str]
    """Names of the packages that the project's lock does not have."""
    moved: Sequence[str]
    """Names of the packages with another version than in the project's lock."""


def pins(lock: Path, python: str = "3.13") -> dict[str, str]:
    """Return the versions in *lock* by name, for Linux and an interpreter."""
    environment = {"python_full_version": f"{python}.99", "python_version": python, "sys_platform": "linux"}
    lines = re.findall(r"^(\S+==[^\\\n]+?)(?: \\)?$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in map(Requirement, lines)
        if one.marker is None or one.marker.evaluate(environment)
    }


@contextmanager
def resolved(
    root: Path, needs: Sequence[str], target: Target, extra: str = "", after: Path | None = None
) -> Iterator[Lock]:
    """
    Give a lock of the project's packages and *needs* under ``.image/`` of *root*, for one build.

    Args:
        root: The project.
        needs: Requirements in the form of pip.
        target: The platform.
        extra: Optional dependencies of the project to add.
        after: A lock with versions to keep.

    Raises:
        ContainerError: uv is missing, or a package is not available. The message has uv's reason and the remedy.
    """
    if importlib.util.find_spec("uv") is None:
        raise ContainerError("resolving packages needs uv, and it is not installed here; use `make image EXTRA=…`")
    if target.architecture not in _PLATFORMS:
        raise ContainerError(f"packages cannot be resolved for {target.architecture!r}; wanted one of {[*_PLATFORMS]}")
    own = root / LOCKS / f"{extra or 'runtime'}.txt"
    path = Path(".image") / f"{extra or 'runtime'}-{target.python}-{target.architecture}.txt"
    (root / path).parent.mkdir(exist_ok=True)
    # uv keeps the versions of the output file if possible.
    (root / path).write_bytes(own.read_bytes())
    options = ["--output-file", str(root / path), *(["--constraint", str(root / after)] if after else [])]
    try:
        _resolve(wanted(root, needs, extra), target, options)
        before, now = pins(own, target.python), pins(root / path, target.python)
        moved = [name for name, pin in now.items() if name in before and before[name] != pin]
        yield Lock(path, [name for name in now if name not in before], moved)
    finally:
        (root / path).unlink(missing_ok=True)


def wanted(root: Path, needs: Sequence[str], extra: str = "") -> list[str]:
    """
    Return the project's dependencies and *needs*. A need replaces the project's version of the same package.

    Without *extra*, the dependencies are those of the lean image, without ``not-in-lambda``.
    """
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project, not_in_lambda = pyproject["project"], pyproject["tool"]["stream-consumer"]["not-in-lambda"]
    dependencies = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    left_out = {_name(need) for need in needs} & _MODELS_OWN | set(() if extra else not_in_lambda)
    return [*(one for one in dependencies if _name(one) not in left_out), *needs]


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _resolve(requirements: Sequence[str], target: Target, options: Sequence[str]) -> None:
    fault = compiled(for_processors(requirements), target, options)
    if fault and for_processors(requirements) != list(requirements):
        fault = compiled(requirements, target, options)
    if not fault:
        return
    others = (python for python in _PYTHONS if python != target.python)
    other = next((one for one in others if not compiled(requirements, Target(one, target.architecture), ())), None)
    remedy = (
        f"Python {other} has them: PYTHON_IMAGE=python:{other}-slim-trixie"
        if other
        else "change their versions by EXTRA or SKLEARN, or train the model again with newer ones"
    )
    raise ContainerError(f"some packages have no wheels for Python {target.python}; {remedy}\n{fault}")


def for_processors(requirements: Sequence[str]) -> list[str]:
    """Return *requirements* with the packages for machines without a graphics card."""
    return [
        one.replace(Requirement(one).name, _WITHOUT_GPU[_name(one)], 1) if _name(one) in _WITHOUT_GPU else one
        for one in requirements
    ]


def command(target: Target, options: Sequence[str]) -> list[str]:
    """Return uv's command for requirements on standard input. The lock has no URL of an index."""
    return [
        *[sys.executable, "-m", "uv", "pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate"],
        *["--no-emit-index-url", "--only-binary", ":all:", "--quiet", "--python-version", target.python],
        *["--python-platform", _PLATFORMS[target.architecture], *options],
    ]


def compiled(requirements: Sequence[str], target: Target, options: Sequence[str]) -> str:
    """Return the reason why there is no lock, or an empty text."""
    answer = subprocess.run(  # noqa: S603 (our own arguments)
        command(target, options), input="\n".join(requirements), capture_output=True, text=True, check=False
    )
    return answer.stderr.strip() if answer.returncode else ""


def python_of(image: str) -> str:
    """
    Return the Python version in the name of a base image.

    Raises:
        ContainerError: The name has no version.
    """
    found = re.search(r"python:(3\.\d+)", image)
    if not found:
        raise ContainerError(
            f"which Python {image} has is not in its name, and packages are resolved for it; give PYTHON_IMAGE a name "
            "like registry/python:3.13-slim-trixie@sha256:…"
        )
    return found[1]


def default_base(dockerfile: Path) -> str:
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    return str(base)
