"""A run's report: one HTML file without other files, with numbers and plots."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from stream_consumer.contract.printable import printable
from stream_consumer.local.demo.run import Outcome
from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter
from stream_consumer.reporting import markup

_DARK: dict[str, Any] = {"figure.facecolor": "#0d1117", "axes.facecolor": "#0d1117", "savefig.facecolor": "#0d1117"}
_SAMPLES = 5
_NEXT = (
    "Your own model and events: stream-consumer demo --model LOCATION --events FILE (docs/your-model.md).",
    "Malformed records, and processes as on Lambda: make demo DEMO_ARGS='--malformed 1% --runtime'.",
    "Predictions by HTTP: stream-consumer serve --model models:/ride-duration@champion (docs/web.md).",
    "An environment on AWS: make bootstrap ENV=dev, then make deploy ENV=dev MODEL=LOCATION (infra/README.md).",
)


def render(
    outcome: Outcome, about: Iterable[tuple[str, str]], rows: Iterable[tuple[str, str]], drift: Iterable[str]
) -> str:
    """Return the report. *about* describes the run, *rows* are the summary's rows, and *drift* is HTML."""
    verdict = [markup.paragraph(fault, "bad") for fault in outcome.faults] or [
        markup.paragraph("Every record that was put came out as a prediction or as a dead letter.", "good")
    ]
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    body = [
        *verdict,
        markup.table("What was run", ("what", "value"), [*about, ("made", made)]),
        markup.heading(2, "Summary"),
        markup.table("What came out", ("what", "value"), rows),
        *drift,
        *_samples(outcome),
        *_figures(outcome),
        markup.heading(2, "What next"),
        *map(markup.paragraph, _NEXT),
    ]
    return markup.page("Events in, predictions out", body)


def _samples(outcome: Outcome) -> Iterator[str]:
    if outcome.predictions:
        first = [(f"{each.id}", f"{each.value}", each.event_id or "") for each in outcome.predictions[:_SAMPLES]]
        yield markup.heading(2, "The first predictions")
        yield _table("As they were read", ("identifier", "prediction", "event id"), first)
    if outcome.letters:
        yield markup.heading(2, "Some dead letters")
        rows = [
            (letter.partition_key or "", letter.reason, f"{letter.path}: {letter.detail}", letter.event_id or "")
            for letter in _of_each_reason(outcome.letters)
        ]
        yield _table(
            f"{len(rows)} of {len(outcome.letters):,}, of each reason",
            ("partition key", "reason", "message", "event id"),
            rows,
        )


def _of_each_reason(letters: Sequence[StoredDeadLetter]) -> list[StoredDeadLetter]:
    """Return samples of *letters*, the first of each reason before others."""
    seen: Counter[str] = Counter()
    ranked = []
    for at, letter in enumerate(letters):
        ranked.append((seen[letter.reason], at))
        seen[letter.reason] += 1
    return [letters[at] for _, at in sorted(ranked)[:_SAMPLES]]


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of what producers wrote, in which nothing reorders or hides its neighbours."""
    return markup.table(caption, head, [[printable(cell) for cell in row] for row in rows])


def _figures(outcome: Outcome) -> Iterator[str]:
    compared = [
        ("Predicted against actual duration", _predicted_against_actual, "On the dashed line a prediction is exact."),
        ("Error", _errors, "Predicted minus actual: right of zero the model promised too long a ride."),
    ]
    timed = [
        (
            "Put-to-prediction latency",
            _latencies,
            "The share of predictions that were read within this time after the put of their record.",
        ),
        ("Latency over the run", _latency_over_time, "A line that climbs is a consumer that falls behind."),
    ]
    shown = (compared if len(outcome.actual) else []) + (timed if len(outcome.latencies) else [])
    for title, draw, caption in shown:
        light = _png(draw, outcome)
        with style.context(["dark_background", _DARK]):
            dark = _png(draw, outcome)
        yield markup.heading(2, title)
        yield (
            f"<figure><picture><source media='(prefers-color-scheme: dark)' srcset='{dark}'>"
            f"<img alt='{title}: {caption}' src='{light}'></picture><figcaption>{caption}</figcaption></figure>"
        )


def _png(draw: Callable[[Any, Outcome], None], outcome: Outcome) -> str:
    figure = Figure(figsize=(8, 4.2), dpi=110, layout="constrained")
    draw(figure.subplots(), outcome)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _predicted_against_actual(axes: Any, outcome: Outcome) -> None:
    axes.hexbin(
        outcome.actual,
        outcome.predicted_numbers,
        gridsize=60,
        extent=(0, 60, 0, 60),
        bins="log",
        cmap="viridis",
    )
    axes.plot([0, 60], [0, 60], "--", color="tab:red", linewidth=1)
    axes.set(xlabel="actual (minutes)", ylabel="predicted (minutes)")


def _errors(axes: Any, outcome: Outcome) -> None:
    error = outcome.predicted_numbers - outcome.actual
    axes.hist(np.clip(error, -30, 30), bins=80)
    axes.axvline(0, linestyle="--", color="tab:red", linewidth=1)
    axes.set(xlabel="predicted less actual (minutes)", ylabel="rides")


def _latencies(axes: Any, outcome: Outcome) -> None:
    # A share of predictions, since a few slow ones would squeeze the bars of a histogram.
    axes.ecdf(outcome.latencies * 1000, linewidth=2.5)
    for percentile, line in ((50, "-"), (95, "--"), (99, ":")):
        value = float(np.percentile(outcome.latencies, percentile)) * 1000
        axes.axvline(value, linestyle=line, color="tab:red", linewidth=1.5, label=f"p{percentile}: {value:,.0f} ms")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    axes.set(xlabel="milliseconds", ylabel="share of predictions", ylim=(0, 1.02))
    axes.set_xlim(left=0)


def _latency_over_time(axes: Any, outcome: Outcome) -> None:
    axes.plot(outcome.read_at, outcome.latencies * 1000, ".", markersize=8, alpha=0.4)
    axes.grid(alpha=0.3)
    axes.set(xlabel="seconds into the run", ylabel="latency (milliseconds)")
    axes.set_ylim(bottom=0)
