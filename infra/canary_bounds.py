"""
Comparing the predictions of two versions with the bounds of a canary.

The rule: a difference counts if it is large in its own unit, and clear of chance. With many batches any difference is
clear of chance, so this alone is not enough. If the live model is the new version's challenger, both have scored the
same records, and chance plays no part. A number that cannot be compared is a fault, never a pass.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from infra.canary_metrics import Line
from infra.publish import ReleaseFailed
from stream_consumer.telemetry import LARGEST_VALUE

FEWEST = 2
"""A variance needs two batches."""
CLEAR = 4.0
"""Standard errors. With normally distributed batch means, chance alone exceeds four once in 15,000 times."""
_LABEL = "Predictions."
_BOUND = re.compile(r"(\w+)=(\d+(?:\.\d+)?)(%?)")


@dataclass(frozen=True, slots=True)
class Bound:
    """The largest difference that passes, in the measure's unit or as a share of a prediction's size."""

    amount: float
    relative: bool

    def of(self, size: float) -> float:
        return self.amount * size if self.relative else self.amount


DEFAULTS: Mapping[str, Bound] = {
    "mean": Bound(0.1, relative=True),
    "p95": Bound(0.5, relative=True),
    "labels": Bound(0.1, relative=False),
    "disagreement": Bound(0.2, relative=False),
    "unseen": Bound(0.05, relative=False),
    "deadletters": Bound(0.05, relative=False),
}
_SHARES = {"labels", "disagreement", "unseen", "deadletters"}


def parse_bounds(text: str) -> dict[str, Bound]:
    """
    Return the bounds in *text*, such as ``mean=5% p95=12 unseen=1%``.

    Raises:
        ReleaseFailed: The name or the form of a bound is wrong.
    """
    bounds = {}
    for word in text.replace(",", " ").split():
        found = _BOUND.fullmatch(word)
        if not found or found[1] not in DEFAULTS:
            raise ReleaseFailed(
                f"BOUNDS={text!r}: {word!r} is not a bound; wanted {', '.join(DEFAULTS)}, each as mean=10% of a "
                "prediction's size or mean=2 in its unit"
            )
        percent = found[3] == "%"
        bounds[found[1]] = Bound(float(found[2]) / (100 if percent else 1), percent and found[1] not in _SHARES)
    return bounds


@dataclass(frozen=True, slots=True)
class Finding:
    """A measure of both versions. *live* is None if the measure is itself a difference of the two versions."""

    measure: str
    new: float
    live: float | None
    bound: float | None
    """None for a measure without a bound."""
    exceeded: bool

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.measure} is {self.new:.4g}, which cannot be compared"
        live = "," if self.live is None else f", and {self.live:.4g} on the live version:"
        return f"{self.measure} is {self.new:.4g}{live} beyond {self.bound:.4g}"


def findings(
    new: Sequence[Line], live: Sequence[Line], compared: Sequence[Line] | None, given: Mapping[str, Bound]
) -> list[Finding]:
    """
    Compare the batches of the *new* version with those of the *live* version.

    Args:
        new: The batches of the new version.
        live: The batches of the live version in the same minutes.
        compared: The challenger's lines, if the new version has the live model as its challenger. None without a
            challenger. Then the batches' own means are compared.
        given: Bounds to replace the defaults.
    """
    if no_numbers := [*_no_numbers("new", [*new, *(compared or ())]), *_no_numbers("live", live)]:
        return no_numbers
    bounds = {**DEFAULTS, **given}
    size = _size(live) or _size(new) or 1.0
    if compared is None:
        found = [*_means(new, live, bounds, size), *_labels(new, live, bounds["labels"].amount)]
    else:
        found = [*_paired(compared, bounds, size, numbers_disagree="disagreement" in given)] if compared else []
    unpredicted = _unpredicted(new, live, bounds["deadletters"].amount)
    return [*unpredicted, *found, *_unseen(new, live, bounds["unseen"].amount)]


def _no_numbers(side: str, lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the metrics that are NaN, infinite, or larger than a metric can be."""
    found = {name: value for line in lines for name, value in line.items() if not abs(value) <= LARGEST_VALUE}
    for name, value in found.items():
        yield Finding(f"the metric {name} of the {side} version", value, None, None, exceeded=True)


def _unpredicted(new: Sequence[Line], live: Sequence[Line], bound: float) -> Iterator[Finding]:
    """Compare the shares of records without a prediction. Without live batches, every such record counts."""
    measure = "the share of dead letters and unsettled records"
    mine, theirs = ([_unpredicted_share(line) for line in side if line["RecordsReceived"]] for side in (new, live))
    if mine and len(theirs) < FEWEST:
        yield Finding(measure, fmean(mine), None, bound, fmean(mine) > bound)
    elif mine:
        yield _compared(measure, mine, theirs, bound, only_more=True)


