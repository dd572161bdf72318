"""
The packages of an image beside the locked ones: for its model, and as ordered.

The rule: every additional package is printed with its reason before the build.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from infra.container.engine import ContainerError
from infra.container.needs import Need, needs_of, python_of_code
from infra.container.packages import LOCKS, Target, default_base, for_processors, pins, python_of, resolved


@dataclass(frozen=True, slots=True)
class Order:
    """The wishes on the command line."""

    extra: Sequence[str] = ()
    """Requirements in the form of pip."""
    scikit_learn: str = ""
    """A minor version."""
    base: str = ""
    """The base image. Empty means the Dockerfile's."""
    architecture: str = "amd64"
    doors: bool = False


@dataclass(frozen=True, slots=True)
class Packages:
    """The arguments of the Dockerfile about packages."""

    arguments: dict[str, str] = field(default_factory=dict)
    added: Sequence[str] = ()
    """Names of the packages that the usual image does not have."""


@contextmanager
def chosen(root: Path, order: Order, model: Path | None, location: str) -> Iterator[Packages]:
    """
    Resolve the packages of the image for one build. Without additional packages, give the usual image's.

    Raises:
        ContainerError: A package is not available, or the model needs another Python.
        ModelError: The model's files do not tell its needs.
    """
    if model:
        _check_python(order.base or default_base(root / "Dockerfile"), python_of_code(model, location), location)
    needs = merged(order, needs_of(model, location, pins(root / LOCKS / "runtime.txt")) if model else [])
    if not needs:
        print("the locked packages are all that the model needs", flush=True)
        yield Packages()
        return
    python = python_of(order.base or default_base(root / "Dockerfile"))
    target = Target(python, order.architecture)
    what = "; ".join(f"{need.requirement} ({need.reason})" for need in needs)
    print(f"beside the locked packages, for Python {python}: {what}", flush=True)
    requirements = [need.requirement for need in needs]
    with ExitStack() as stack:
        lock = stack.enter_context(resolved(root, requirements, target))
        asked = {canonicalize_name(Requirement(one).name) for one in [*requirements, *for_processors(requirements)]}
        # Only these are imported as proof. A dependency may need tools that are not needed here, as GitPython needs
        # git.
        proven = sorted(asked & {*lock.added, *lock.moved})
        arguments = {"PACKAGES": str(lock.path), "ADDED": " ".join(proven)}
        if order.doors:
            doors = stack.enter_context(resolved(root, requirements, target, extra="doors", after=lock.path))
            arguments["DOORS_PACKAGES"] = str(doors.path)
        moved = f"; in another version: {', '.join(lock.moved)}" if lock.moved else ""
        print(f"packages added: {', '.join(lock.added) or 'none'}{moved}", flush=True)
        yield Packages(arguments, lock.added)


def _check_python(base: str, saved: str, location: str) -> None:
    """Refuse bytecode of another Python, which would crash the process or worse."""
    if saved and saved != python_of(base):
        raise ContainerError(
            f"functions in the model at {location} are bytecode of Python {saved}, and {base} has {python_of(base)}; "
            f"give PYTHON_IMAGE=python:{saved}-slim-trixie, or log the model with code_paths"
        )


def merged(order: Order, needs: Sequence[Need]) -> list[Need]:
    """
    Return one need per name. The user's wishes go before the model's needs.

    Raises:
        ContainerError: A wish is not a requirement.
    """
    asked = [Need(f"scikit-learn=={order.scikit_learn}.*", "SKLEARN")] if order.scikit_learn else []
    asked += [Need(requirement, "EXTRA") for requirement in order.extra]
    by_name: dict[str, Need] = {}
    for need in [*asked, *needs]:
        try:
            name = canonicalize_name(Requirement(need.requirement).name)
        except InvalidRequirement as error:
            raise ContainerError(
                f"{need.reason}={need.requirement!r} is not a package; wanted names with versions, such as "
                "EXTRA='xgboost pandas==3.0.0' or SKLEARN=1.5"
            ) from error
        by_name.setdefault(name, need)
    return list(by_name.values())
