"""
The reference of a model: the profile to compare later profiles with. The model's metadata carries the reference.

The rule: a profile in its bins has at most :data:`MOST_BYTES`, whatever the columns are. To fit, bins first become
coarser, and at last columns are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Model
from stream_consumer.outputs import Output
from stream_consumer.profiling.bins import Bins, Label, Sample, counter
from stream_consumer.profiling.profile import Profile, Profiler

MOST_BYTES = 5_000
"""Largest size in bytes of an encoded profile."""

MOST_ROWS = 10**9
"""Largest number of rows in a profile of at most :data:`MOST_BYTES`. No count has more digits."""

# Least size in bytes of a column in an encoded profile.
_LEAST_BYTES = 40
_MOST_LABELS = (64, 48, 32, 24, 16, 8, 4, 2)


def samples_of(
    columns: Sequence[Column], rows: Columns, predictions: Sequence[Any], categories: Mapping[str, Iterable[Label]]
) -> list[Sample]:
    """
    Return the samples of a reference: those of *columns*, then those of the prediction.

    Args:
        columns: Columns of the model's signature.
        rows: The values of each column.
        predictions: JSON values, of the same or of different rows.
        categories: Labels that the model's metadata declares, by column.
    """
    output = Output.of(predictions)
    inputs = zip(columns, rows, strict=True)
    outputs = zip(output.members(), output.parts(predictions), strict=True)
    return [
        *(Sample(column.name, column.type, values, categories.get(column.name, ())) for column, values in inputs),
        *(Sample(name, kind, values, predicted=True) for (name, kind), values in outputs),
    ]


def reference_of(samples: Sequence[Sample]) -> Profile:
    """Return the profile of *samples*. The bins follow from the samples."""
    chosen = _bins(samples)
    return Profile(tuple(bins for _, bins in chosen), tuple(counter(bins)(sample.values) for sample, bins in chosen))


def carried_by(model: Model) -> tuple[Profile, Profiler]:
    """
    Return the reference of *model*, and a profiler that counts later rows in the same bins.

    Raises:
        ModelError: The model has no reference, or the reference cannot be read.
    """
    if not model.reference:
        raise ModelError(no_reference(model.location))
    try:
        profile = Profile.decode(model.reference)
        return profile, Profiler(profile.bins, [column.name for column in model.schema.columns])
    except ValueError as error:
        raise ModelError(
            f"the reference profile of the model at {model.location} cannot be read: {error}; train or sign it again"
        ) from error


def no_reference(location: str) -> str:
    """Return the message about a model at *location* without a reference, with the remedy."""
    return (
        f"the model at {location} has no reference profile to compare rows with; train it again, or sign a copy with "
        f"`stream-consumer model sign {location} --example EVENTS --reference EVENTS -o DIR`"
    )


def _bins(samples: Sequence[Sample]) -> list[tuple[Sample, Bins]]:
    """Return the finest bins that fit, each with its sample."""
    # The prediction reflects all columns, so its bins are left out last.
    order = sorted(range(len(samples)), key=lambda at: not samples[at].predicted)[: MOST_BYTES // _LEAST_BYTES]
    samples = [samples[at] for at in sorted(order)]
    for most in _MOST_LABELS:
        bins = [sample.bins(most) for sample in samples]
        if _size(bins) <= MOST_BYTES:
            return list(zip(samples, bins, strict=True))
    kept, room = set[int](), MOST_BYTES
    for at in sorted(range(len(bins)), key=lambda at: not bins[at].predicted):
        room -= _size(bins[at : at + 1])
        if room < 0:
            break
        kept.add(at)
    return [(samples[at], bins[at]) for at in sorted(kept)]


def _size(bins: Sequence[Bins]) -> int:
    """Return the largest size in bytes of a profile in *bins*."""
    full = tuple(np.full(len(one.names), MOST_ROWS - 1) for one in bins)
    return len(Profile(tuple(bins), full).encode())
