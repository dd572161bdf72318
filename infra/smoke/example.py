"""
An event for a deployed model, in the envelope of its consumer.

The row is the first valid row of the model's input example. Without a valid row, the model is loaded here and a row is
made, as at init.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from infra.smoke.wait import Untestable
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import ModelError
from stream_consumer.models.description import Description, describe
from stream_consumer.models.files import default_s3, directory_digest, model_directory
from stream_consumer.models.input_example import rows_of
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.models.made_rows import is_certain, made_row
from stream_consumer.settings import Settings
from stream_consumer.web.examples import example_row

_BAKED = "/opt/model"
"""The Dockerfile's location of a model. The image sets the variable, so the function does not."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row for a model, and the schema of its events."""

    schema: EventSchema
    row: Mapping[str, Any]

    def event(self, identifier: str) -> bytes:
        """Return the event with the row. *identifier* is its id, unless a column of the model is the id."""
        return self.schema.event(self.row, identifier)

    def suits(self, event: bytes) -> bool:
        """Return whether the model accepts *event*."""
        return not isinstance(self.schema.decode(event), InvalidRecord)


def settings_of(variables: Mapping[str, str]) -> Settings:
    """
    Return the settings of a function or a task with these environment *variables*.

    Raises:
        SettingsError: A variable is wrong.
    """
    elsewhere = "MODEL_BUCKET" in variables
    return Settings.of(variables if elsewhere else {"MODEL_LOCATION": _BAKED, **variables})


def example_of(settings: Settings, baked: str, s3: Any = default_s3) -> Example:
    """
    Return an example of the model in *settings*. *baked* is the location of the model in the image.

    Raises:
        Untestable: The model is in the image and *baked* is empty, or no row can be made.
        ModelError: The model cannot be fetched or read.
    """
    location, choice = settings.model_location, settings.choice
    in_image = not location.startswith("s3://")
    if in_image and not baked:
        raise Untestable("its model is in its image, and nothing here says which it is: name it with MODEL=…")
    location = baked if in_image else location
    with model_directory(location, s3) as directory:
        if in_image:  # the image pins its model
            choice = replace(choice, digest=directory_digest(directory))
        return _described(directory, location, choice) or _loaded(directory, location, choice)


def _described(directory: Path, location: str, choice: Choice) -> Example | None:
    """Return the first valid row of the input example, or None."""
    description = describe(directory, location)
    schema = _schema(description, location, choice)
    rows = rows_of(description.example, [column.name for column in schema.columns]) if description.example else []
    return _first_valid(rows, schema)


def _schema(description: Description, location: str, choice: Choice) -> EventSchema:
    """Return the schema of events. Without columns if only the loaded model has them."""
    columns = description.columns or choice.columns
    bounded = description.bounded(columns, location) if columns else []
    return EventSchema(bounded, Envelope(**msgspec.structs.asdict(description.envelope) | dict(choice.envelope)))


def _first_valid(rows: Sequence[Mapping[str, Any]], schema: EventSchema) -> Example | None:
    examples = (Example(schema, row) for row in rows if schema.columns)
    return next((example for example in examples if example.suits(example.event("smoke"))), None)


def _loaded(directory: Path, location: str, choice: Choice) -> Example:
    """Return the row that init makes. If the model does not load on this machine, a row of numbers within bounds."""
    try:
        model = load_directory(directory, location, choice)
    except ModelError as fault:
        description = describe(directory, location)
        schema = _schema(description, location, choice)
        made = [made_row(schema.columns, {}, description.categories)]
        example = _first_valid(made, schema) if is_certain(schema.columns, {}, description.categories) else None
        why = f"and the model cannot be loaded on this machine to make one: {fault}"
    else:
        example = _first_valid([row] if (row := example_row(model)) else [], model.schema)
        why = "and none could be made that it predicts"
    if example is None:
        raise Untestable(f"the model at {location} has no input example that is a valid event, {why}")
    return example


def merged(events: Sequence[bytes]) -> bytes:
    """
    Return one event with the fields of all *events*. The last value of a field counts.

    >>> merged([b'{"ride":{"a":1},"ride_id":"s"}', b'{"ride":{"b":2},"ride_id":"s"}'])
    b'{"ride":{"a":1,"b":2},"ride_id":"s"}'
    """
    fields: dict[str, Any] = {}
    for event in events:
        for name, value in json.loads(event).items():
            both = isinstance(value, dict) and isinstance(fields.get(name), dict)
            fields[name] = {**fields[name], **value} if both else value
    return msgspec.json.encode(fields)
