"""
Convert the return value of a model into one JSON value for each row.

The rule: a value keeps its type. Floats, integers, booleans and labels stay as they are. Several outputs of a row
become an object of named values.

    >>> values_of(np.array([[0.25, 0.75]]), 1, ["stays", "leaves"])
    [{'stays': 0.25, 'leaves': 0.75}]
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.guarded_json import MAX_NESTING

# Source: MLflow's column types. "json" stands for any further JSON value, such as a list.
_KINDS: dict[type, str] = {bool: "boolean", int: "long", float: "double", str: "string"}
_LARGEST_INTEGER = 2**63 - 1
# A prediction event puts two objects around the value.
_DEEPEST = MAX_NESTING - 2
_FLOAT_BYTES = 8
# NumPy's type characters of booleans, floats and signed integers: Python has an exact equivalent of each.
_PLAIN = "?efdbhilq"


class Output(NamedTuple):
    """The type of a model's predictions: one value, or an object of named values."""

    names: tuple[str, ...]
    """Names of the object's members, in order. Empty for a single value."""
    kinds: tuple[str, ...]
    """Kind of each member, or of the single value: boolean, long, double, string or json."""
    optional: frozenset[str] = frozenset()
    """Names of members that are missing or null in some predictions."""

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Output":
        """
        Return the type of *values*, the predictions of some rows.

            >>> Output.of([{"fare": 2, "tip": None}, {"fare": 2.5}])
            Output(names=('fare', 'tip'), kinds=('double', 'json'), optional=frozenset({'tip'}))
        """
        objects = [value for value in values if isinstance(value, dict)]
        names = tuple(dict.fromkeys(itertools.chain.from_iterable(objects)))
        if not names or len(objects) < len(values):
            return cls((), (_common_kind(values),))
        members = _members(names, values)
        optional = frozenset(name for name, part in zip(names, members, strict=True) if None in part)
        return cls(names, tuple(map(_common_kind, members)), optional)

    def parts(self, values: Sequence[Any]) -> list[Sequence[Any]]:
        """
        Return a sequence for each member of the objects in *values*, or *values* alone if they are not objects.

        A member is None in the rows without a value for the name.
        """
        return _members(self.names, values) if self.names else [values]

    def columns(self, name: str) -> dict[str, str]:
        """
        Return the kind of each table column that predictions fill, by column name.

        *name* is the prediction's own name.
        """
        return {f"{name}_{member}" if member else name: kind for member, kind in self.members()}

    def members(self) -> list[tuple[str, str]]:
        return list(zip(self.names or ("",), self.kinds, strict=True))


def _members(names: Sequence[str], values: Sequence[Any]) -> list[Sequence[Any]]:
    return [[value.get(name) for value in values] for name in names]


def _common_kind(values: Sequence[Any]) -> str:
    """Return the kind that holds each of *values* exactly. Null fits every kind."""
    kinds = {kind_of(value) for value in values if value is not None}
    if kinds == {"long", "double"} and all(value is None or value == float(value) for value in values):
        return "double"
    return kinds.pop() if len(kinds) == 1 else "json"


def kind_of(value: Any) -> str:
    """Return the kind of one JSON value: boolean, long, double, string or json."""
    return _KINDS.get(type(value), "json")


def values_of(raw: Any, rows: int, names: Sequence[str] = ()) -> list[Any]:
    """
    Return a JSON value for each of the n *rows* of a model's return value. Floats may still be infinite or NaN.

    Args:
        raw: Array (n,), (n, 1) or (n, k), sparse matrix, list of n, mapping of k columns, DataFrame or Series. In a
            list of tables (n, classes), each table is an output, as ``predict_proba`` of several outputs returns them.
        rows: n.
        names: Names of the k outputs. The default is the names in *raw*, or else "0", "1", …

    A missing time (NaT) becomes NaN, since neither is a prediction.

    Raises:
        ValueError: *raw* has another shape, two outputs of the same name, or a value without an equivalent in JSON.
    """
    if type(raw) is np.ndarray and raw.shape == (rows,) and raw.dtype.char in _PLAIN:  # most models return this
        values: list[Any] = raw.tolist()
        return values
    return _values_of(raw, rows, names, 0)


def _values_of(raw: Any, rows: int, names: Sequence[str], depth: int) -> list[Any]:
    _check_depth(depth)
    if hasattr(raw, "toarray"):
        raw = raw.toarray()
    if isinstance(raw, (list, tuple)) and any(getattr(one, "ndim", 0) > 1 for one in raw):
        raw = _outputs_of(raw, rows, names)
    if (columns := _columns_of(raw)) is not None:
        texts = _distinct(columns)
        parts = (_values_of(raw[name], rows, (), depth + 1) for name in columns)
        return _objects(dict(zip(texts, parts, strict=True)), rows)
    if not isinstance(raw, (list, tuple, np.ndarray)) and hasattr(raw, "to_numpy"):
        raw = raw.to_numpy()
    if isinstance(raw, np.ndarray):
        return _of_array(raw, rows, names)
    if not isinstance(raw, (list, tuple)) or len(raw) != rows:
        shape = f"{len(raw)} values" if isinstance(raw, (list, tuple)) else f"a {type(raw).__name__}"
        raise ValueError(f"the model returned {shape} for {rows} rows; wanted one prediction a row")
    return [_json(value, depth) for value in raw]


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"the model returned lists or objects that are nested more than {_DEEPEST} deep")


