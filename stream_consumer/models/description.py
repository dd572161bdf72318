"""
Read the description of a model: the file ``MLmodel`` and the files beside it.

The rule: nothing here loads the model. An unreadable or unusable description is a ModelError.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError, in_one_line
from stream_consumer.models.files import REGISTRY_META, regular_file

# libyaml, if PyYAML has it, reads a model's few hundred lines in a sixth of the time.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_Shape = TypeVar("_Shape")

# A signature of 10,000 columns is one megabyte, and one node.
_MAX_BYTES = 4 * 2**20
_MAX_DEPTH = 64
_MAX_NODES = 200_000


@dataclass(frozen=True, slots=True)
class Description:
    """The content of the files, checked as far as possible without loading the model."""

    name: str
    version: str | None
    """The version in the registry, or else the id of the run or model."""
    columns: Sequence[Column]
    """The signature. Empty if the model has no signature of named columns."""
    bounds: Mapping[str, "Bounds"]
    """Bounds in the metadata, by column."""
    categories: Mapping[str, frozenset[Any]]
    flavours: Mapping[str, Mapping[str, Any]]
    """MLflow's facts about each flavour."""
    example: Path | None
    """The file of the input example."""
    expected: Sequence[Any]
    """Predictions for the input example, recorded by training. Empty if not recorded."""
    envelope: Envelope
    """Names of the wire format's fields, as the metadata declares them."""
    unit: str
    """Unit of the prediction. Empty if the metadata does not name a unit."""
    outputs: Sequence[str]
    """Names of the signature's outputs, if they have names."""
    derived: Mapping[str, str]
    """Templates of the derived columns in the metadata. See :mod:`stream_consumer.models.derived`."""
    reference: str
    """The reference profile. Empty if the metadata has none. See :mod:`stream_consumer.profiling.reference`."""
    null_is_nan: bool
    """Whether a required column of floats accepts null and the model gets NaN, as in MLflow's own server."""

    def bounded(self, columns: Sequence[Column], location: str) -> list[Column]:
        """
        Return *columns* with the bounds in the metadata.

        Raises:
            ModelError: The metadata has bounds for other columns.
        """
        names = [column.name for column in columns]
        if set(self.bounds) - set(names):
            raise ModelError(
                f"the model at {location} has the columns {names} and declares bounds for {sorted(self.bounds)}; "
                "correct the model's metadata"
            )
        return [
            msgspec.structs.replace(
                column,
                nullable=self.null_is_nan and column.type in {"float", "double"},
                **msgspec.structs.asdict(self.bounds.get(column.name, Bounds())),
            )
            for column in columns
        ]


def describe(directory: Path, location: str) -> Description:
    """
    Read the description of the model in *directory*. Messages refer to the model by *location*.

    Raises:
        ModelError: A file cannot be read.
    """
    content = _read(regular_file(directory, "MLmodel", location), _MLmodel, location)
    _check_paths(content.flavors, location)
    ours = content.metadata.stream_consumer if content.metadata else _Ours()
    meta = directory / REGISTRY_META
    registered = _read(meta, _Registered, location) if meta.exists() else _Registered()
    run = content.run_id or content.model_id
    return Description(
        name=registered.model_name or ours.name or content.model_id or "model",
        version=run if registered.model_version is None else str(registered.model_version),
        columns=_columns(content.signature),
        bounds=ours.bounds,
        categories={name: frozenset(values) for name, values in ours.categories.items()},
        flavours=content.flavors,
        example=_example(directory, content.saved_input_example_info),
        expected=ours.example_predictions,
        envelope=ours.envelope,
        unit=ours.unit,
        outputs=_output_names(content.signature),
        derived=ours.derived,
        reference=ours.reference,
        null_is_nan=ours.null_is_nan,
    )


def _check_paths(flavours: Mapping[str, Any], location: str) -> None:
    """Refuse paths that lead out of the model's directory, since the digest does not cover files outside."""
    for name, value in flavours.items():
        if isinstance(value, dict):
            _check_paths(value, location)
        elif name in _PATHS and isinstance(value, str) and (value.startswith("/") or ".." in value.split("/")):
            raise ModelError(
                f"the model at {location} names the file {value!r} as its {name}, outside its directory; log it again"
            )


# Facts that MLflow's loaders join to the model's directory. Source: mlflow.pyfunc, mlflow.pyfunc.model.
_PATHS = frozenset({"code", "data", "model_path", "path", "pickled_model", "python_model"})


# The parts of the file MLmodel that this module reads. Source: mlflow.models.Model and the flavours' own add_to_model.
class Bounds(msgspec.Struct, forbid_unknown_fields=True):
    minimum: int | float | None = None
    maximum: int | float | None = None


class _Ours(msgspec.Struct):
    name: str | None = None
    bounds: dict[str, Bounds] = {}
    categories: dict[str, list[bool | int | float | str]] = {}
    example_predictions: list[Any] = []
    envelope: Envelope = Envelope()
    unit: str = ""
    derived: dict[str, str] = {}
    reference: str = ""
    null_is_nan: bool = False


class _Metadata(msgspec.Struct):
    stream_consumer: _Ours = msgspec.field(default_factory=_Ours)


class _Signature(msgspec.Struct):
    inputs: str | None = None
    outputs: str | None = None


class _ColSpec(msgspec.Struct):
    name: str | int  # pandas numbers columns without names
    type: str
    required: bool = True


class _OutputSpec(msgspec.Struct):
    name: str | int


class _ExampleInfo(msgspec.Struct):
    artifact_path: str


class _MLmodel(msgspec.Struct):
    flavors: dict[str, dict[str, Any]]
    signature: _Signature | None = None
    metadata: _Metadata | None = None
    run_id: str | None = None
    model_id: str | None = None
    saved_input_example_info: _ExampleInfo | None = None


class _Registered(msgspec.Struct):
    # MLflow writes this file with two nulls for a model fetched by its id.
    model_name: str | None = None
    model_version: str | int | None = None


def _read(path: Path, shape: type[_Shape], location: str) -> _Shape:
    try:
        return msgspec.convert(_parsed(path), shape)
    except Exception as error:  # (PyYAML's constructors raise whatever int(), dates and dictionaries do)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be read: {in_one_line(error)}; log the model again"
        ) from error


def _parsed(path: Path) -> Any:
    """
    Return the content of a YAML file of bounded size, depth and number of nodes, with aliases expanded.

    Raises:
        ValueError: The file exceeds a bound. PyYAML would overflow its stack or take forever.
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
            nodes += sizes.get(str(event.anchor), _MAX_NODES)  # an alias of a collection still open never ends
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


def _columns(signature: _Signature | None) -> list[Column]:
    specs = _decoded(signature.inputs if signature else None, _ColSpec)
    return [Column(str(spec.name), spec.type, spec.required) for spec in specs]


def _output_names(signature: _Signature | None) -> list[str]:
    return [str(spec.name) for spec in _decoded(signature.outputs if signature else None, _OutputSpec)]


def _decoded(text: str | None, shape: type[_Shape]) -> list[_Shape]:
    """Return the specifications in a signature. Empty if the signature is missing or of another form."""
    try:
        return msgspec.json.decode(text or "[]", type=list[shape])  # type: ignore[valid-type]
    except (ValueError, RecursionError):
        return []


def _example(directory: Path, info: _ExampleInfo | None) -> Path | None:
    if info is None or ".." in info.artifact_path.split("/") or info.artifact_path.startswith("/"):
        return None
    return directory / info.artifact_path
