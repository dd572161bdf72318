"""The report of a canary: a line of progress at each look, and a table at the end."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from infra.canary_bounds import Bound, Finding, findings
from infra.canary_metrics import Line, MetricLines

_ABOUT_CHALLENGER = ("ChallengerCompared", "ChallengerDisagreements", "ChallengerFailures", "ChallengerSkipped")


@dataclass(frozen=True, slots=True)
class Side:
    """A consumer with two versions side by side, *new* and *live*."""

    name: str
    lines: MetricLines
    new: str
    live: str
    bounds: Mapping[str, Bound]
    has_challenger: bool
    """Whether the new version has the live model as its challenger."""
    least: int
    """Least number of batches for each version, or of compared batches for the challenger."""

    @property
    def new_batches(self) -> list[Line]:
        return self.lines.batches(self.new)

    @property
    def pairs(self) -> list[Line] | None:
        """The batches that the challenger compared, or None without a challenger."""
        return self.lines.compared(self.new) if self.has_challenger else None

    @property
    def live_batches(self) -> list[Line]:
        """Batches of the live version since the new version's first batch."""
        return self.lines.batches(self.live, since_ms=self.lines.first(self.new))

    def findings(self) -> list[Finding]:
        return findings(self.new_batches, self.live_batches, self.pairs, self.bounds)

    def exceeded(self) -> list[Finding]:
        """Return the findings beyond their bounds, if there are enough batches to tell."""
        pairs, others = self.pairs, self.live_batches
        if len(self.new_batches) < self.least or (pairs is None and len(others) < self.least):
            return []
        enough = pairs if pairs is None or len(pairs) >= self.least else []
        return [one for one in findings(self.new_batches, others, enough, self.bounds) if one.exceeded]

    def too_thin(self, minutes: float) -> str:
        """Return the reason if *minutes* gave too few batches to decide, otherwise an empty text."""
        given, live, pairs = len(self.new_batches), len(self.live_batches), self.pairs
        if given < self.least:
            return (
                f"the new version of {self.name} was given {given} of {self.least} batches in {minutes:g} minutes, "
                "so it proved too little: give it more minutes (LONGEST) or a larger share (CANARY), ask for fewer "
                "BATCHES, or deploy without a canary"
            )
        if pairs is not None:
            return self._too_few_pairs(pairs, minutes)
        if live < self.least:
            return (
                f"the live version of {self.name} was given {live} of {self.least} batches in {minutes:g} minutes, "
                "so there is too little to compare with: give the new version a smaller share (CANARY) or more "
                "minutes (LONGEST), ask for fewer BATCHES, or deploy without a canary"
            )
        return ""

    def _too_few_pairs(self, pairs: Sequence[Line], minutes: float) -> str:
        remedy = "the log of the function says why, or deploy without CHALLENGER"
        if len(pairs) < self.least:
            return (
                f"the challenger of {self.name} was compared in {len(pairs)} of {self.least} batches in {minutes:g} "
                f"minutes: {remedy}"
            )
        compared, predicted = _sum(pairs, "ChallengerCompared"), _sum(self.new_batches, "PredictionsPublished")
        if compared <= predicted / 2:
            lines = self.lines.challenges(self.new)
            return (
                f"the challenger of {self.name} was compared on {compared:g} of the {predicted:g} records that the new "
                f"version predicted in {minutes:g} minutes, which is not most of them (it failed on "
                f"{_total(lines, 'ChallengerFailures')} and was not shown {_total(lines, 'ChallengerSkipped')}): "
                f"{remedy}"
            )
        return ""


def progress(side: Side, since: timedelta) -> str:
    """Return a line about the progress of *side*."""
    new, live, pairs = side.new_batches, side.live_batches, side.pairs
    compared = "" if pairs is None else f", {len(pairs)} of them compared with the live model"
    return (
        f"canary, {since.total_seconds() / 60:.1f} min: {side.name}: {len(new)} batches of version {side.new}"
        f"{compared}, {len(live)} of version {side.live}"
    )


def table(sides: Iterable[Side], alarms: Collection[str]) -> str:
    """Return the table of the findings about *sides*."""
    lines = [f"canary: alarms that went off: {', '.join(sorted(alarms)) or 'none'}"]
    for side in sides:
        rows = [(side.name, f"version {side.new}", f"version {side.live}", "bound"), *_counts(side)]
        rows += [(one.measure, _number(one.new), _number(one.live), _number(one.bound)) for one in side.findings()]
        rows += _challenger(side)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return "\n".join(lines)


def _counts(side: Side) -> list[tuple[str, str, str, str]]:
    new, live = side.new_batches, side.live_batches
    return [
        ("batches", str(len(new)), str(len(live)), ""),
        ("records", _total(new, "RecordsReceived"), _total(live, "RecordsReceived"), ""),
    ]


def _challenger(side: Side) -> list[tuple[str, str, str, str]]:
    lines = side.lines.challenges(side.new)
    return [(name, _total(lines, name), "", "") for name in _ABOUT_CHALLENGER] if lines else []


def _total(lines: Sequence[Line], name: str) -> str:
    return f"{_sum(lines, name):g}"


def _sum(lines: Sequence[Line], name: str) -> float:
    return sum(line.get(name, 0.0) for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
