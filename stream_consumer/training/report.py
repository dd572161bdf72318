"""
The report of a training: a self-contained HTML file with its plots.

The report shows the rides for training and testing, the verdict, and the errors against the champion, zone by zone.
"""

import base64
import html
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from stream_consumer.training.plots import evaluation_plots
from stream_consumer.training.promotion import Rival, Verdict
from stream_consumer.training.proof import Comparison
from stream_consumer.training.trial import Trial

REPORT = "report.html"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}"
    "td,th{padding:.15rem 1rem .15rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "img{max-width:100%;background:white}"
)
_DOTS_PER_INCH = 80


@dataclass(frozen=True, slots=True)
class Report:
    """The page, and its plots as PNG, by artifact name."""

    page: str
    plots: Mapping[str, bytes]


def report_of(title: str, trial: Trial, rival: Rival | None, verdict: Verdict) -> Report:
    """Return the report on the model of *trial*, with the heading *title*."""
    predicted = trial.fitted.model.predict(trial.test.matrix())
    plots = {name: _png(figure) for name, figure in evaluation_plots(trial.test, predicted).items()}
    images = "".join(
        f"<p><img alt='{html.escape(name)}' src='data:image/png;base64,{base64.b64encode(content).decode()}'></p>"
        for name, content in plots.items()
    )
    compared = _against(rival.comparison) if rival and rival.comparison else ""
    page = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width,initial-scale=1'><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{_table(_facts(trial, verdict))}{compared}"
        f"<h2>On the {len(trial.test):,} rides of the test</h2>{images}</html>"
    )
    return Report(page, plots)


def _facts(trial: Trial, verdict: Verdict) -> list[Iterable[str]]:
    baseline = f"{trial.baseline.rmse:.2f}, within bounds {trial.bounded_baseline.rmse:.2f}"
    return [
        ("verdict", "champion" if verdict.promoted else "candidate"),
        ("reason", verdict.reason),
        ("rides", trial.origin),
        ("trained on", f"{trial.training_rides:,} (seed {trial.seed})"),
        ("held out", f"{len(trial.test):,}: {trial.holdout}"),
        ("RMSE", f"{trial.model.rmse:.2f} min (the linear baseline {baseline})"),
        ("MAE, R²", f"{trial.model.mae:.2f} min, {trial.model.r2:.3f}"),
    ]


def _against(seen: Comparison) -> str:
    rows: list[Iterable[str]] = [("rides that begin or end there", "number", "RMSE", "RMSE of the champion", "change")]
    rows += [
        (
            group.name,
            f"{group.rides:,}",
            f"{group.rmse:.2f}",
            f"{group.champion_rmse:.2f}",
            f"{group.rmse / group.champion_rmse - 1:+.1%}" if group.champion_rmse else "",
        )
        for group in sorted(seen.groups, key=lambda group: -group.rides)
    ]
    return (
        f"<h2>Against the champion</h2><p>On {seen.rides:,} rides of {seen.days} full days that neither was trained "
        f"on: RMSE {seen.rmse:.4f}, that of the champion {seen.champion_rmse:.4f}, the difference at most "
        f"{seen.upper_bound:+.4f} with 95 % confidence.</p>{_table(rows)}"
    )


def _table(rows: Iterable[Iterable[str]]) -> str:
    return f"<table>{''.join(f'<tr>{_cells(row)}</tr>' for row in rows)}</table>"


def _cells(row: Iterable[str]) -> str:
    return "".join(f"<td>{html.escape(value)}</td>" for value in row)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DOTS_PER_INCH)
    return file.getvalue()
