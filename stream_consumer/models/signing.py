"""
Copy a model directory and add a signature, an input example and this project's metadata, made from example events.

The rule: the model itself is neither read nor changed. Only the file ``MLmodel`` and the input example are written.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.models.copies import new_folder
from stream_consumer.profiling.reference import reference_of, samples_of
from stream_consumer.scoring import Scorer

_EXAMPLE = "input_example.json"
_MOST_EXAMPLES = 100
_FRACTIONS = {"double", "float"}
_TYPES: dict[type, str] = {bool: "boolean", int: "long", float: "double", str: "string"}


@dataclass(frozen=True, slots=True)
class Statement:
    """The facts to add to a model."""

    events: Sequence[Mapping[str, Any]]
    """Example events, in the envelope."""
    envelope: Envelope = field(default_factory=Envelope)
    derived: Mapping[str, str] = field(default_factory=dict)
    """Templates of derived columns, such as ``{"PU_DO": "{PULocationID}_{DOLocationID}"}``."""
    reference: Sequence[Mapping[str, Any]] = ()
    """Events for the reference profile. If empty, the model keeps its present profile."""
    columns: Sequence[Column] = ()
    """The present signature. Empty if the model has none."""


def enveloped(
    events: Iterable[Mapping[str, Any]], envelope: Envelope, columns: Sequence[Column]
) -> list[Mapping[str, Any]]:
    """Return *events* with each bare row, such as a row of pandas, in the envelope. A bare row has all *columns*."""
    names = {column.name for column in columns}

    def is_row(event: Mapping[str, Any]) -> bool:
        return bool(envelope.entity and names) and envelope.entity not in event and names <= event.keys()

    return [
        msgspec.json.decode(envelope.event(event, event.get(envelope.id, number))) if is_row(event) else event
        for number, event in enumerate(events, start=1)
    ]


def rows_of(statement: Statement) -> list[dict[str, Any]]:
    """
    Return the model's input in each example event.

    Raises:
        ModelError: There is no event, or an event has another envelope.
    """
    envelope, rows = statement.envelope, []
    for number, event in enumerate(statement.events, start=1):
        row = event.get(envelope.entity) if envelope.entity else event
        if not isinstance(row, dict):
            raise ModelError(
                f"example event {number} has no object {envelope.entity!r}; name the field of the model's input "
                "with --entity-field, or give it as empty if the event itself is the input"
            )
        rows.append({name: value for name, value in row.items() if envelope.entity or name != envelope.id})
    if not rows:
        raise ModelError("there is no example event; wanted a file of JSON objects, one a line")
    return rows


def unknown_to(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return the names in *rows* that the signature of *columns* lacks, such as the label.

    Rows without a required column of the signature replace the signature, so no name is unknown then.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    if not columns or any(column.required and column.name not in names for column in columns):
        return []
    known = {column.name for column in columns}
    return [name for name in names if name not in known]


def columns_of(rows: Sequence[Mapping[str, Any]], signature: Sequence[Column] = ()) -> list[dict[str, Any]]:
    """
    Return MLflow's column specifications for *rows*. A column missing or null in a row is optional.

    A column of floats in *signature* stays one, even if the rows happen to hold whole numbers.

    Raises:
        ModelError: A column has values of two types, or of an impossible type.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    present = {column.name: column.type for column in signature}
    return [
        {
            "type": _type_of(name, rows, present.get(name)),
            "name": name,
            "required": all(row.get(name) is not None for row in rows),
        }
        for name in names
    ]


def _type_of(name: str, rows: Sequence[Mapping[str, Any]], present: str | None) -> str:
    kinds = {type(row[name]) for row in rows if row.get(name) is not None}
    if present in _FRACTIONS and kinds and kinds <= {int, float}:
        return present
    if kinds == {int, float}:
        return "double"
    if len(kinds) != 1 or not kinds <= _TYPES.keys():
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "null only"
        raise ModelError(f"the column {name!r} of the example events holds {found}; wanted numbers, texts or booleans")
    return _TYPES[kinds.pop()]


def sign(directory: Path, target: Path, statement: Statement, load: Callable[[Path], Model]) -> Model:
    """
    Write a signed copy of the model in *directory* to *target*, whole or not at all, and return the copy loaded.

    *load* gets the folder of the copy.

    Raises:
        ModelError: See :func:`rows_of` and :func:`columns_of`. Or *load* refuses the copy, the model predicts no event
            of the reference, the copy cannot be written, or *target* exists already.
    """
    rows = rows_of(statement)
    unknown = unknown_to(statement.columns, rows)
    columns = [column for column in columns_of(rows, statement.columns) if column["name"] not in unknown]
    try:
        with new_folder(target) as aside:
            shutil.copytree(directory, aside, ignore=shutil.ignore_patterns("__pycache__"))
            _describe(aside / "MLmodel", columns, statement)
            names = [column["name"] for column in columns]
            example = {"columns": names, "data": [[row.get(name) for name in names] for row in rows[:_MOST_EXAMPLES]]}
            (aside / _EXAMPLE).write_text(json.dumps(example), encoding="utf-8")
            signed = load(aside)
            if statement.reference:
                _state(aside / "MLmodel", {"reference": _reference(signed, statement)})
                signed = load(aside)
            return signed
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(f"the model in {directory} cannot be copied to {target}: {error}") from error


def _describe(path: Path, columns: Sequence[Mapping[str, Any]], statement: Statement) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    signature = content.get("signature") or {}
    content["signature"] = {"outputs": None, "params": None} | signature | {"inputs": json.dumps(columns)}
    content["saved_input_example_info"] = {
        "artifact_path": _EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    ours: dict[str, Any] = {"envelope": msgspec.structs.asdict(statement.envelope)}
    _state(path, ours | ({"derived": dict(statement.derived)} if statement.derived else {}))


def _state(path: Path, ours: Mapping[str, Any]) -> None:
    """Add *ours* to this project's metadata in the file ``MLmodel``."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    metadata = content.get("metadata") or {}
    metadata["stream_consumer"] = (metadata.get("stream_consumer") or {}) | dict(ours)
    content["metadata"] = metadata
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _reference(model: Model, statement: Statement) -> str:
    """Return the reference profile of *model*: its decoded events, and its predictions for them."""
    decoded = [model.schema.decode(msgspec.json.encode(event)) for event in statement.reference]
    valid = [event for event in decoded if not isinstance(event, InvalidRecord)]
    scorer = Scorer(model)
    rows = scorer.columns(valid)
    outcomes = scorer.score(rows, math.inf)
    predictions = [outcome for outcome in outcomes if not isinstance(outcome, InvalidRecord)]
    if not predictions:
        fault = next(one for one in [*decoded, *outcomes] if isinstance(one, InvalidRecord))
        raise ModelError(
            f"the model predicts no event of the reference, of {len(decoded):,} in all; the first has the fault "
            f"{fault.path}: {fault.detail}"
        )
    return reference_of(samples_of(model.schema.columns, rows, predictions, model.categories)).encode().decode()
