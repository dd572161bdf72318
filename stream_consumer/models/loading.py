"""
Load an MLflow model directory into a :class:`Model`: name, version, schema and predict function.

The rule: loading is all or nothing, and a loaded model has predicted. Files of pure data are loaded against an
allow-list. Any other file can run code on loading, and is loaded only if the settings pin its digest. Before a model is
served, it predicts its input example, or a row made for the model.
"""

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import ModelError, PinNeeded
from stream_consumer.model import Columns, Model
from stream_consumer.models.derived import derive
from stream_consumer.models.description import Description, describe
from stream_consumer.models.feeding import Signature
from stream_consumer.models.files import default_s3, directory_digest, model_directory, unchanging
from stream_consumer.models.flavours import Files, Loaded, add_code, flavour_of
from stream_consumer.models.input_example import rows_of
from stream_consumer.models.made_rows import is_certain, made_row
from stream_consumer.outputs import Output

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Choice:
    """Choices about a model from outside. By default the model's own files decide."""

    digest: str | None = None
    """The pin: the required result of :func:`directory_digest`."""
    version: str | None = None
    """Overrides the version in predictions."""
    envelope: Mapping[str, str] = field(default_factory=dict)
    """Overrides names of the envelope in the model's metadata, by field of :class:`Envelope`."""
    columns: Sequence[Column] = ()
    """The columns of a model logged without a signature of named columns."""


def load_model(location: str, *, s3: Callable[[], "S3Client"] = default_s3, choice: Choice | None = None) -> Model:
    """
    Load and check the model at *location*: a directory, an ``s3://`` prefix or, with mlflow installed, ``models:/…``.

    The location of a file ``champion.json`` stands for the model named in the file.

    With the *location* of a model of rides with the columns PULocationID, DOLocationID and trip_distance:

        >>> model = load_model(location)
        >>> [column.name for column in model.schema.columns]
        ['PULocationID', 'DOLocationID', 'trip_distance']
        >>> three_rides = [[130, 43, 7], [205, 151, 7], [3.66, 1.2, 8.2]]
        >>> [round(minutes, 1) for minutes in model.values(three_rides)]
        [12.3, 7.4, 21.4]

    Raises:
        ModelError: The model does not exist, or see :func:`load_directory`.
    """
    try:
        with model_directory(location, s3) as directory:
            return load_directory(directory, location, choice or Choice())
    except OSError as error:  # no permission, no space in the temporary folder, or no such folder
        raise ModelError(f"the files of the model at {location} cannot be read: {error}") from error


def load_directory(directory: Path, location: str, choice: Choice) -> Model:
    """
    Load and check the model in *directory*, the folder with ``MLmodel``. Messages refer to the model by *location*.

        >>> load_directory(Path(location), "s3://taxi/models/7", Choice(version="7")).version
        '7'

    Raises:
        ModelError: The model cannot be read, its columns are unknown, another version of scikit-learn saved it, its
            digest is not the pinned digest, or it cannot predict its example. The message has the remedy.
    """
    pinned = choice.digest is not None
    # A model without a pin holds only data, so nothing depends on its digest and its files need no private copy.
    if choice.digest is None:
        path, digest = directory, directory_digest(directory)
    else:
        path, digest = unchanging(directory, choice.digest)
    if pinned and digest != choice.digest:
        raise ModelError(f"the model at {location} has the digest {digest}, but MODEL_DIGEST pins {choice.digest}")
    description = describe(path, location)
    loaded = _loaded(path, location, description, pinned=pinned)
    columns = description.bounded(_columns(description, loaded, choice, location), location)
    schema = EventSchema(columns, Envelope(**msgspec.structs.asdict(description.envelope) | dict(choice.envelope)))
    rows = _rows(description, loaded, schema)
    signature = Signature(schema.columns, location, derive(description.derived, schema.columns, location))
    model = Model(
        name=description.name,
        version=choice.version or description.version or digest[:12],
        location=location,
        digest=digest,
        schema=schema,
        predict=loaded.predict(signature, rows.columns),
        names=description.outputs or loaded.classes,
        unit=description.unit,
        categories=description.categories,
        example=rows.columns,
        expected=description.expected if rows.complete else (),
        reference=description.reference,
        concurrent=loaded.concurrent,
    )
    return _checked(model, certain=rows.certain)


def _loaded(path: Path, location: str, description: Description, *, pinned: bool) -> Loaded:
    flavour = flavour_of(description.flavours, location)
    facts = description.flavours[flavour.name]
    if not pinned and not flavour.is_safe(facts):
        pin = f"if you trust it, pin it with MODEL_DIGEST, which `stream-consumer model {location}` prints"
        skops = 'save it with mlflow.sklearn.log_model(…, serialization_format="skops"), or, '
        remedy = f"{skops if flavour.name == 'sklearn' else ''}{pin}"
        raise PinNeeded(f"loading the model at {location} can run code from its files; {remedy}")
    if description.derived and flavour.name != "sklearn":
        raise ModelError(f"the model at {location} has derived columns, which only scikit-learn models are given")
    if pinned:
        add_code(description.flavours, path)
    method = str(description.flavours.get("python_function", {}).get("predict_fn", "predict"))
    return flavour.load(Files(path, location, facts, method, pinned))


def _columns(description: Description, loaded: Loaded, choice: Choice, location: str) -> Sequence[Column]:
    """Return the columns of the signature, else the columns in the settings, else the columns that the model knows."""
    columns = description.columns or choice.columns or loaded.columns
    if not columns:
        raise ModelError(
            f"the model at {location} has no signature of named columns, so there is nothing to decode events by; set "
            "MODEL_COLUMNS=NAME:TYPE,…, give the model a signature with mlflow.models.set_signature, or sign a copy "
            f"with `stream-consumer model sign {location} --example events.ndjson -o DIR`"
        )
    return columns


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows for checking a model."""

    columns: Columns
    complete: bool
    """Whether these are all rows of the input example."""
    certain: bool
    """Whether a model that cannot predict these rows is broken."""


def _rows(description: Description, loaded: Loaded, schema: EventSchema) -> _Rows:
    """Return the rows of the input example that are valid events, else a row made for the model."""
    names = [column.name for column in schema.columns]
    example = rows_of(description.example, names) if description.example else []
    valid = _decoded(example, schema)
    if valid:
        return _Rows(valid, complete=len(valid[0]) == len(example), certain=True)
    seen = loaded.seen(names)
    made = _decoded([made_row(schema.columns, seen, description.categories)], schema)
    return _Rows(made, complete=False, certain=is_certain(schema.columns, seen, description.categories))


def _decoded(rows: Sequence[Mapping[str, Any]], schema: EventSchema) -> Columns:
    """Return the valid rows, by column, decoded like events."""
    events = [schema.decode(schema.event(row, number)) for number, row in enumerate(rows, start=1)]
    valid = [event for event in events if not isinstance(event, InvalidRecord)]
    return [list(map(operator.attrgetter(name), valid)) for name in schema.fields] if valid else ()


def _checked(model: Model, *, certain: bool) -> Model:
    """Return *model* with the type of its predictions. If guessed rows failed, return *model* without example rows."""
    try:
        values = model.check()
    except ModelError:
        if certain:
            raise
        return dataclasses.replace(model, example=())
    model.check_another_size()
    return dataclasses.replace(model, output=Output.of(values)) if values else model
