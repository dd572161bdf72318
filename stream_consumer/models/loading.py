"""
An MLflow model directory → :class:`Model`: name, version, schema, predict.

The rule: loading is all or nothing and executes nothing from the file. scikit-learn models saved with skops are loaded
natively against an allow-list of ours; anything else can run code when it is loaded, so it is loaded only if the
settings pin its digest. A model that fails on its own input example is never served.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Model, Predict
from stream_consumer.models.description import Description, describe
from stream_consumer.models.files import default_s3, directory_digest, model_directory, private_copy, regular_file
from stream_consumer.models.flavours import load_pickle, load_pyfunc, load_skops, native

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def load_model(
    location: str,
    *,
    s3: Callable[[], "S3Client"],
    digest: str | None = None,
    version: str | None = None,
) -> Model:
    """
    Load and check the model at *location*.

    That is a directory, an ``s3://`` prefix or, where mlflow is installed, ``models:/…``.

    Args:
        location: Where the MLflow model directory (the one that holds ``MLmodel``) is.
        s3: Makes the client, if one is needed.
        digest: What :func:`directory_digest` must give.
        version: Overrides the version that predictions carry.

    Raises:
        ModelError: The model cannot be read, has no usable signature, was saved by another version of scikit-learn, is
            not the one that *digest* pins, or fails its self-check; the message says what to do.
    """
    try:
        with model_directory(location, s3) as found:
            # A model without a pin holds only data, so nothing depends on its digest.
            path, actual = private_copy(found) if digest is not None else (found, directory_digest(found))
            if digest is not None and digest != actual:
                raise ModelError(f"the model at {location} has the digest {actual}, but MODEL_DIGEST pins {digest}")
            description = describe(path, location)
            schema = EventSchema(description.columns)
            predict = _loader(description, location, pinned=digest is not None)(path, schema)
    except OSError as error:  # no permission, no room in the temporary folder, or none
        raise ModelError(f"the files of the model at {location} cannot be read: {error}") from error
    model = Model(
        name=description.name,
        version=version or description.version or actual[:12],
        location=location,
        digest=actual,
        schema=schema,
        predict=predict,
        categories=description.categories,
        example=_example(description.example, schema, location),
        expected=description.expected,
    )
    model.check()
    return model


class Chosen(Protocol):
    """What of the settings says which model it is."""

    @property
    def model_location(self) -> str: ...

    @property
    def model_digest(self) -> str | None: ...

    @property
    def run_id(self) -> str | None: ...


def chosen_model(chosen: Chosen, s3: Callable[[], "S3Client"] = default_s3) -> Model:
    """
    Load the model that the settings name.

    Raises:
        ModelError: See :func:`load_model`.
    """
    return load_model(chosen.model_location, s3=s3, digest=chosen.model_digest, version=chosen.run_id)


def _loader(description: Description, location: str, *, pinned: bool) -> Callable[[Path, EventSchema], Predict]:
    sklearn = description.sklearn
    if sklearn is None and not description.pyfunc:
        raise ModelError(
            f"the model at {location} has neither the flavour sklearn nor python_function; log it with one"
        )
    safe = sklearn is not None and sklearn.serialization_format == "skops"
    if not safe and not pinned:
        raise ModelError(
            f"loading the model at {location} can run code from its files; save it with "
            'mlflow.sklearn.log_model(…, serialization_format="skops"), or, if you trust it, pin it with MODEL_DIGEST'
        )
    if sklearn is None:
        return functools.partial(load_pyfunc, location=location)
    _check_version(sklearn.sklearn_version, location)
    file = sklearn.pickled_model

    def load(path: Path, schema: EventSchema) -> Predict:
        inside = regular_file(path, file, location)
        estimator = load_skops(inside, location) if safe else load_pickle(inside, location)
        return native(estimator, schema, location)

    return load


def _check_version(saved: str, location: str) -> None:
    installed = importlib.import_module("sklearn").__version__
    if saved.split(".")[:2] != installed.split(".")[:2]:
        raise ModelError(
            f"the model at {location} was saved by scikit-learn {saved} and this is {installed}; other minor versions "
            "may predict differently or not at all: train it again, or build the image with the version that saved it"
        )


def _example(rows: Sequence[Mapping[str, Any]], schema: EventSchema, location: str) -> Columns:
    """Return the input example by column, read as a ride event would be."""
    if not rows:
        return ()
    events = [schema.decode(msgspec.json.encode({"ride": row, "ride_id": 0})) for row in rows]
    for row, event in zip(rows, events, strict=True):
        if isinstance(event, InvalidRecord):
            raise ModelError(
                f"the model at {location} would refuse its own input example {row}: {event.path}: {event.detail}"
            )
    return [[getattr(event.ride, name) for event in events] for name in schema.fields]  # type: ignore[union-attr]
