"""
Read the input example of an MLflow model, in any of MLflow's forms, as rows by column name.

The rule: an example helps to check a model and is never a reason to refuse a model. An unreadable example is ignored.

Source: mlflow.models.utils of 3.17, ``_Example``. A DataFrame is ``{"columns": […], "data": [[…]]}`` and an array is
``{"inputs": [[…]]}``. Any other example is JSON of the logged value, with NaN as a bare word.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_MOST_ROWS = 100
_MOST_BYTES = 1 << 24


def rows_of(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the first rows of the example in *path*. *columns* name the values of rows that are arrays."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
        return _rows(content, columns)[:_MOST_ROWS]
    except (OSError, ValueError, RecursionError):
        return []


def _rows(content: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    if isinstance(content, dict):
        return _of_object(content, columns)
    if not isinstance(content, list) or not content:
        return []
    if all(isinstance(row, dict) for row in content):
        return content
    if all(isinstance(row, list) for row in content):
        return _named(content, columns)
    # A single array is a row, unless there is only a single column.
    return _named([[value] for value in content] if len(columns) == 1 else [content], columns)


def _of_object(content: dict[str, Any], columns: Sequence[str]) -> list[dict[str, Any]]:
    if isinstance(content.get("data"), list) and "columns" in content.keys() <= {"columns", "data", "index"}:
        return _named(content["data"], content["columns"])
    if "inputs" in content.keys() <= {"inputs", "params"}:
        return _rows(content["inputs"], columns)
    return _by_column(content)


def _named(rows: Sequence[Any], columns: Sequence[str]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _by_column(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Read a single row, or columns of equal length."""
    if content and all(isinstance(values, list) for values in content.values()):
        return _named(list(zip(*content.values(), strict=True)), list(content))
    return [content]
