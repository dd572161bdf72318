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

_LACKING: Mapping[str, tuple[int, ...]] = {
    "columns/unsigned, skops": (5, 7),
    "columns/unsigned, pickle, columns set": (5, 7),
    "columns/remainder passthrough, unsigned": (5, 7),
    "estimators/forest, unsigned, on a frame": (3, 5),
    "estimators/forest, unsigned, on an array": (3, 5),
    "estimators/linear, pickle, unsigned": (5,),
    "estimators/forest, autologged on an array": (5,),
    "estimators/two labels": (3, 5),
    "estimators/imputer by rounds": (3,),
    "estimators/missing numbers that boosting takes": (5,),
    "texts/words, columns set": (5, 7),
    "texts/dicts, columns set": (5, 7),
    "signatures/tensor, columns set": (3, 5),
    "signatures/tensor, names known": (5,),
    "signatures/example as a dict": (5,),
    "signatures/example as an array": (5,),
    "signatures/example with gaps": (3, 5),
    "signatures/numbered columns": (5,),
    "signatures/code that travels": (4,),
    "signatures/code that travels and calls pandas": (4, 7),
    "pyfunc/list of integers": (9,),
    "pyfunc/frame of two columns": (9,),
    "pyfunc/list of dicts": (9,),
    "pyfunc/list of texts": (9,),
    "pyfunc/array of flags": (9,),
    "pyfunc/unsigned, columns set": (5,),
    "pyfunc/hinted dicts": (5,),
    "pyfunc/hinted texts": (5,),
    "foreign/xgboost": (6,),
    "foreign/xgboost labels": (6, 9),
    "foreign/xgboost booster": (6,),
    "foreign/lightgbm": (6,),
    "foreign/lightgbm labels": (6, 9),
    "foreign/catboost": (6,),
    "foreign/onnx": (5, 6),
    "broken/unfitted": (1,),
    "broken/pipeline unfitted": (1,),
    "broken/fewer features than the signature": (1,),
    "broken/no columns known": (5,),
    "broken/python model that fails on every row": (1,),
}

MENDED_BY: Mapping[str, str] = {
    name: "issue 12: " + "; ".join(f"{point} ({_POINTS[point]})" for point in points)
    for name, points in _LACKING.items()
}