def _unpredicted_share(line: Line) -> float:
    lacking = line.get("DeadLetters", 0.0) + line.get("RecordsUnsettled", 0.0)
    return lacking / line["RecordsReceived"]


def _size(batches: Sequence[Line]) -> float:
    """Return the size of a prediction: mean or 95th percentile, so that a mean near zero does no harm."""
    return max((abs(_mean(batches, name)) for name in ("PredictionMean", "PredictionP95")), default=0.0)


def _mean(batches: Sequence[Line], name: str) -> float:
    values = [line[name] for line in batches if name in line]
    return fmean(values) if values else 0.0


def _paired(
    compared: Sequence[Line], bounds: Mapping[str, Bound], size: float, *, numbers_disagree: bool
) -> Iterator[Finding]:
    numbers = [line for line in compared if "ChallengerDifferenceMean" in line]
    if numbers:
        # The challenger is the live model, so the sign of its difference is reversed.
        mean, p95 = -_weighted(numbers, "ChallengerDifferenceMean"), _weighted(numbers, "ChallengerDifferenceP95")
        for measure, name, value in (
            ("the mean difference of the new predictions from the live ones", "mean", mean),
            ("the 95th percentile of the absolute difference", "p95", p95),
        ):
            bound = bounds[name].of(size)
            yield Finding(measure, value, None, bound, abs(value) > bound)
    total = sum(line["ChallengerCompared"] for line in compared)
    share = sum(line.get("ChallengerDisagreements", 0.0) for line in compared) / total
    bound = bounds["disagreement"].amount
    # Two numbers disagree beyond CHALLENGER_THRESHOLD, by default 0. So numbers count only if a threshold is set.
    decides = not numbers or numbers_disagree
    yield Finding("the share of records on which the versions disagree", share, None, bound, decides and share > bound)


def _weighted(lines: Sequence[Line], name: str) -> float:
    total = sum(line["ChallengerCompared"] for line in lines)
    return sum(line[name] * line["ChallengerCompared"] for line in lines) / total


def _means(new: Sequence[Line], live: Sequence[Line], bounds: Mapping[str, Bound], size: float) -> Iterator[Finding]:
    for measure, name, metric in (
        ("the mean prediction", "mean", "PredictionMean"),
        ("the 95th percentile of predictions", "p95", "PredictionP95"),
    ):
        sides = [[line[metric] for line in lines if metric in line] for lines in (new, live)]
        if all(sides):
            yield _compared(measure, sides[0], sides[1], bounds[name].of(size))
        elif sides[1] and _predicts(new):
            yield Finding(measure, math.nan, fmean(sides[1]), None, exceeded=True)


def _predicts(lines: Sequence[Line]) -> bool:
    return any(line.get("PredictionsPublished") for line in lines)


def _labels(new: Sequence[Line], live: Sequence[Line], bound: float) -> Iterator[Finding]:
    shares = [[_shares(line) for line in lines] for lines in (new, live)]
    mine, theirs = ([share for share in side if share] for side in shares)
    if mine and theirs:
        for label in sorted({label for share in [*mine, *theirs] for label in share}):
            sides = [[share.get(label, 0.0) for share in side] for side in (mine, theirs)]
            yield _compared(f"the share of the label {label}", sides[0], sides[1], bound)
    elif theirs and _predicts(new):
        yield Finding("the share of any label", math.nan, None, None, exceeded=True)


def _shares(line: Line) -> dict[str, float]:
    counts = {name.removeprefix(_LABEL): count for name, count in line.items() if name.startswith(_LABEL)}
    total = sum(counts.values())
    return {label: count / total for label, count in counts.items()} if total else {}


def _unseen(new: Sequence[Line], live: Sequence[Line], bound: float) -> Iterator[Finding]:
    sides = [
        [line.get("UnseenZones", 0.0) / line["RecordsReceived"] for line in lines if line["RecordsReceived"]]
        for lines in (new, live)
    ]
    if all(sides):
        yield _compared("unseen categories for each record", sides[0], sides[1], bound, only_more=True)


def _compared(
    measure: str, new: Sequence[float], live: Sequence[float], bound: float, *, only_more: bool = False
) -> Finding:
    difference = fmean(new) - fmean(live)
    large = difference > bound if only_more else abs(difference) > bound
    return Finding(measure, fmean(new), fmean(live), bound, large and _is_clear(difference, new, live))


def _is_clear(difference: float, new: Sequence[float], live: Sequence[float]) -> bool:
    """Whether the difference of two means of batches is clear of chance. With a single batch, false."""
    if min(len(new), len(live)) < FEWEST:
        return False
    error = math.sqrt(variance(new) / len(new) + variance(live) / len(live))
    return abs(difference) > CLEAR * error
