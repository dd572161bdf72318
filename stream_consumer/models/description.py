"""
The file ``MLmodel`` and what lies beside it: what a model says of itself.

The rule: nothing here loads the model; a description that cannot be read or used is a ModelError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.models.files import REGISTRY_META

# libyaml, where PyYAML was built with it, reads a model's few hundred lines in a sixth of the time.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_Shape = TypeVar("_Shape")


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
    expected: Sequence[Any]
    """Predictions that training recorded for them; none if it did not."""
    envelope: Envelope
    """Names of the wire format's fields, as the metadata declares them."""
    unit: str
    """Of the prediction; empty if the metadata does not say."""
    outputs: Sequence[str]
    """Names of the signature's outputs, where they have names."""
    method: str
    """Of the estimator, which predicts: the flavour python_function's ``predict_fn``."""
    derived: Mapping[str, str]
    """Templates of the derived columns, as the metadata declares them; see :mod:`stream_consumer.models.derived`."""


def describe(directory: Path, location: str) -> Description:
    """
    Read the description of the model in *directory*; messages call it *location*.

    Raises:
        ModelError: A file cannot be read, the signature has no named columns, or bounds are for none of them.
    """
    content = _read(directory / "MLmodel", _MLmodel, location)
    ours = content.metadata.stream_consumer if content.metadata else _Ours()
    meta = directory / REGISTRY_META
    registered = _read(meta, _Registered, location) if meta.exists() else _Registered()
    run = content.run_id or content.model_id
    return Description(
        name=registered.model_name or ours.name or content.model_id or "model",
        version=run if registered.model_version is None else str(registered.model_version),
        columns=_columns(content.signature, ours.bounds, location),
        categories={name: frozenset(values) for name, values in ours.categories.items()},
        sklearn=content.flavors.sklearn,
        pyfunc=content.flavors.python_function is not None,
        example=_example(directory, content.saved_input_example_info, location),
        expected=ours.example_predictions,
        envelope=ours.envelope,
        unit=ours.unit,
        outputs=_output_names(content.signature),
        method=content.flavors.python_function.predict_fn if content.flavors.python_function else "predict",
        derived=ours.derived,
    )


# What we read of the file MLmodel. Source: mlflow.models.Model and the flavours' own add_to_model.
class _Bounds(msgspec.Struct, forbid_unknown_fields=True):
    minimum: int | float | None = None
    maximum: int | float | None = None


class _Ours(msgspec.Struct):
    name: str | None = None
    bounds: dict[str, _Bounds] = {}
    categories: dict[str, list[bool | int | float | str]] = {}
    example_predictions: list[Any] = []
    envelope: Envelope = Envelope()
    unit: str = ""
    derived: dict[str, str] = {}


class _Metadata(msgspec.Struct):
    stream_consumer: _Ours = msgspec.field(default_factory=_Ours)


class _PythonFunction(msgspec.Struct):
    predict_fn: str = "predict"


class _Flavors(msgspec.Struct):
    sklearn: Sklearn | None = None
    python_function: _PythonFunction | None = None


class _Signature(msgspec.Struct):
    inputs: str
    outputs: str | None = None


class _ColSpec(msgspec.Struct):
    name: str
    type: str
    required: bool = True


class _OutputSpec(msgspec.Struct):
    name: str


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
    # MLflow writes the file with two nulls where a model is fetched by its id.
    model_name: str | None = None
    model_version: str | int | None = None


def _read(path: Path, shape: type[_Shape], location: str) -> _Shape:
    try:
        return msgspec.convert(yaml.load(path.read_text(encoding="utf-8"), _YamlLoader), shape)  # noqa: S506 (a safe one)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(
            f"{path.name} of the model at {location} cannot be read: {error}; log the model again"
        ) from error


def _columns(signature: _Signature | None, bounds: Mapping[str, _Bounds], location: str) -> list[Column]:
    try:
        inputs = msgspec.json.decode(signature.inputs if signature else b"", type=list[_ColSpec])
    except ValueError as error:
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


def _output_names(signature: _Signature | None) -> list[str]:
    try:
        specs = msgspec.json.decode(signature.outputs or "[]" if signature else "[]", type=list[_OutputSpec])
    except ValueError:  # a tensor, or columns without names
        return []
    return [spec.name for spec in specs]


class _Rows(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]


def _example(directory: Path, info: _ExampleInfo | None, location: str) -> list[dict[str, Any]]:
    if info is None:
        return []
    try:
        content = msgspec.json.decode((directory / info.artifact_path).read_bytes(), type=_Rows)
        return [dict(zip(content.columns, row, strict=True)) for row in content.data]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the input example of the model at {location} cannot be read: {error}; log it as rows"
        ) from error