def _columns_of(raw: Any) -> list[Any] | None:
    """Return the column names of a mapping, DataFrame or structured array, and None for any further type."""
    if isinstance(raw, np.ndarray):
        return list(raw.dtype.names) if raw.dtype.names else None
    if isinstance(raw, Mapping):
        return list(raw)
    return list(raw.columns) if hasattr(raw, "columns") else None


def _distinct(names: Iterable[Any]) -> list[str]:
    """Return *names* as texts. Two equal texts are refused: the first output would be lost under the second."""
    texts = [_text(str(name)) for name in names]
    if len(set(texts)) < len(texts):
        [(commonest, count)] = Counter(texts).most_common(1)
        raise ValueError(f"the model returned {count} outputs with the name {commonest!r}; wanted a name for each")
    return texts


def _outputs_of(tables: Sequence[Any], rows: int, names: Sequence[str]) -> dict[str, Any]:
    """
    Return outputs by name.

    A list of one table per row is refused: with as many rows as outputs, both readings would fit.
    """
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
    if isinstance(array, np.matrix):  # each part of a matrix has two dimensions
        array = np.asarray(array)
    if one_a_row:
        flat = _sayable(array.ravel())
        values: list[Any] = flat.tolist()
        return values if flat.dtype.kind in "bif" else [_json(value) for value in values]
    wide = array.reshape(rows, -1)
    named = _named(names, wide.shape[1])
    return _objects({name: _of_array(wide[:, at], rows, ()) for at, name in enumerate(named)}, rows)


def _sayable(array: NDArray[Any]) -> NDArray[Any]:
    """Return *array* with types of Python: masked values as None, times as texts or numbers, NaT as NaN."""
    if isinstance(array, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(array), np.array(None), _sayable(np.asarray(array)))
    kind = array.dtype.kind
    if kind in "mM":
        times = np.array(np.datetime_as_string(array), object) if kind == "M" else array.astype(float)
        return np.where(np.isnat(array), math.nan, times)
    return array.astype(float) if kind == "f" and array.dtype.itemsize > _FLOAT_BYTES else array


def _named(names: Sequence[str], outputs: int) -> list[str]:
    return _distinct(names if len(names) == outputs else range(outputs))


def _objects(members: Mapping[str, list[Any]], rows: int) -> list[Any]:
    if not members:
        raise ValueError(f"the model returned no column for {rows} rows; wanted one prediction a row")
    if len(members) == 1:
        [values] = members.values()
        return values
    return [dict(zip(members, row, strict=True)) for row in zip(*members.values(), strict=True)]


def _json(value: Any, depth: int = 0) -> Any:
    """Return *value* with Python's types in place of NumPy's. Values without an equivalent in JSON are refused."""
    if type(value) is str:  # the commonest type among the slow ones
        return _text(value)
    if isinstance(value, (np.generic, np.ndarray)):
        value = _sayable(np.asanyarray(value)).tolist() if isinstance(value, _NOT_PLAIN) else value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not ~_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
            raise ValueError(f"the model returned {value}; wanted an integer of at most 64 bits")
        return int(value)
    return _nested(value, depth)


_NOT_PLAIN = (np.ndarray, np.longdouble, np.datetime64, np.timedelta64)


def _nested(value: Any, depth: int) -> Any:
    _check_depth(depth + 1)
    if isinstance(value, Mapping):
        members = [_json(one, depth + 1) for one in value.values()]
        return dict(zip(_distinct(value), members, strict=True))
    if isinstance(value, (list, tuple)):
        return [_json(one, depth + 1) for one in value]
    raise ValueError(f"the model returned a {type(value).__name__}; wanted a number, boolean, label or object of these")


def _text(value: str) -> str:
    if not value.isascii():
        value.encode()  # a lone surrogate is a ValueError
    return value if type(value) is str else str.__str__(value)  # str() of an enumeration member gives the member's name


def fault_of(value: Any) -> str | None:
    """
    Return the reason why *value* is not a prediction, such as a float that is not finite.

    None if there is no fault.
    """
    if value is None:
        return "the model returned no prediction"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"the prediction is not finite: {value}"
    if isinstance(value, dict):
        faults = {name: fault for name, one in value.items() if (fault := _member_fault(one))}
        return next((f"{name}: {fault}" for name, fault in faults.items()), None)
    return _member_fault(value)


def _member_fault(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"the prediction is not finite: {value}"
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_member_fault, nested)), None)
