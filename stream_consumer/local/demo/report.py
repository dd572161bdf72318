"""A run's report: one HTML file that needs nothing else, with the numbers and what they look like."""

import base64
import html
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stream_consumer.local.demo.run import Outcome

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .15rem 1rem .15rem 0; text-align: left; vertical-align: top }
td:last-child { font-variant-numeric: tabular-nums }
figure { margin: 1rem 0 } img { max-width: 100%; background: white; border-radius: 4px }
.bad { color: #c00; font-weight: bold } .good { color: #080 }
"""


def render(
    outcome: Outcome, about: Iterable[tuple[str, str]], rows: Iterable[tuple[str, str]], drift: Iterable[str]
) -> str:
    """Return the report: *about* says what was run, *rows* are the summary's, *drift* is HTML."""
    verdict = (
        "".join(f'<p class="bad">{html.escape(fault)}</p>' for fault in outcome.faults)
        or '<p class="good">Every record that was put came out as a prediction or as a dead letter.</p>'
    )
    compared = [
        ("Predicted against actual duration", _predicted_against_actual, "On the dashed line a prediction is exact."),
        ("Error", _errors, "Predicted minus actual: right of zero the model promised too long a ride."),
    ]
    timed = [
        ("Put-to-prediction latency", _latencies, "From the put of a record to the read of its prediction."),
        ("Latency over the run", _latency_over_time, "A line that climbs is a consumer that falls behind."),
    ]
    figures = "".join(
        f"<h2>{title}</h2><figure><img alt='{title}' src='data:image/png;base64,{_png(draw, outcome)}'>"
        f"<figcaption>{caption}</figcaption></figure>"
        for title, draw, caption in (compared if len(outcome.actual) else [])
        + (timed if len(outcome.latencies) else [])
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>stream-consumer: demo report</title><style>{_STYLE}</style>"
        f"<h1>Events in, predictions out</h1>{verdict}{_table(about)}<h2>Summary</h2>{_table(rows)}"
        f"{''.join(drift)}"
        f"{figures}</html>"
    )


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _png(draw: Callable[[Any, Outcome], None], outcome: Outcome) -> str:
    figure = Figure(figsize=(8, 4.2), dpi=110, layout="constrained")
    draw(figure.subplots(), outcome)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


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
    axes.hist(outcome.latencies * 1000, bins=80)
    for percentile in (50, 95, 99):
        value = float(np.percentile(outcome.latencies, percentile)) * 1000
        axes.axvline(value, linestyle="--", color="tab:red", linewidth=1)
        axes.annotate(
            f"p{percentile} {value:.0f} ms", (value, 0.97), xycoords=("data", "axes fraction"), rotation=90, va="top"
        )
    axes.set(xlabel="milliseconds", ylabel="predictions")


def _latency_over_time(axes: Any, outcome: Outcome) -> None:
    axes.plot(outcome.read_at, outcome.latencies * 1000, ",", alpha=0.6)
    axes.set(xlabel="seconds into the run", ylabel="latency (milliseconds)")
    axes.set_ylim(bottom=0)
