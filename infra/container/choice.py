"""
What an image is to have beside the locked packages: what its model needs, and what was asked for.

The rule: whatever is added is said, with its reason, before anything is built.
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
    """What was asked for on the command line."""

    extra: Sequence[str] = ()
    """Requirements, as pip takes them."""
    scikit_learn: str = ""
    """A minor version."""
    base: str = ""
    """The base image; empty for the Dockerfile's."""
    architecture: str = "amd64"
    doors: bool = False


@dataclass(frozen=True, slots=True)
class Packages:
    """What the Dockerfile is told of packages."""

    arguments: dict[str, str] = field(default_factory=dict)
    added: Sequence[str] = ()
    """Names of those that the usual image has not."""


@contextmanager
def chosen(root: Path, order: Order, model: Path | None, location: str) -> Iterator[Packages]:
    """
    Resolve what the image needs, for one build; the usual image when it needs nothing more.

    Raises:
        ContainerError: A package cannot be had, or the model wants another Python.
        ModelError: The model's files do not tell what it needs.
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
        # Only these are imported for proof: a dependency may want what nothing here asks of it, as GitPython wants git.
        proven = sorted(asked & {*lock.added, *lock.moved})
        arguments = {"PACKAGES": str(lock.path), "ADDED": " ".join(proven)}
        if order.doors:
            doors = stack.enter_context(resolved(root, requirements, target, extra="doors", after=lock.path))
            arguments["DOORS_PACKAGES"] = str(doors.path)
        moved = f"; in another version: {', '.join(lock.moved)}" if lock.moved else ""
        print(f"packages added: {', '.join(lock.added) or 'none'}{moved}", flush=True)
        yield Packages(arguments, lock.added)


def _check_python(base: str, saved: str, location: str) -> None:
    """Refuse bytecode of another Python: running it ends the process, or worse."""
    if saved and saved != python_of(base):
        raise ContainerError(
            f"functions in the model at {location} are bytecode of Python {saved}, and {base} has {python_of(base)}; "
            f"give PYTHON_IMAGE=python:{saved}-slim-trixie, or log the model with code_paths"
        )


def merged(order: Order, needs: Sequence[Need]) -> list[Need]:
    """
    Return what is needed once by name; what was asked for comes before what was found out.

    Raises:
        ContainerError: What was asked for is no requirement.
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
