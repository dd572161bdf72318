"""
The packages that a model needs in the image beside the locked ones, by its files.

The rule: no part of the model is loaded. Packages come from MLflow's entries in MLmodel or in the model's
``requirements.txt``. A name that only a pickle mentions is never installed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from infra.container.saved_code import SavedCode, saved_code
from stream_consumer.errors import ModelError
from stream_consumer.models.description import describe
from stream_consumer.models.files import regular_file
from stream_consumer.models.flavours import FLAVOURS, flavour_of

# MLmodel's entries for the version of a flavour's library. Source: mlflow.xgboost, … of 3.17, ``save_model``.
_VERSIONS = {"xgboost": "xgb_version", "lightgbm": "lgb_version", "catboost": "catboost_version"}

# Packages with modules of another name.
_PACKAGES = {"imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}


@dataclass(frozen=True, slots=True)
class Need:
    """A package that an image must have."""

    requirement: str
    """In the form of pip."""
    reason: str


def needs_of(directory: Path, location: str, locked: Mapping[str, str]) -> list[Need]:
    """
    Return the needs of the model in *directory* beside the *locked* packages (versions by name).

    Raises:
        ModelError: A file cannot be read, or the model has no supported flavour.
    """
    flavours = describe(directory, location).flavours
    # Its library need not be on this machine.
    name = next((one.name for one in FLAVOURS if one.name in flavours), "") or flavour_of(flavours, location).name
    facts = flavours[name]
    stated = _stated(directory, location)
    if name == "python_function":
        return _of_python_function(stated)
    needs = _of_library(name, facts, stated)
    if name == "sklearn":
        needs += _of_scikit_learn(str(facts.get("sklearn_version")), locked)
    pickled = facts.get("pickled_model") or (facts.get("data") if "sklearn" in str(facts.get("model_class")) else None)
    if isinstance(pickled, str) and name in {"sklearn", "lightgbm"}:
        code = saved_code(regular_file(directory, pickled, location))
        needs += _of_code(code, stated, directory, {*locked, *(Requirement(need.requirement).name for need in needs)})
    return needs


def python_of_code(directory: Path, location: str) -> str:
    """
    Return the Python version of bytecode in the model's files, such as ``3.11``. Empty without bytecode.

    Raises:
        ModelError: A file cannot be read.
    """
    flavours = describe(directory, location).flavours
    saved = str(flavours.get("python_function", {}).get("python_version", ""))
    facts = [facts.get(fact) for facts in flavours.values() for fact in ("pickled_model", "python_model")]
    files = [regular_file(directory, name, location) for name in facts if isinstance(name, str)]
    has_bytecode = any(saved_code(path).has_bytecode for path in files if path.suffix == ".pkl")
    return ".".join(saved.split(".")[:2]) if has_bytecode else ""


def _of_python_function(stated: Mapping[str, Requirement]) -> list[Need]:
    """Return all of the model's own requirements, since only MLflow can load it."""
    reason = "the flavour python_function is loaded by mlflow"
    mlflow = stated.get("mlflow") or stated.get("mlflow-skinny") or Requirement(f"mlflow=={version('mlflow')}")
    needs = [Need(f"mlflow-skinny{mlflow.specifier}", reason)]
    needs += [] if "pandas" in stated else [Need("pandas", reason)]
    others = (requirement for name, requirement in stated.items() if name not in {"mlflow", "mlflow-skinny"})
    return needs + [Need(str(requirement), "requirements.txt of the model") for requirement in others]


def _of_library(name: str, facts: Mapping[str, object], stated: Mapping[str, Requirement]) -> list[Need]:
    if name in _VERSIONS:
        saved = facts.get(_VERSIONS[name])
        return [Need(f"{name}=={saved}" if saved else _as_stated(name, stated), f"the flavour {name}")]
    return [Need(_as_stated("onnxruntime", stated), "the flavour onnx")] if name == "onnx" else []


def _of_scikit_learn(saved: str, locked: Mapping[str, str]) -> list[Need]:
    if saved.split(".")[:2] == locked["scikit-learn"].split(".")[:2]:
        return []
    return [Need(f"scikit-learn=={saved}", f"saved by scikit-learn {saved}, the image has {locked['scikit-learn']}")]


def _of_code(code: SavedCode, stated: Mapping[str, Requirement], directory: Path, there: set[str]) -> Iterator[Need]:
    """Yield the packages of a saved estimator's modules, and pandas if its steps may call pandas."""
    travelling = {path.stem for path in directory.glob("code/**/*")}
    named = {module: canonicalize_name(_PACKAGES.get(module, module)) for module in code.modules - travelling}
    for module, package in sorted(named.items()):
        if package in stated and package not in {*there, "pandas"}:
            yield Need(str(stated[package]), f"the saved estimator has code of {module}")
    calls = (code.has_own_code or bool(travelling & code.modules)) and (code.knows_names or "pandas" in stated)
    if calls or code.wants_dataframes or "pandas" in code.modules:
        yield Need(_as_stated("pandas", stated), "a step of the saved estimator may call pandas")


def _as_stated(name: str, stated: Mapping[str, Requirement]) -> str:
    return str(stated[name]) if name in stated else name


def _stated(directory: Path, location: str) -> dict[str, Requirement]:
    """
    Return the model's own requirements by name.

    Raises:
        ModelError: A line is an option, a path or a URL, which a lock with hashes cannot have.
    """
    if not (directory / "requirements.txt").is_file():
        return {}
    lines = regular_file(directory, "requirements.txt", location).read_text(encoding="utf-8").splitlines()
    return dict(_parsed(lines, location))


def _parsed(lines: Iterable[str], location: str) -> Iterator[tuple[str, Requirement]]:
    for line in (line.partition(" #")[0].strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            requirement = None
        if requirement is None or requirement.url:
            raise ModelError(
                f"requirements.txt of the model at {location} has the line {line!r}; wanted a package's name with "
                "versions, so that its hash can be locked: log the model with pip_requirements=[…]"
            )
        yield canonicalize_name(requirement.name), requirement
