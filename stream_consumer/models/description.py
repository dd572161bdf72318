"""
The file ``MLmodel`` and what lies beside it: what a model says of itself.

The rule: nothing here loads the model; a description that cannot be read or used is a ModelError.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.models.files import REGISTRY_META, regular_file

# libyaml, where PyYAML was built with it, reads a model's few hundred lines in a sixth of the time.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_Shape = TypeVar("_Shape")

# A signature of 10,000 columns is one megabyte, and one node.
_MAX_BYTES = 4 * 2**20
_MAX_DEPTH = 64
_MAX_NODES = 200_000


class Sklearn(msgspec.Struct):
    """The flavour sklearn, as MLflow writes it."""

    pickled_model: str
    sklearn_version: str
    serialization_format: str = "pickle"


@dataclass(frozen=True, slots=True)
class Description:
    """What the files say, checked as far as that goes without loading the model."""

    name: str
    version: str | None
    """The registry's; without one the run's or the model's id."""
    columns: Sequence[Column]
    """The signature, with the bounds that the metadata declares."""
    categories: Mapping[str, frozenset[Any]]
    sklearn: Sklearn | None
    pyfunc: bool
    example: Sequence[Mapping[str, Any]]
    """Rows of the input example by column; none if the model was logged without one."""
    expected: Sequence[float]
    """Minutes that training recorded for them; none if it did not."""


def describe(directory: Path, location: str) -> Description:
    """
    Read the description of the model in *directory*; messages call it *location*.

    Raises:
        ModelError: A file cannot be read, the signature has no named columns, or bounds are for none of them.
    """
    content = _read(regular_file(directory, "MLmodel", location), _MLmodel, location)
    _check_paths(content.flavors.python_function, location)
    ours = content.metadata.stream_consumer if content.metadata else _Ours()
    meta = directory / REGISTRY_META
    registered = _read(meta, _Registered, location) if meta.exists() else None
    run = content.run_id or content.model_id
    return Description(
        name=registered.model_name if registered else ours.name or content.model_id or "model",
        version=str(registered.model_version) if registered else run,
        columns=_columns(content.signature, ours.bounds, location),
        categories={name: frozenset(values) for name, values in ours.categories.items()},
        sklearn=content.flavors.sklearn,
        pyfunc=content.flavors.python_function is not None,
        example=_example(directory, content.saved_input_example_info, location),
        expected=ours.example_predictions,
    )


def _check_paths(flavor: Mapping[str, Any] | None, location: str) -> None:
    """Refuse paths that lead out of the model's directory, whose files no digest covers."""
    for name, value in (flavor or {}).items():
        if isinstance(value, dict):
            _check_paths(value, location)
        elif name in _PATHS and isinstance(value, str) and (value.startswith("/") or ".." in value.split("/")):
            raise ModelError(
                f"the model at {location} names the file {value!r} as its {name}, outside its directory; log it again"
            )


# What MLflow's loaders join to the model's directory. Source: mlflow.pyfunc, mlflow.pyfunc.model.
_PATHS = frozenset({"code", "data", "model_path", "path", "pickled_model", "python_model"})


# What we read of the file MLmodel. Source: mlflow.models.Model and the flavours' own add_to_model.
class _Bounds(msgspec.Struct, forbid_unknown_fields=True):
    minimum: int | float | None = None
    maximum: int | float | None = None


class _Ours(msgspec.Struct):
    name: str | None = None
    bounds: dict[str, _Bounds] = {}
    categories: dict[str, list[bool | int | float | str]] = {}
    example_predictions: list[float] = []


class _Metadata(msgspec.Struct):
    stream_consumer: _Ours = msgspec.field(default_factory=_Ours)


class _Flavors(msgspec.Struct):
    sklearn: Sklearn | None = None
    python_function: dict[str, Any] | None = None


class _Signature(msgspec.Struct):
    inputs: str


class _ColSpec(msgspec.Struct):
    name: str
    type: str
    required: bool = True


class _ExampleInfo(msgspec.Struct):
    artifact_path: str


class _MLmodel(msgspec.Struct):
    flavors: _Flavors
    signature: _Signature | None = None
    metadata: _Metadata | None = None
    run_id: str | None = None
    model_id: str | None = None
    saved_input_example_info: _ExampleInfo | None = None


class _Registered(msgspec.Struct):
    model_name: str
    model_version: str | int


def _read(path: Path, shape: type[_Shape], location: str) -> _Shape:
    try:
        return msgspec.convert(_parsed(path), shape)
    except Exception as error:  # (PyYAML's constructors raise whatever int(), dates and dictionaries do)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be read: {error}; log the model again"
        ) from error


def _parsed(path: Path) -> Any:
    """
    Return the content of a YAML file of bounded size, depth and, its aliases written out, number of nodes.

    Raises:
        ValueError: The file is beyond a bound. PyYAML would overflow its stack or take for ever.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES} bytes")
    _check_size(yaml.parse(text, _YamlLoader))
    return yaml.load(text, _YamlLoader)  # noqa: S506 (a safe one)


def _check_size(events: Iterable[yaml.Event]) -> None:
    sizes: dict[str, int] = {}
    nodes = 0
    opened: list[tuple[str | None, int]] = []  # the collections around an event: anchor, and nodes before it
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            nodes += sizes.get(str(event.anchor), _MAX_NODES)  # an alias of what is still open has no end
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
        if len(opened) > _MAX_DEPTH or nodes > _MAX_NODES:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels, or more than {_MAX_NODES} nodes")


def _columns(signature: _Signature | None, bounds: Mapping[str, _Bounds], location: str) -> list[Column]:
    try:
        inputs = msgspec.json.decode(signature.inputs if signature else b"", type=list[_ColSpec])
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"the model at {location} has no signature of named columns ({error}), so there is nothing to decode rides "
            "by; log it with signature=ModelSignature(inputs=Schema([ColSpec(…), …]))"
        ) from error
    names = [spec.name for spec in inputs]
    if not names or set(bounds) - set(names):
        raise ModelError(
            f"the model at {location} has the columns {names} and declares bounds for {sorted(bounds)}; bounds are for "
            "columns, and there must be at least one"
        )
    return [
        Column(spec.name, spec.type, spec.required, **msgspec.structs.asdict(bounds.get(spec.name, _Bounds())))
        for spec in inputs
    ]


class _Rows(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]


def _example(directory: Path, info: _ExampleInfo | None, location: str) -> list[dict[str, Any]]:
    if info is None:
        return []
    try:
        content = msgspec.json.decode(regular_file(directory, info.artifact_path, location).read_bytes(), type=_Rows)
        return [dict(zip(content.columns, row, strict=True)) for row in content.data]
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"the input example of the model at {location} cannot be read: {error}; log it as rows"
        ) from error
