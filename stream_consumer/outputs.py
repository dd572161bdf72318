"""
What a model returned → one JSON value for each row.

The rule: a value keeps its type. Floats, integers, booleans and labels stay what they are, and several outputs of a row
are one object of named values.

    >>> values_of(np.array([[0.25, 0.75]]), 1, ["stays", "leaves"])
    [{'stays': 0.25, 'leaves': 0.75}]
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Source: MLflow's column types; "json" is anything else that JSON can say, such as a list.
_KINDS: dict[type, str] = {bool: "boolean", int: "long", float: "double", str: "string"}
_LARGEST_INTEGER = 2**63 - 1


class Output(NamedTuple):
    """The type of a model's predictions: one value, or an object of named values."""

    names: tuple[str, ...]
    """Of the object's members, in order; empty for one value."""
    kinds: tuple[str, ...]
    """boolean, long, double, string or json; one for each name, or the value's own."""

    @classmethod
    def of(cls, value: Any) -> "Output":
        """Return the type of one prediction."""
        members = value if isinstance(value, dict) else {"": value}
        return cls(tuple(members) if isinstance(value, dict) else (), tuple(map(_kind, members.values())))

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns, by name, that predictions fill in a table; *name* is that of the prediction."""
        return {f"{name}_{member}" if member else name: kind for member, kind in self.members()}

    def members(self) -> list[tuple[str, str]]:
        return list(zip(self.names or ("",), self.kinds, strict=True))


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "json")


def values_of(raw: Any, rows: int, names: Sequence[str] = ()) -> list[Any]:
    """
    Return a JSON value for each of n *rows* of what a model returned: floats may still be infinite or NaN.

    Args:
        raw: Array (n,), (n, 1) or (n, k), sparse matrix, list of n, mapping of k columns, or a DataFrame or Series. A
            list of tables, (n, classes), is an output each: what ``predict_proba`` of several outputs returns.
        rows: n.
        names: Of k outputs; by default "0", "1", … or those that *raw* brings along.

    Raises:
        ValueError: *raw* has another shape, or a value that JSON cannot say.
    """
    if hasattr(raw, "toarray"):
        raw = raw.toarray()
    if not isinstance(raw, np.ndarray) and hasattr(raw, "columns"):
        raw = {str(name): raw[name] for name in raw.columns}
    if isinstance(raw, (list, tuple)) and any(getattr(one, "ndim", 0) > 1 for one in raw):
        raw = _outputs_of(raw, rows, names)
    if isinstance(raw, Mapping):
        members = {str(name): values_of(column, rows) for name, column in raw.items()}
        return _objects(members, rows)
    if not isinstance(raw, (list, tuple, np.ndarray)) and hasattr(raw, "to_numpy"):
        raw = raw.to_numpy()
    if isinstance(raw, np.ndarray):
        return _of_array(raw, rows, names)
    if not isinstance(raw, (list, tuple)) or len(raw) != rows:
        shape = f"{len(raw)} values" if isinstance(raw, (list, tuple)) else f"a {type(raw).__name__}"
        raise ValueError(f"the model returned {shape} for {rows} rows; wanted one prediction a row")
    return [_json(value) for value in raw]


def _outputs_of(tables: Sequence[Any], rows: int, names: Sequence[str]) -> dict[str, Any]:
    """Return outputs by name; a table a row is refused, or as many rows as outputs would be taken for it."""
    for shape in (getattr(one, "shape", None) or np.shape(one) for one in tables):
        if shape[:1] != (rows,):
            raise ValueError(
                f"the model returned a list with the shape {shape} for {rows} rows; a list of tables is an output each "
                "and wants as many rows: return lists, not arrays, for a table a row"
            )
    return dict(zip(_named(names, len(tables)), tables, strict=True))


def _of_array(array: NDArray[Any], rows: int, names: Sequence[str]) -> list[Any]:
    one_a_row = array.size == rows and rows in (array.shape or (1,))
    if array.shape[:1] != (rows,) and not one_a_row:
        raise ValueError(f"the model returned the shape {array.shape} for {rows} rows; wanted one prediction a row")
    if one_a_row:
        flat = array.ravel()
        if flat.dtype.kind in "bf":
            values: list[Any] = flat.tolist()
            return values
        if flat.dtype.kind in "Mm":
            return np.datetime_as_string(flat).tolist() if flat.dtype.kind == "M" else flat.astype(float).tolist()
        return [_json(value) for value in flat.tolist()]
    wide = array.reshape(rows, -1)
    named = _named(names, wide.shape[1])
    return _objects({name: _of_array(wide[:, at], rows, ()) for at, name in enumerate(named)}, rows)


def _named(names: Sequence[str], outputs: int) -> list[str]:
    return list(map(str, names if len(names) == outputs else range(outputs)))


def _objects(members: Mapping[str, list[Any]], rows: int) -> list[Any]:
    if not members:
        raise ValueError(f"the model returned no column for {rows} rows; wanted one prediction a row")
    if len(members) == 1:
        [values] = members.values()
        return values
    return [dict(zip(members, row, strict=True)) for row in zip(*members.values(), strict=True)]


def _json(value: Any) -> Any:
    """Return *value* with Python's types for NumPy's; only what JSON can say."""
    if isinstance(value, str):
        value.encode()  # a lone surrogate is a ValueError
        return str(value)
    if isinstance(value, np.ndarray):
        return [_json(one) for one in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ValueError(f"the model returned {value}; wanted an integer of at most 64 bits")
    if isinstance(value, Mapping):
        return {str(name): _json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"the model returned a {type(value).__name__}; wanted a number, boolean, label or object of these")


def fault_of(value: Any) -> str | None:
    """Return why *value* is not a prediction: a float that is not finite, or nothing at all."""
    if value is None:
        return "the model returned no prediction"
    if isinstance(value, float):
        return None if isfinite(value) else f"the prediction is not finite: {value}"
    if isinstance(value, dict):
        faults = {name: fault for name, one in value.items() if (fault := _member_fault(one))}
        return next((f"{name}: {fault}" for name, fault in faults.items()), None)
    return _member_fault(value)


def _member_fault(value: Any) -> str | None:
    if isinstance(value, float) and not isfinite(value):
        return f"the prediction is not finite: {value}"
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_member_fault, nested)), None)
