"""What a canary has seen of a consumer: a line at each look, and a table at the end."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from infra.canary_bounds import Bound, Finding, findings
from infra.canary_metrics import Line, MetricLines

_ABOUT_CHALLENGER = ("ChallengerCompared", "ChallengerDisagreements", "ChallengerFailures", "ChallengerSkipped")


@dataclass(frozen=True, slots=True)
class Side:
    """A consumer with two versions side by side: the *new* one and the *live* one."""

    name: str
    lines: MetricLines
    new: str
    live: str
    bounds: Mapping[str, Bound]
    has_challenger: bool
    """Whether the new version has the live model as its challenger."""

    @property
    def seen(self) -> int:
        """How many batches of the new version count."""
        return len(self.lines.compared(self.new) if self.has_challenger else self.lines.batches(self.new))

    @property
    def live_batches(self) -> list[Line]:
        """Those of the live version since the new version's first."""
        return self.lines.batches(self.live, since_ms=self.lines.first(self.new))

    def findings(self) -> list[Finding]:
        compared = self.lines.compared(self.new) if self.has_challenger else []
        return findings(self.lines.batches(self.new), self.live_batches, compared, self.bounds)

    def exceeded(self) -> list[Finding]:
        return [finding for finding in self.findings() if finding.exceeded]


def progress(side: Side, since: timedelta) -> str:
    """Return a line that says how far the canary of *side* is."""
    new, live = side.lines.batches(side.new), side.live_batches
    compared = f", {side.seen} of them compared with the live model" if side.has_challenger else ""
    return (
        f"canary, {since.total_seconds() / 60:.1f} min: {side.name}: {len(new)} batches of version {side.new}"
        f"{compared}, {len(live)} of version {side.live}"
    )


def table(sides: Iterable[Side], alarms: Collection[str]) -> str:
    """Return what was seen of each of *sides*."""
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
    new, live = side.lines.batches(side.new), side.live_batches
    return [
        ("batches", str(len(new)), str(len(live)), ""),
        ("records", _total(new, "RecordsReceived"), _total(live, "RecordsReceived"), ""),
    ]


def _challenger(side: Side) -> list[tuple[str, str, str, str]]:
    lines = side.lines.challenges(side.new)
    return [(name, _total(lines, name), "", "") for name in _ABOUT_CHALLENGER] if lines else []


def _total(lines: Sequence[Line], name: str) -> str:
    return f"{sum(line.get(name, 0.0) for line in lines):g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
