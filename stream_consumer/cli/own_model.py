"""What the demo does with a model and events of its user's own, and how it sums up their predictions."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from stream_consumer.cli import options
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.contract.event_schema import EventSchema
    from stream_consumer.contract.prediction import Prediction
    from stream_consumer.local.demo.drifted_rides import Drifted
    from stream_consumer.local.demo.run import Plan

_SHOWN = 5
_LONGEST = 500
_LABELS = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the demo's options ask for."""

    limit: int
    malformed: str
    rate: float | None
    batch_size: int
    seed: int
    drift: "Drifted | None" = None

    @property
    def share(self) -> float:
        return options.share("--malformed", self.malformed)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model and what to put, with what to say of both."""

    directory: Path
    location: str
    reference: str
    """The model's reference profile; empty if it carries none."""
    plan: "Plan"
    about: list[tuple[str, str]]
    warnings: Sequence[str] = ()


@contextlib.contextmanager
def own_model(location: str, events: Path, wanted: Wanted) -> "Iterator[Prepared]":
    """
    Give the model at *location*, and the events of a file to put.

    Raises:
        InitError: The environment or the model is wrong.
        UsageError: The events cannot be used.
    """
    from stream_consumer.local.demo.malformed_events import UNDECODABLE, mixed_in
    from stream_consumer.local.demo.own_events import own_events, verdicts
    from stream_consumer.local.demo.run import Plan
    from stream_consumer.models.files import model_directory
    from stream_consumer.models.loading import load_directory
    from stream_consumer.settings import Settings

    settings = Settings.of(os.environ | {"MODEL_LOCATION": location})
    with model_directory(location, lambda: options.aws(None, None, None).s3) as directory:
        model = load_directory(directory, location, settings.choice)
        envelope = model.schema.envelope
        good = own_events(events, model.schema, wanted.limit)
        if verdicts(good, model.schema).total() == len(good):
            raise UsageError(f"--events {events}: {_first_fault(good[0].data, model.schema)}")
        entries, _ = mixed_in(good, wanted.share, wanted.seed, UNDECODABLE)
        spoiled = f", and {len(entries) - len(good):,} that are not JSON" if wanted.share else ""
        about = [
            ("model", f"{model.name}, version {model.version}, from {location}"),
            ("events", f"{len(good):,}, of {events}{spoiled}"),
            ("first event", good[0].data[:_LONGEST].decode(errors="replace")),
        ]
        expected = verdicts(entries, model.schema)
        plan = Plan(
            entries=entries, expected=expected, envelope=envelope, rate=wanted.rate, batch_size=wanted.batch_size
        )
        yield Prepared(directory, location, model.reference, plan, about)


def _first_fault(data: bytes, schema: "EventSchema") -> str:
    fault = schema.decode(data)
    return (
        f"no event is valid. The first event has a fault at {fault.path}: {fault.detail}. `stream-consumer model "
        "show` prints a valid event. ENTITY_FIELD, ID_FIELD and MODEL_COLUMNS set the names of its fields"
    )


def prediction_rows(predictions: "Sequence[Prediction]", name: str) -> list[tuple[str, str]]:
    """
    Return rows for the summary: mean and 95th percentile of numbers, a count of each label, and the first predictions.

    Several outputs have a row each, called by *name*, the prediction's, and the output's.
    """
    from stream_consumer.outputs import Output

    if not predictions:
        return []
    values = [prediction.value for prediction in predictions]
    output = Output.of(values)
    rows = list(zip(output.columns(name), map(_spread, output.parts(values)), strict=True))
    first = [msgspec.json.encode(made.prediction).decode() for made in predictions[:_SHOWN]]
    return rows + [("first read" if not number else "", text) for number, text in enumerate(first)]


def _spread(values: Sequence[Any]) -> str:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return f"mean {np.mean(values):.4g}, p95 {np.percentile(values, 95):.4g}"
    counts = Counter(value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values)
    common = [f"{label}: {count:,}" for label, count in counts.most_common(_LABELS)]
    return ", ".join(common) + (f", and {len(counts) - _LABELS:,} others" if len(counts) > _LABELS else "")
