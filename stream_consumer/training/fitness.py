"""
Check that the saved files of a model can be served: loaded as in serving, and within a budget of size and time.

Times are processor times, so that other work on the machine does not influence the result.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.models.loading import Choice, load_directory

_BATCH = 500
"""Number of rides, as in the larger part of a Lambda batch."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on the cost of a model in serving."""

    size: int = 50_000_000
    """Bytes of the model's files. The lean image and its packages have 420 MB together."""
    load_seconds: float = 5.0
    """Half of Lambda's init. Source: AWS Lambda developer guide, "Lambda execution environment lifecycle"."""
    ride_seconds: float = 0.0001
    """Time for each ride of a batch. At this speed a Lambda worker keeps up with the records of ten shards."""


DEFAULT_BUDGET = Budget()


def unfitness(directory: Path, budget: Budget) -> str:
    """Return why the model with files in *directory* must not be served. Empty if serving is allowed."""
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if size > budget.size:
        return f"its files have {size:,} bytes, and {budget.size:,} are allowed"
    begun = time.process_time()
    try:
        model = load_directory(directory, str(directory), Choice())
    except ModelError as error:
        return f"it cannot be loaded: {error}"
    loading = time.process_time() - begun
    if not model.expected:
        return "its files do not tell what it predicted for an input example when it was trained"
    if loading > budget.load_seconds:
        return f"loading it takes {loading:.3g} s of processor time, and {budget.load_seconds:g} s are allowed"
    per_ride = min(_seconds(model) for _ in range(_TRIES))
    if per_ride > budget.ride_seconds:
        return f"a ride takes it {per_ride * 1e6:.3g} µs, and {budget.ride_seconds * 1e6:g} µs are allowed"
    return ""


def _seconds(model: Model) -> float:
    """Return the processor seconds for each ride of a batch made from the model's example."""
    rows = [[column[number % len(column)] for number in range(_BATCH)] for column in model.example]
    begun = time.process_time()
    model.values(rows)
    return (time.process_time() - begun) / _BATCH
