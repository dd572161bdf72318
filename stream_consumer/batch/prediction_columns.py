"""
Predictions as columns of a table: their names, types and Arrow arrays.

The rule: a column holds a value exactly, or the row is refused. Names and types follow from the predictions for the
model's example. All tables of a model therefore have the same columns, whatever the rows are.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.model import Model
from stream_consumer.outputs import Output, kind_of

_TYPES = {"boolean": pa.bool_(), "long": pa.int64(), "double": pa.float64(), "string": pa.string(), "json": pa.string()}
_LONGEST_DETAIL = 500
_REMEDY = (
    "columns are those of the predictions for the model's input example: write .ndjson, or sign a copy of the model "
    "with an example of such predictions (stream-consumer model sign)"
)


class Unfit(Exception):
    """The columns cannot hold a prediction exactly."""


class PredictionColumns:
    """The columns of a model's predictions."""

    def __init__(self, model: Model) -> None:
        # A model without any prediction yet is assumed to predict numbers.
        self._output = model.output or Output((), ("double",))
        self._kinds = self._output.columns(model.schema.envelope.prediction)
        self._path = model.schema.envelope.path

    @property
    def types(self) -> dict[str, Any]:
        """The Arrow types of the columns, by name."""
        return {name: _TYPES[kind] for name, kind in self._kinds.items()}

    def arrays(self, values: Sequence[Any]) -> list[Any]:
        """
        Return an array for each column, made from *values* or from their members.

        Raises:
            Unfit: A column cannot hold a value exactly, or a value has no column.
        """
        self._check_members(values)
        columns = zip(self._kinds.items(), self._output.parts(values), strict=True)
        return [_array(name, kind, part) for (name, kind), part in columns]

    def refused(self, values: Sequence[Any]) -> dict[int, InvalidRecord]:
        """Return the fault of each of *values* that the columns cannot hold, by position."""
        try:
            self.arrays(values)
        except Unfit as error:
            if len(values) == 1:
                detail = f"{str(error)[:_LONGEST_DETAIL]}; {_REMEDY}"
                return {0: InvalidRecord(Reason.UNSCORABLE, self._path, detail)}
        else:
            return {}
        half = len(values) // 2
        behind = self.refused(values[half:])
        return self.refused(values[:half]) | {half + at: fault for at, fault in behind.items()}

    def _check_members(self, values: Sequence[Any]) -> None:
        names = self._output.names
        if not names:
            return
        if not all(isinstance(value, dict) for value in values):
            raise Unfit(f"the prediction is no object, and there are columns for the members {', '.join(names)}")
        if unknown := set[str]().union(*values).difference(names):
            raise Unfit(f"the prediction has members without a column: {', '.join(sorted(unknown))}")


def _array(column: str, kind: str, values: Sequence[Any]) -> Any:
    try:
        return pa.array(_EXACT[kind](values) if kind in _EXACT else values, _TYPES[kind])
    except (pa.ArrowException, OverflowError, Unfit):
        raise Unfit(
            f"the column {column} is of type {kind} and cannot hold exactly a prediction of type {kind_of(values[0])}"
        ) from None


def _doubles(values: Sequence[Any]) -> Any:
    """
    Return *values* as an array of floats, or raise Unfit.

    Arrow itself would accept booleans, and would refuse all integers beyond 2**53, even those with an exact float.
    """
    try:
        array = pa.array(values, pa.float64())
    except pa.ArrowInvalid:
        floats = [float(value) if type(value) is int and value == float(value) else value for value in values]
        array = pa.array(floats, pa.float64())
    numbers = array.to_numpy(zero_copy_only=False)
    suspects = np.flatnonzero((numbers == 0) | (numbers == 1))
    if any(isinstance(values[at], bool) for at in suspects.tolist()):
        raise Unfit
    return array


def _longs(values: Sequence[Any]) -> Sequence[Any]:
    """Return *values* with whole floats as integers. Arrow itself would cut off fractions."""
    kinds = set(map(type, values))
    if float not in kinds:
        return values
    if not all(value.is_integer() for value in values if isinstance(value, float)):
        raise Unfit
    return [int(value) if isinstance(value, float) else value for value in values]


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else msgspec.json.encode(value).decode() for value in values]


_EXACT: dict[str, Any] = {"double": _doubles, "long": _longs, "json": _texts}
