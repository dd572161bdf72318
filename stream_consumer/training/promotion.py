"""
Whether a new model becomes champion.

One rule: it has to beat the present champion on the same rides; equal is not better. A champion that cannot be tested
is replaced, and the reason says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from stream_consumer.training.fit import Predict, evaluate
from stream_consumer.training.rides import Rides


@dataclass(frozen=True, slots=True)
class Champion:
    """The version of a registered model that the alias points at."""

    version: str
    uri: str


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion met in a test: its RMSE in minutes, or the fault that kept it from being tested."""

    version: str
    rmse: float | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new model becomes champion, and why, for a reader."""

    promoted: bool
    reason: str


def meet(champion: Champion, test: Rides, load: Callable[[str], Predict]) -> Rival:
    """Test *champion* on the rides of *test*; *load* makes a predictor of a model URI and may raise anything."""
    try:
        rmse = evaluate(load(champion.uri), test).rmse
    except Exception as error:  # noqa: BLE001 - the champion may be anybody's file, and its fault decides
        return Rival(champion.version, None, f"{type(error).__name__}: {error}")
    if not math.isfinite(rmse):
        return Rival(champion.version, None, "its predictions are not finite")
    return Rival(champion.version, rmse)


def judge(rmse: float, rival: Rival | None) -> Verdict:
    """The verdict on a model of *rmse* minutes."""
    if rival is None:
        return Verdict(promoted=True, reason="there was no champion")
    if rival.rmse is None:
        return Verdict(
            promoted=True,
            reason=f"champion version {rival.version} could not be tested and was replaced uncompared: {rival.fault}",
        )
    better = rmse < rival.rmse
    return Verdict(
        promoted=better,
        reason=f"RMSE {rmse:.4f} {'beats' if better else 'does not beat'} the {rival.rmse:.4f} of champion version "
        f"{rival.version} on the same rides",
    )
