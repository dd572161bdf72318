"""
An entry of the zoo: a model that people log with MLflow, and what serving it must come to.

The rule: what is right is MLflow's own answer. Serving a model gives the values of ``mlflow.pyfunc``, or the model is
refused at init and the message names the remedy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model that a maker logged, with rows of its data."""

    location: str
    rows: Sequence[Mapping[str, Any]]
    """The rows as JSON values: what a producer of events sends."""
    expected: Sequence[Any]
    """The prediction of each row as a JSON value. Empty if the model must be refused."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The settings that serving this model needs, beside its location."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of the zoo."""

    name: str
    """``<kind>/<what is special>``."""
    make: Callable[[Path], Made]
    """Logs the model into a new folder."""
    refused: str | None = None
    """A part of the message that refuses the model at init. None if the model must be served."""
    lean: bool = True
    """Whether the model must be served without mlflow and pandas. False asks only for no harm without them."""
    needs: str | None = None
    """A library outside the lock, without which the model cannot be made."""

    @property
    def kind(self) -> str:
        return self.name.partition("/")[0]


SKLEARN = frozenset({"columns", "estimators", "texts", "signatures"})
"""The kinds that are scikit-learn models."""


class Verdict(StrEnum):
    """What came of one model behind one interface, in the order of the harm."""

    RIGHT = "right"
    REFUSED = "refused"
    SILENT = "silent"
    """It loads, and then every event is a dead letter."""
    WRONG = "wrong"
    """Another value, or dead letters for events that MLflow predicts."""
    CRASH = "crash"


def worst(verdicts: Iterable[str]) -> Verdict:
    return max(map(Verdict, verdicts), key=list(Verdict).index)
