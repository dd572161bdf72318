"""
Decide whether a new model becomes champion.

The rule: the new model must be proven better than the present champion on rides that neither model was trained on. A
champion that cannot be tested cannot be served either. Such a champion is replaced, and the reason says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import ModelError, PinNeeded, described
from stream_consumer.training.fit import Predict
from stream_consumer.training.holdout import MINIMUM_RIDES, full_periods
from stream_consumer.training.proof import LEAST_DAYS, MOST_WORSE, Comparison, compare
from stream_consumer.training.record import TrainingRecord, distinct, record_of
from stream_consumer.training.rides import Rides
from stream_consumer.training.trial import Trial


@dataclass(frozen=True, slots=True)
class Champion:
    """The present champion, and the record of its training if known."""

    version: str
    uri: str
    record: TrainingRecord | None = None
    digest: str | None = None
    """Expected digest of the model's files, if known."""


@dataclass(frozen=True, slots=True)
class Rival:
    """
    The champion in a test: the comparison, or the reason for its absence.

    ``fault`` is a fault of the champion. ``unproven`` says why the test rides prove nothing.
    """

    version: str
    comparison: Comparison | None = None
    fault: str = ""
    unproven: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new model becomes champion, and the reason, for people."""

    promoted: bool
    reason: str


def meet(champion: Champion, trial: Trial, load: Callable[[str], Predict]) -> Rival:
    """
    Test *champion* against the model of *trial*. *load* makes a predictor from a model URI.

    Raises:
        ModelError: A store does not deliver the champion's files.
        OSError: This machine cannot store the files, for example because its disk is full.
        MemoryError: The files do not fit into memory. Any other exception counts as the champion's fault.
    """
    version = champion.version
    try:
        predict = load(champion.uri)
        finite = np.isfinite(predict(trial.test.matrix())).all()
    except PinNeeded as error:  # consumers may serve this model with a pin, and training has none
        return Rival(version, unproven=f"training loads no model that needs a pin, and {error}")
    except Exception as error:
        if _is_ours(error) or (isinstance(error, ModelError) and error.__cause__ and _is_ours(error.__cause__)):
            raise
        return Rival(version, fault=described(error))  # the champion may be any file, and its fault decides
    if not finite:
        return Rival(version, fault="its predictions are not finite")
    if champion.record is None:
        return Rival(version, unproven="nothing tells which rides it was trained on")
    rides = distinct(champion.record.unseen(record_of(trial).unseen(trial.test)))
    days = len(full_periods(rides, "D"))
    if len(rides) < MINIMUM_RIDES or days < LEAST_DAYS:
        return Rival(version, unproven=_too_few(champion.record, trial.test, rides, days))
    ours, theirs = trial.fitted.model.predict(rides.matrix()), predict(rides.matrix())
    return Rival(version, compare(rides, ours, theirs, seed=trial.seed))


def _is_ours(error: BaseException) -> bool:
    """Whether *error* comes from a store or from this machine, and proves nothing about the champion."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
        return False  # the champion lacks files
    return isinstance(error, (BotoCoreError, Boto3Error, ClientError, OSError, MemoryError))


def _too_few(record: TrainingRecord, test: Rides, left: Rides, days: int) -> str:
    seen = len(test) - len(record.unseen(test))
    trained = f"it was trained on {seen:,} of the {len(test):,} rides of the test, and " if seen else ""
    return (
        f"{trained}the {len(left):,} rides of {days} full days that neither model was trained on are too few: "
        f"{MINIMUM_RIDES} of {LEAST_DAYS} days are the least"
    )


def judge(rival: Rival | None, unfit: str) -> Verdict:
    """Return the verdict on a model that met *rival*. *unfit* says why its files cannot be served, or is empty."""
    if unfit:
        return Verdict(promoted=False, reason=f"the saved model cannot be served: {unfit}")
    if rival is None:
        return Verdict(promoted=True, reason="there was no champion")
    champion = f"champion version {rival.version}"
    if rival.fault:
        return Verdict(
            promoted=True, reason=f"{champion} could not be tested and was replaced uncompared: {rival.fault}"
        )
    if rival.comparison is None:
        return Verdict(
            promoted=False,
            reason=f"{champion} could not be compared: {rival.unproven}; test on newer rides, or decide yourself with "
            "`stream-consumer model promote`",
        )
    return _compared(champion, rival.comparison)


def _compared(champion: str, seen: Comparison) -> Verdict:
    better = seen.upper_bound < 0
    reason = (
        f"RMSE {seen.rmse:.4f} {'beats' if better else 'does not beat'} the {seen.champion_rmse:.4f} of {champion} on "
        f"{seen.rides:,} rides of {seen.days} full days that neither was trained on: the difference is at most "
        f"{seen.upper_bound:+.4f} with 95 % confidence"
    )
    if better and seen.worse:
        worst = max(seen.worse, key=lambda group: group.rmse / max(group.champion_rmse, 1e-9))
        others = f" and {len(seen.worse) - 1} more" if len(seen.worse) > 1 else ""
        reason += f", but is more than {MOST_WORSE:.0%} worse for {worst}{others}"
    return Verdict(promoted=better and not seen.worse, reason=reason)
