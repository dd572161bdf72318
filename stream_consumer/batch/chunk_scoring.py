"""
Give each row of a chunk a prediction or a dead letter, with the same verdicts as on the stream.

A *surely* valid row has numbers of exactly the column's type, within the limits, and a plainly valid id. Such rows skip
JSON and go to ``Scorer`` as arrays. All other rows become JSON events and go to ``Decider``, as on the stream. Surely
valid rows are only some of the valid rows.

Example: a table of three rows, numbered from 7, with a column of integers and a model that wants doubles::

    position   row number   distance   id      path      outcome
    0          7            3          1       Scorer    prediction p7
    1          8            null       2       Decider   dead letter, "schema"
    2          9            2**60      3       Decider   prediction p9

    sure = [0], rest = [1, 2]
    Outcomes(numbers=[7, 9], values=[p7, p9], dead_letters=[the dead letter of row 8])

Three index spaces meet here: positions in the chunk, row numbers of the input, and indices into ``sure`` or ``rest``.

Invariant: each row number of the chunk is either in ``numbers`` or has a dead letter. Both are in ascending order. A
property test compares the verdicts of both paths.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_consumer.batch.chunks import BadLines, Chunk, Outcomes, Table, event_id
from stream_consumer.batch.prediction_columns import PredictionColumns, Unfit
from stream_consumer.batch.row_events import as_events
from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.event_schema import NUMERIC, Column, limits_of
from stream_consumer.contract.record import LARGEST_ID, LONGEST_ID, InvalidRecord, Reason, Record
from stream_consumer.inference import Decider, Decision
from stream_consumer.model import Model

Mask = NDArray[np.bool_]

# Every integer up to this limit has an exact float64.
_EXACT_IN_FLOAT64 = 2**53


class Judge:
    """Decides the chunks of an input with a model."""

    def __init__(self, model: Model, name: str, predicted: PredictionColumns | None = None) -> None:
        """
        Prepare to decide the input *name*, the name in event ids.

        With *predicted*, the predictions also become these columns.
        """
        self._columns = model.schema.columns
        self._envelope = model.schema.envelope
        self._fast = all(column.type in NUMERIC for column in self._columns)
        self._decider = Decider(model)
        self._name = name
        self._predicted = predicted
        self.concurrent = model.concurrent

    @property
    def is_proven(self) -> bool:
        """Whether the outcomes of a chunk no longer depend on earlier chunks."""
        return self._decider.scorer.is_proven

    def decide(self, chunk: Chunk) -> Outcomes:
        """
        Give each row of *chunk* a prediction or a dead letter.

        Raises:
            ModelError: The model fails on its own example. No row is at fault.
        """
        outcomes = self._in_columns(chunk)
        if not (isinstance(chunk, Table) and chunk.kept):
            return outcomes
        at = pa.array(np.searchsorted(chunk.numbers, outcomes.numbers))
        return replace(outcomes, kept=[column.take(at) for column in chunk.kept])

    def _in_columns(self, chunk: Chunk) -> Outcomes:
        outcomes = self._decided(chunk)
        if self._predicted is None:
            return outcomes
        try:
            columns = self._predicted.arrays(outcomes.values)
        except Unfit:
            outcomes = self._without(self._predicted.refused(outcomes.values), outcomes, chunk)
            columns = self._predicted.arrays(outcomes.values)
        return replace(outcomes, columns=columns)

    def _without(self, refused: Mapping[int, InvalidRecord], outcomes: Outcomes, chunk: Chunk) -> Outcomes:
        """Return *outcomes* with a dead letter in place of each *refused* prediction, given by position."""
        at = np.array(list(refused), np.int64)
        rows = np.searchsorted(chunk.numbers, outcomes.numbers[at])
        data = as_events(chunk, rows, self._envelope) if isinstance(chunk, Table) else [chunk.data[row] for row in rows]
        faults = dict(zip(rows.tolist(), refused.values(), strict=True))
        letters = dict(zip(np.setdiff1d(chunk.numbers, outcomes.numbers).tolist(), outcomes.dead_letters, strict=True))
        new = self._letters(chunk.numbers, faults, dict(zip(faults, data, strict=True)))
        letters |= zip(outcomes.numbers[at].tolist(), new, strict=True)
        kept = np.setdiff1d(np.arange(len(outcomes.values)), at, assume_unique=True)
        ids = [outcomes.ids[one] for one in kept] if isinstance(outcomes.ids, list) else outcomes.ids.take(kept)
        values = [outcomes.values[one] for one in kept]
        return Outcomes(outcomes.numbers[kept], ids, values, [letters[number] for number in sorted(letters)])

    def _decided(self, chunk: Chunk) -> Outcomes:
        if isinstance(chunk, Table):
            return self._by_column(chunk)
        if isinstance(chunk, BadLines):
            faults = {at: InvalidRecord(Reason.UNDECODABLE, "$", detail) for at, detail in enumerate(chunk.details)}
            letters = self._letters(chunk.numbers, faults, dict(enumerate(chunk.data)))
            return Outcomes(chunk.numbers[:0], [], [], letters)
        decision = self._exactly(chunk.data)
        ids = [prediction.id for prediction in decision.predictions]
        letters = self._letters(chunk.numbers, decision.faults, {at: chunk.data[at] for at in decision.faults})
        return Outcomes(chunk.numbers[decision.positions], ids, _values_of(decision), letters)

    def _by_column(self, table: Table) -> Outcomes:
        rows = len(table.numbers)
        sure = np.flatnonzero(self._surely_valid(table))
        rest = np.setdiff1d(np.arange(rows), sure, assume_unique=True)
        columns = [_values(table, column, sure) for column in self._columns] if len(sure) else [[]]
        scored = self._decider.scorer.score(columns, math.inf)
        if len(sure) == rows and not any(type(one) is InvalidRecord for one in scored):
            return Outcomes(table.numbers, table.ids, scored, [])
        events = as_events(table, rest, self._envelope)
        decision = self._exactly(events)
        # A prediction is never None, so a remaining None marks a row with a fault.
        values = np.full(rows, None, object)
        values[sure] = _objects([None if isinstance(one, InvalidRecord) else one for one in scored])
        values[rest[decision.positions]] = _objects(_values_of(decision))
        predicted = np.flatnonzero(values != None)  # noqa: E711 (of each)
        if is_id(table.ids.type):
            ids = table.ids.take(predicted)
        else:  # no row was sure
            ids = [prediction.id for prediction in decision.predictions]
        refused = {int(sure[at]): fault for at, fault in enumerate(scored) if isinstance(fault, InvalidRecord)}
        data = dict(zip(refused, as_events(table, np.array(list(refused), np.int64), self._envelope), strict=True))
        data |= {int(rest[at]): events[at] for at in decision.faults}
        faults = refused | {int(rest[at]): fault for at, fault in decision.faults.items()}
        return Outcomes(
            table.numbers[predicted], ids, values[predicted].tolist(), self._letters(table.numbers, faults, data)
        )

    def _exactly(self, events: Sequence[bytes]) -> Decision:
        return self._decider.decide([Record(event) for event in events])

    def _letters(
        self, numbers: NDArray[np.int64], faults: Mapping[int, InvalidRecord], data: Mapping[int, bytes]
    ) -> list[DeadLetter]:
        letters = [
            DeadLetter.of(Record(data[at], event_id(self._name, int(numbers[at]))), faults[at]) for at in sorted(faults)
        ]
        # An input has no shards. ``DeadLetter.of`` takes the part before the colon of an event id for a shard.
        return [msgspec.structs.replace(letter, shard=None) for letter in letters]

    def _surely_valid(self, table: Table) -> Mask:
        if not self._fast:
            return np.zeros(len(table.numbers), bool)
        sure = _sure_ids(table.ids)
        if table.texts:
            sure &= ~table.texts.doubtful
        for column in self._columns:
            if column.name in table.columns:
                sure &= _sure(table.columns[column.name], column)
        return sure


def _values_of(decision: Decision) -> list[Any]:
    return [prediction.value for prediction in decision.predictions]


def _objects(values: list[Any]) -> NDArray[np.object_]:
    """Return an array of *values* of any type. NumPy itself would take lists for further dimensions."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def is_id(kind: Any) -> bool:
    """Whether a column of this Arrow type holds valid ids of the contract."""
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _sure_ids(ids: Any) -> Mask:
    if not is_id(ids.type):
        return np.zeros(len(ids), bool)
    present = _flags(ids.is_valid())
    if pa.types.is_integer(ids.type):
        return present & (_numbers(ids) <= LARGEST_ID) if pa.types.is_uint64(ids.type) else present
    characters = _numbers(pc.utf8_length(ids))
    return present & (characters >= 1) & (characters <= LONGEST_ID)


