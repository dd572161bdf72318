"""The report: one HTML page without other files."""

from collections.abc import Iterator

import numpy as np

from stream_consumer.contract.printable import printable
from stream_consumer.monitor.drift import DAY, LEAST_ROWS, NO_LIMITS, Drift
from stream_consumer.profiling.bins import Counts
from stream_consumer.quality.result import Errors
from stream_consumer.reporting.findings import LEAST_JUDGED, Findings
from stream_consumer.reporting.markup import Line, bars, charts, details, heading, page, paragraph, table

_BARS = 24
_WORST = 15


def render(findings: Findings) -> str:
    """Return the page on *findings*."""
    return page(
        "Is the model still right?",
        [*_summary(findings), *_drift(findings), *_errors(findings), *_groups(findings), *_distributions(findings)],
    )


_NOTHING_JUDGED = (
    "There is no verdict: the windows have too few rows or hours, or the reference is too small for the labels of the "
    "model, and no day has outcomes."
)


def _summary(findings: Findings) -> Iterator[str]:
    rings = findings.rings
    for sentence in rings:
        yield paragraph(printable(sentence), "bad")
    if not rings:
        yield paragraph("Nothing rings.", "good") if findings.are_judged else paragraph(_NOTHING_JUDGED)
    days = findings.days
    facts = [
        ("model", printable(findings.model)),
        ("days, in UTC", f"{findings.first} to {findings.last}"),
        ("windows", f"{sum(one.windows for one in days):,}, {sum(one.others for one in days):,} more of other models"),
        ("records", f"{sum(one.records for one in days):,}"),
        ("invalid", f"{sum(one.invalid for one in days):,}"),
        ("not profiled", f"{sum(one.skipped for one in days):,}"),
        ("days with outcomes", f"{len(findings.results):,}"),
    ]
    yield table("What this page is about", ("what", "value"), facts)


_WHEN_IT_RINGS = "A column rings if z is {0.z:g} or more and size is {0.size:g} or more, from {1} rows on."
_TOO_FEW_HOURS = "Its windows span too few hours: rides of a night differ from those of a noon, so nothing rings yet."


def _drift(findings: Findings) -> Iterator[str]:
    limits = findings.limits
    yield heading(2, "Drift")
    yield paragraph(
        "How far the rows of the period are from the reference, the rows that the model was trained on. "
        + (_TOO_FEW_HOURS if limits == NO_LIMITS else _WHEN_IT_RINGS.format(limits, LEAST_ROWS))
    )
    columns = [printable(one.bins.title) for one in findings.drifts]
    ringing = [name for name, one in zip(columns, findings.drifts, strict=True) if one.rings(limits)]
    rows = [
        (name, f"{one.rows:,}", f"{one.size:z.3f}", f"{one.z:z.1f}", one.verdict(limits))
        for name, one in zip(columns, findings.drifts, strict=True)
    ]
    yield table("Drift of the period", ("column", "rows", "size", "z", "verdict"), rows, ringing)
    yield heading(2, "Drift over time")
    yield paragraph(f"The size on each day. The dashed line is the limit of a day, {DAY.size:g}.")
    days = [f"{one.day}" for one in findings.days]
    by_column = [[found[at] for found in findings.daily] for at in range(len(columns))]
    yield charts(
        Line(name, days, [_size(one) for one in daily], DAY.size)
        for name, daily in zip(columns, by_column, strict=True)
    )
    table_rows = [
        (day, *("" if _size(one) is None else f"{one.size:z.3f}" for one in found))
        for day, found in zip(days, findings.daily, strict=True)
    ]
    yield details("The sizes as a table", table("Size by day", ("day", *columns), table_rows))


def _size(drift: Drift) -> float | None:
    return drift.size if drift.judged else None


def _errors(findings: Findings) -> Iterator[str]:
    yield heading(2, "Error over time")
    if not findings.results:
        yield paragraph("No day of the period has a result of `stream-consumer monitor quality`.")
        return
    by_day = {result.day: result for result in findings.results}
    days = [one.day for one in findings.days]
    errors = [by_day.get(day) for day in days]
    names = [f"{day}" for day in days]
    yield charts(
        line
        for line in (
            Line("RMSE", names, [one.errors.rmse if one else None for one in errors]),
            Line("bias", names, [one.errors.bias if one else None for one in errors]),
            Line("accuracy", names, [one.errors.accuracy if one else None for one in errors]),
            Line("coverage", names, [one.errors.coverage if one else None for one in errors]),
        )
        if any(value is not None for value in line.values)
    )
    rows = [(f"{result.day}", *_told(result.errors), ", ".join(result.rings)) for result in findings.results]
    marked = [f"{result.day}" for result in findings.results if result.rings]
    yield table(
        "Errors by day", ("day", *_ERRORS, "rings"), [[printable(cell) for cell in row] for row in rows], marked
    )


_ERRORS = ("predictions", "coverage", "RMSE", "MAE", "bias", "accuracy")


def _told(errors: Errors) -> tuple[str, ...]:
    """Return *errors* as cells below the heads ``_ERRORS``."""
    numbers = ["" if value is None else f"{value:.2f}" for value in (errors.rmse, errors.mae, errors.bias)]
    accuracy = "" if errors.accuracy is None else f"{errors.accuracy:.1%}"
    return f"{errors.predictions:,}", f"{errors.coverage:.1%}", *numbers, accuracy


def _groups(findings: Findings) -> Iterator[str]:
    worst = findings.worst[:_WORST]
    if not worst:
        return
    yield heading(2, "Worst groups")
    yield paragraph(
        f"The groups with the largest errors over the period, of {LEAST_JUDGED} judged predictions or more."
    )
    rows = [(printable(name) or "none", *_told(errors)) for name, errors in worst]
    yield table("Errors by group", ("group", *_ERRORS), rows)


def _distributions(findings: Findings) -> Iterator[str]:
    yield heading(2, "Distributions")
    yield paragraph("The share of the rows in each bin: of the reference, and of the period.")
    for bins, reference, counts in zip(
        findings.reference.bins, findings.reference.counts, findings.profile.counts, strict=True
    ):
        title = printable(bins.title)
        yield heading(3, title)
        yield bars(f"Shares of {title}", _shares([printable(name) for name in bins.names], reference, counts), _NAMES)


_NAMES = ("reference", "period")


def _shares(names: list[str], reference: Counts, counts: Counts) -> list[tuple[str, float, float]]:
    """Return the shares of the bins in order. With many bins, only those that are not empty and differ most."""
    both = [part / max(int(part.sum()), 1) for part in (reference, counts)]
    some = np.flatnonzero(both[0] + both[1])
    differing = some[np.argsort(-np.abs(both[0] - both[1])[some], kind="stable")][:_BARS]
    return [(names[at], float(both[0][at]), float(both[1][at])) for at in sorted(differing)]
