"""
Make a row for a model logged without an input example, so that the model predicts a row before events arrive.

The values come from the fit of the estimator, else from the signature: types, bounds and categories.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from stream_consumer.contract.event_schema import NUMERIC, Column, limits_of

# Attributes of fitted scalers and imputers, with a value for each column.
_STATISTICS = ("statistics_", "mean_", "center_", "data_min_")


def seen_values(estimator: Any, columns: Sequence[str]) -> dict[str, Any]:
    """
    Return a value of each column from the fit of *estimator* or of its steps, as far as they keep one.

    >>> from sklearn.preprocessing import OneHotEncoder
    >>> seen_values(OneHotEncoder().fit([["north", 1], ["south", 2]]), ["side", "zone"])
    {'side': 'north', 'zone': 1}
    """
    seen: dict[str, Any] = {}
    for step, names in _steps(estimator, list(columns)):
        for name, value in zip(names, _values(step), strict=False):
            seen.setdefault(name, value)
    return {name: value for name, value in seen.items() if value is not None}


def made_row(columns: Sequence[Column], seen: Mapping[str, Any], known: Mapping[str, frozenset[Any]]) -> dict[str, Any]:
    """Return a value for each of *columns*: a *known* category, a *seen* value, or a value of the column's type."""
    return {column.name: _fitting(column, _first(known.get(column.name)), seen.get(column.name)) for column in columns}


def is_certain(columns: Sequence[Column], seen: Mapping[str, Any], known: Mapping[str, frozenset[Any]]) -> bool:
    """Whether a model must be able to predict the row, because no text in the row is a guess."""
    return all(column.type in NUMERIC or column.name in {*seen, *known} for column in columns)


def _steps(estimator: Any, names: list[str]) -> Iterator[tuple[Any, list[str]]]:
    """Yield the estimator and its steps that read the input's own columns, each with these columns."""
    fitted = getattr(estimator, "feature_names_in_", None)
    names = names if fitted is None else list(fitted)
    yield estimator, names
    if hasattr(estimator, "transformers_"):
        for _, transformer, chosen in estimator.transformers_:
            yield from _steps(transformer, _chosen(chosen, names))
    elif hasattr(estimator, "steps"):
        yield from _steps(estimator.steps[0][1], names)
    elif hasattr(estimator, "transformer_list"):
        for _, transformer in estimator.transformer_list:
            yield from _steps(transformer, names)
    else:
        for inner in _inner(estimator):
            yield from _steps(inner, names)


def _inner(estimator: Any) -> list[Any]:
    """Return the fitted estimators inside a search, vote, stack, calibration or target transformation."""
    found = getattr(estimator, "best_estimator_", None) or getattr(estimator, "regressor_", None)
    if found is not None:
        return [found]
    several = getattr(estimator, "calibrated_classifiers_", None) or getattr(estimator, "estimators_", None)
    if isinstance(several, list) and several:
        return [getattr(several[0], "estimator", several[0])]
    return []


def _chosen(chosen: Any, names: list[str]) -> list[str]:
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        return names[chosen] if not isinstance(chosen.start or chosen.stop, str) else []
    flags = np.asarray(chosen)
    if flags.dtype.kind == "b":
        return [name for name, flag in zip(names, flags, strict=False) if flag]
    return [names[one] if isinstance(one, (int, np.integer)) and one < len(names) else str(one) for one in chosen]


def _values(step: Any) -> list[Any]:
    categories = getattr(step, "categories_", None)
    if categories is not None:
        return [next((_plain(value) for value in values if _plain(value) is not None), None) for values in categories]
    for name in _STATISTICS:
        statistics = getattr(step, name, None)
        if isinstance(statistics, np.ndarray) and statistics.ndim == 1:
            return [_plain(value) for value in statistics]
    return []


def _plain(value: Any) -> Any:
    """Return *value* with Python's type, or None if missing."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _first(values: frozenset[Any] | None) -> Any:
    return min(values, key=repr) if values else None


def _fitting(column: Column, *wanted: Any) -> Any:
    """
    Return the first *wanted* value that is not None, as the column's type.

    Else a value within the type and bounds.
    """
    value = next((one for one in wanted if one is not None), None)
    match column.type:
        case "boolean":
            return bool(value)
        case "string":
            return str("a" if value is None else value)
        case "datetime":
            return datetime(2026, 1, 1, tzinfo=UTC)
        case "binary":
            return b""
        case _:
            least, most = limits_of(column)
            number = value if isinstance(value, (int, float)) else 1
            number = max(least, min(most, number))
            return int(number) if column.type in {"integer", "long"} else float(number)