def _sure(values: Any, column: Column) -> Mask:
    """Return for each of *values* whether the contract surely accepts exactly this number for *column*."""
    kind = values.type
    missing = _flags(values.is_null(nan_is_null=True))
    if pa.types.is_boolean(kind) and column.type == "boolean":
        present = ~missing
    elif pa.types.is_integer(kind) and column.type in {"integer", "long"}:
        present = ~missing & _within(_numbers(values), *limits_of(column))
    elif pa.types.is_integer(kind) and column.type in {"float", "double"}:
        numbers = _numbers(values)
        exact = _within(numbers, -_EXACT_IN_FLOAT64, _EXACT_IN_FLOAT64)
        present = ~missing & exact & _within(numbers.astype(np.float64), *limits_of(column))
    elif pa.types.is_floating(kind) and column.type in {"float", "double"}:
        # A bound is a float64. Compared with float32 values, the bound would be rounded.
        numbers = _numbers(values).astype(np.float64, copy=False)
        present = ~missing & np.isfinite(numbers) & _within(numbers, *limits_of(column))
    else:
        present = np.zeros(len(values), bool)
    return present if column.required and not column.nullable else present | missing


def _within(numbers: NDArray[Any], least: float, most: float) -> Mask:
    inside: Mask = (numbers >= least) & (numbers <= most)
    return inside


def _values(table: Table, column: Column, rows: NDArray[np.int64]) -> Sequence[Any]:
    """Return the values of surely valid rows, with None for missing optional values."""
    if column.name not in table.columns:
        return [None] * len(rows)
    values = table.columns[column.name]
    missing = _flags(values.is_null(nan_is_null=True))[rows]
    numbers = _numbers(values)[rows]
    if missing.any():
        numbers = numbers.astype(object)
        numbers[missing] = None
    return cast("Sequence[Any]", numbers)


def _numbers(values: Any) -> NDArray[Any]:
    """Return the numbers of an array, with 0 for missing values. An array of another type gives zeros."""
    kind = values.type
    if pa.types.is_boolean(kind):
        values = values.fill_null(fill_value=False)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # pyarrow cannot fill nulls of float16.
        values = (values.cast(pa.float32()) if pa.types.is_float16(kind) else values).fill_null(0)
    else:
        return np.zeros(len(values))
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def _flags(values: Any) -> Mask:
    flags: Mask = values.to_numpy(zero_copy_only=False)
    return flags
