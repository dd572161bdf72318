"""
The plots logged with a run.

One rule: figures are built as objects, never through pyplot, whose state is global and whose back ends want a display.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_DISTANCE_EDGES = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, np.inf)


def evaluation_plots(
    distance: NDArray[np.float64], actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> Mapping[str, Figure]:
    """By artifact name, the plots of *predicted* against *actual* minutes for rides of *distance* miles."""
    return {
        "plots/predicted_vs_actual.png": _predicted_against_actual(actual, predicted),
        "plots/residuals.png": _residuals(predicted - actual),
        "plots/error_by_distance.png": _error_by_distance(distance, np.abs(predicted - actual)),
    }


def _predicted_against_actual(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    end = float(max(actual.max(), predicted.max()))
    axes.hexbin(actual, predicted, gridsize=60, bins="log", mincnt=1, extent=(0, end, 0, end))
    axes.plot([0, end], [0, end], color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="actual (minutes)", ylabel="predicted (minutes)", title="Predicted against actual duration")
    return figure


def _residuals(residuals: NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.hist(residuals, bins=100)
    axes.axvline(0, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="predicted - actual (minutes)", ylabel="rides", title="Residuals")
    return figure


def _error_by_distance(distance: NDArray[np.float64], error: NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    labels, means = [], []
    for low, high in pairwise(_DISTANCE_EDGES):
        inside = (distance >= low) & (distance < high)
        if inside.any():
            labels.append(f"{low:g}-{high:g}" if np.isfinite(high) else f"{low:g}+")
            means.append(float(error[inside].mean()))
    axes.bar(labels, means)
    axes.set(xlabel="trip distance (miles)", ylabel="mean absolute error (minutes)", title="Error by distance")
    return figure
