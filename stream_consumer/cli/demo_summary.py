"""What the demo says of a run: a summary in rows, as JSON, and in the report."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_consumer.cli.drift_table import HEAD, advice, drift_rows, ringing
from stream_consumer.cli.own_model import prediction_rows
from stream_consumer.contract.printable import printable

if TYPE_CHECKING:
    from stream_consumer.local.demo.monitoring import Monitored
    from stream_consumer.local.demo.run import Outcome
    from stream_consumer.monitor.drift import Limits


@dataclass(frozen=True, slots=True)
class DriftSummary:
    """The drift of a run, by its limits; without a monitor the reason why there is none."""

    found: "Monitored | None"
    limits: "Limits"
    reason: str

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Cells of each column, below the head of a drift table; none without rows."""
        return drift_rows(self.found.drifts, self.limits) if self.found else []

    @property
    def ringing(self) -> list[str]:
        """Names of the columns that ring."""
        return ringing(self.found.drifts, self.limits) if self.found else []

    @property
    def advice(self) -> str:
        return advice(self.found.drifts, self.limits) if self.found else self.reason

    def html(self) -> list[str]:
        """Return the same for the report."""
        from stream_consumer.reporting.markup import heading, paragraph, table

        limits = HEAD.index("limits")  # in the caption, so that a telephone has room for the verdict
        rows = [[printable(cell) for at, cell in enumerate(row) if at != limits] for row in self.rows]
        head = [name for name in HEAD if name != "limits"]
        caption = f"How far the rows of the run are from those that the model was trained on (limits: {self.limits})"
        shown = [table(caption, head, rows, map(printable, self.ringing))] if rows else []
        return [heading(2, "Drift"), *shown, paragraph(printable(self.advice), "bad" if self.ringing else "")]

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON."""
        if not self.found:
            return {"columns": [], "advice": self.advice}
        columns = [
            {"column": one.bins.title, "rows": one.rows, "size": one.size, "z": one.z, "rings": one.rings(self.limits)}
            for one in self.found.drifts
        ]
        counted = {name: getattr(self.found, name) for name in ("windows", "records", "invalid", "skipped")}
        limits = {"size": self.limits.size, "z": self.limits.z}
        return {"columns": columns, "limits": limits, **counted, "advice": self.advice}


def summary(outcome: "Outcome", name: str, found: "Monitored | None") -> list[tuple[str, str]]:
    """Return the summary of a run as rows; *name* is the prediction's."""
    dead = sum(outcome.dead_letters.values())
    by_reason = ", ".join(f"{count:,} {reason.value}" for reason, count in outcome.dead_letters.items() if count)
    came_out = f"{outcome.predicted:,} + {dead:,} + {outcome.discarded:,}"
    rows = [
        ("put", f"{outcome.put:,} ({outcome.put_again:,} put again)"),
        ("predictions", f"{outcome.predicted:,} ({outcome.duplicates:,} duplicates left out)"),
        ("dead letters", f"{dead:,}" + (f": {by_reason}" if by_reason else "")),
        ("discarded", f"{outcome.discarded:,}"),
        (
            "adds up",
            "no" if outcome.faults else f"yes: {outcome.put:,} = {came_out}",
        ),
        ("throughput", f"{outcome.records_per_second:,.0f} records/s over {outcome.seconds:.1f} s"),
    ]
    if outcome.out_of_order is not None:
        rows.append(("order", "kept for each key" if not outcome.out_of_order else f"{outcome.out_of_order:,} late"))
    if len(outcome.latencies):
        p50, p95, p99 = (f"{value * 1000:,.0f}" for value in np.percentile(outcome.latencies, (50, 95, 99)))
        rows.append(("put-to-prediction", f"p50 {p50} ms, p95 {p95} ms, p99 {p99} ms"))
    if len(outcome.actual):
        rows.append(("RMSE", f"{outcome.rmse:.2f} min against the true durations"))
    else:
        rows += [("commonest fault", outcome.fault)] if outcome.fault else []
        rows += prediction_rows(outcome.predictions, name)
    invocations = f"{outcome.invocations:,}, {outcome.metrics.get('ModelTime', 0):,.0f} ms in the model"
    if os.environ.get("CHALLENGER_LOCATION"):
        rows.append(("challenger", _challenger(outcome.metrics)))
    if outcome.failed_invocations:
        rows.append(("failed invocations", f"{outcome.failed_invocations:,}, the last with {outcome.last_error}"))
    rows.append(("invocations", f"{invocations}, {outcome.metrics.get('EntriesResent', 0):,.0f} entries resent"))
    return [*rows, ("monitor", _monitor(found))] if found else rows


def _monitor(found: "Monitored") -> str:
    failed = f", last failed with {found.last_error}" if found.last_error else ""
    return (
        f"{found.records:,} records in {found.windows:,} windows: {found.invalid:,} invalid, "
        f"{found.skipped:,} not profiled{failed}"
    )


def _challenger(sums: Mapping[str, float]) -> str:
    compared, disagreements, failures, skipped = (
        f"{sums.get(f'Challenger{name}', 0):,.0f}" for name in ("Compared", "Disagreements", "Failures", "Skipped")
    )
    return f"{compared} compared, {disagreements} of them disagree, {failures} failed, {skipped} skipped"


def facts(outcome: "Outcome", about: Sequence[tuple[str, str]], drift: DriftSummary) -> dict[str, Any]:
    """Return what is to be known of a run as JSON."""
    percentiles = np.percentile(outcome.latencies, (50, 95, 99)) * 1000 if len(outcome.latencies) else ()
    return {
        "about": dict(about),
        "put": outcome.put,
        "put_again": outcome.put_again,
        "predicted": outcome.predicted,
        "duplicates": outcome.duplicates,
        "dead_letters": {reason.value: count for reason, count in outcome.dead_letters.items()},
        "discarded": outcome.discarded,
        "faults": outcome.faults,
        "seconds": outcome.seconds,
        "latency_ms": dict(zip(("p50", "p95", "p99"), map(float, percentiles), strict=False)),
        "rmse": outcome.rmse if len(outcome.actual) else None,
        "invocations": outcome.invocations,
        "failed_invocations": outcome.failed_invocations,
        "drift": drift.facts(),
    }
