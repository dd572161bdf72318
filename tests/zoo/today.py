"""
The models that are not served right today, each with the points of issue 12 that will mend it.

Whoever lands the last point of a model removes its line. A line that is no longer true fails the test (strict xfail).
"""

from collections.abc import Mapping

_POINTS = {
    1: "no model is ready that has not predicted",
    3: "skops loads scikit-learn's own types",
    4: "code that travels with a model is loaded",
    5: "columns come from settings or the estimator, and examples of any shape are read",
    6: "other flavours are served natively",
    7: "rows reach the estimator as it was fitted",
    8: "derived columns",
    9: "a prediction keeps its type and names",
}

_LACKING: Mapping[str, tuple[int, ...]] = {}

MENDED_BY: Mapping[str, str] = {
    name: "issue 12: " + "; ".join(f"{point} ({_POINTS[point]})" for point in points)
    for name, points in _LACKING.items()
}
