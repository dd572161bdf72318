"""
The plots to log with a run.

The rule: figures are built as objects, never through pyplot. Pyplot has global state, and its back ends want a display.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stream_consumer.training.rides import Rides

_TENTHS = 10
_ZONES = 20
_DISTANCE_EDGES = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, np.inf)


def evaluation_plots(rides: Rides, predicted: NDArray[np.float64]) -> Mapping[str, Figure]:
    """Return the plots of the minutes *predicted* for *rides*, by artifact name."""
    actual = rides.duration
    error = np.abs(predicted - actual)
    return {
        "plots/predicted_vs_actual.png": _predicted_against_actual(actual, predicted),
        "plots/residuals.png": _residuals(predicted - actual),
        "plots/calibration.png": _calibration(actual, predicted),
        "plots/error_by_distance.png": _error_by_distance(rides.trip_distance, error),
        "plots/error_by_hour.png": _error_by_hour(rides.pickup_time, error),
        "plots/error_by_zone.png": _error_by_zone(rides.PULocationID, error),
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
    axes.hist(residuals, bins=100, histtype="stepfilled")  # one shape, not a hundred to lay out
    axes.axvline(0, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="predicted - actual (minutes)", ylabel="rides", title="Residuals")
    return figure


def _calibration(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> Figure:
    """
    Plot the mean actual duration in each tenth of the predictions.

    Above the line, rides take longer than predicted.
    """
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    tenths = np.array_split(np.argsort(predicted, kind="stable"), _TENTHS)
    points = np.array([(predicted[tenth].mean(), actual[tenth].mean()) for tenth in tenths if len(tenth)])
    axes.plot(points[:, 0], points[:, 1], marker="o")
    axes.axline((0, 0), slope=1, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="predicted (minutes)", ylabel="actual (minutes)", title="Calibration, by tenths of the predictions")
    return figure


def _error_by_distance(distance: NDArray[np.float64], error: NDArray[np.float64]) -> Figure:
    bins = {
        f"{low:g}-{high:g}" if np.isfinite(high) else f"{low:g}+": (distance >= low) & (distance < high)
        for low, high in pairwise(_DISTANCE_EDGES)
    }
    return _mean_errors({label: error[inside] for label, inside in bins.items()}, "trip distance (miles)", "distance")


def _error_by_hour(pickup: NDArray[np.datetime64], error: NDArray[np.float64]) -> Figure:
    hour = pickup.astype("datetime64[h]").astype(np.int64) % 24
    return _mean_errors({str(at): error[hour == at] for at in range(24)}, "hour of the pickup", "hour")


def _error_by_zone(zone: NDArray[np.int64], error: NDArray[np.float64]) -> Figure:
    zones, counts = np.unique(zone, return_counts=True)
    busiest = zones[np.argsort(-counts, kind="stable")][:_ZONES]
    title = f"pickup zone, the {_ZONES} busiest first"
    return _mean_errors({str(at): error[zone == at] for at in busiest}, title, "zone")


def _mean_errors(groups: Mapping[str, NDArray[np.float64]], about: str, by: str) -> Figure:
    """Draw the mean of each group that is not empty."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    means = {label: float(errors.mean()) for label, errors in groups.items() if len(errors)}
    axes.bar(list(means), list(means.values()))
    axes.set(xlabel=about, ylabel="mean absolute error (minutes)", title=f"Error by {by}")
    return figure
