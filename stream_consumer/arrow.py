"""
Score Arrow record batches, for Spark's ``mapInArrow``, Ray Data's ``map_batches`` or a loop of your own.

The rule: each row of the input is a row of the output, in order, predicted or rejected. The verdicts equal those of
``stream-consumer batch``, because the same ``Judge`` decides. Example::

    scorer = ArrowScorer("s3://taxi/models/7", digest="…", keep=("event_id",))
    scored = rides.mapInArrow(scorer.batches, schema)                            # Spark
    scored = rides.map_batches(scorer.table, batch_format="pyarrow")             # Ray Data
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_consumer.batch.chunk_scoring import Judge, is_id
from stream_consumer.batch.chunks import CHUNK_ROWS, Outcomes
from stream_consumer.batch.errors import UnusableInput
from stream_consumer.batch.prediction_columns import PredictionColumns
from stream_consumer.batch.readers import Layout, Wanted, readable, table_of
from stream_consumer.batch.writers import Columns, check_apart
from stream_consumer.contract.record import LARGEST_ID
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from stream_consumer.models.loading import Choice, load_model

REJECTION = ("reason", "path", "detail")
"""The columns with the cause of a rejection. Null in predicted rows."""
_SOURCE = "the record batch"


@dataclass(frozen=True, slots=True)
class ArrowScorer:
    """
    Scores record batches with the model at *location*, loaded once by each process.

    An engine pickles an instance to its workers. The workers need this package and access to the location. The digest
    is required, so that all workers score with the same model. ``stream-consumer model LOCATION`` prints the digest.

    With the *location* and *digest* of a model of rides, and the table *rides* of three rows, of which the second has
    no distance:

        >>> scored = ArrowScorer(location, digest).table(rides)
        >>> scored.column("ride_id").to_pylist(), scored.column("reason").to_pylist()
        ([256, 257, 258], [None, 'schema', None])
    """

    location: str
    digest: str
    id_column: str | None = None
    """The column of ids. The default is the id field of the model's envelope, ``ride_id``."""
    keep: tuple[str, ...] = ()
    """Input columns to copy to the output, for example to recognise a row on a rerun or to partition the output."""

    def batches(self, rows: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        """
        Score *rows* as :func:`score` does.

            >>> [batch.num_rows for batch in ArrowScorer(location, digest).batches(rides.to_batches())]
            [3]
        """
        return score(rows, _model(self.location, self.digest), id_column=self.id_column, keep=self.keep)

    def table(self, rows: "pa.Table") -> "pa.Table":
        """
        Score a table as :func:`score` scores its batches.

            >>> ArrowScorer(location, digest, keep=("trip_distance",)).table(rides).column("trip_distance").to_pylist()
            [3.66, None, 8.2]
        """
        return pa.Table.from_batches(self.batches(rows.to_batches()), self.schema(rows.schema))

    def schema(self, rows: "pa.Schema") -> "pa.Schema":
        """
        Return the schema of the output for input *rows* of this schema.

            >>> ArrowScorer(location, digest).schema(rides.schema).names
            ['ride_id', 'ride_duration', 'model', 'version', 'reason', 'path', 'detail']
        """
        return _Schemas(_model(self.location, self.digest), rows, self.id_column, self.keep).schema


def score(
    rows: Iterable["pa.RecordBatch"], model: Model, *, id_column: str | None = None, keep: Sequence[str] = ()
) -> Iterator["pa.RecordBatch"]:
    """
    Give each row of *rows* a prediction, or the reason, path and detail of its rejection, in order.

    The input has the columns of the model's signature and a column of ids. Additional columns are allowed. The output
    has the id, the columns of predictions as in the Parquet output of ``stream-consumer batch``, ``model``,
    ``version``, ``reason``, ``path``, ``detail`` and the columns to *keep*.

        >>> [batch] = score(rides.to_batches(), load_model(location))
        >>> batch.column("path").to_pylist()
        [None, '$.ride.trip_distance', None]

    Raises:
        UsageError: The input lacks a column, the ids are neither integers nor texts, or a column to keep has the same
            name as an output column.
        ModelError: The model fails on its own example. No row is at fault.
    """
    judge = Judge(model, _SOURCE, PredictionColumns(model))
    for batch in rows:
        schemas = _Schemas(model, batch.schema, id_column, keep)
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            yield schemas.scored(batch.slice(start, CHUNK_ROWS), judge)


@functools.cache
def _model(location: str, digest: str) -> Model:
    return load_model(location, choice=Choice(digest=digest))


class _Schemas:
    def __init__(self, model: Model, rows: "pa.Schema", id_column: str | None, keep: Sequence[str]) -> None:
        self._model = model
        self._layout = Layout(Wanted(model.schema, id_column), rows.names, _SOURCE, "")
        self._keep = list(keep)
        fields = [
            (Columns(model).id_name, self._id_type(rows)),
            *PredictionColumns(model).types.items(),
            *((name, pa.string()) for name in ("model", "version", *REJECTION)),
        ]
        check_apart([name for name, _ in fields])
        own = dict(fields)
        if missing := [name for name in keep if name not in rows.names]:
            raise UsageError(f"the columns to keep {missing} are not in {_SOURCE}; it has {rows.names}")
        if taken := [name for name in keep if name in own]:
            raise UsageError(f"the columns to keep {taken} have names of the output's own columns; rename them")
        self.schema = pa.schema([*own.items(), *((name, rows.field(name).type) for name in keep)])

    def _id_type(self, rows: "pa.Schema") -> Any:
        if self._layout.id_column is None:
            wanted = self._model.schema.envelope.id
            raise UnusableInput(
                f"{_SOURCE} has no column {wanted!r} of ids, it has {rows.names}; name one with id_column"
                if wanted
                else f"events of this model have no id; name a column of {rows.names} with id_column"
            )
        kind = rows.field(self._layout.id_column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if isinstance(kind, pa.UuidType) or pa.types.is_string_view(kind):
            return pa.string()
        if not is_id(kind):
            raise UnusableInput(f"the ids of {_SOURCE} are of type {kind}; cast them to int64 or string")
        return pa.int64() if pa.types.is_integer(kind) else pa.string()

    def scored(self, batch: "pa.RecordBatch", judge: Judge) -> "pa.RecordBatch":
        with readable(_SOURCE, "Arrow"):
            rows = table_of(batch, 0, self._layout)
        outcomes = judge.decide(rows)
        count = batch.num_rows
        columns = [
            _sayable(rows.ids).cast(self.schema.field(0).type),
            *_spread(outcomes.columns, outcomes.numbers, count),
            *(pa.repeat(name, count) for name in (self._model.name, self._model.version)),
            *_spread(_rejections(outcomes), np.setdiff1d(rows.numbers, outcomes.numbers, assume_unique=True), count),
            *(batch.column(name) for name in self._keep),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _sayable(ids: Any) -> Any:
    """Return *ids* with null for each integer too large for an output. The row of such an id is rejected."""
    if not pa.types.is_uint64(ids.type):
        return ids
    return pc.if_else(pc.greater(ids, pa.scalar(LARGEST_ID, pa.uint64())), None, ids)


def _rejections(outcomes: Outcomes) -> list[Any]:
    """Return the arrays of :data:`REJECTION` for the rejected rows, in order."""
    return [pa.array([getattr(letter, name) for letter in outcomes.dead_letters], pa.string()) for name in REJECTION]


def _spread(arrays: Iterable[Any], positions: Any, count: int) -> list[Any]:
    """
    Return arrays of *count* values: those of *arrays* at *positions*, null elsewhere.

        >>> _spread([pa.array([5.0, 7.0])], np.array([0, 2]), 3)[0].to_pylist()
        [5.0, None, 7.0]
    """
    at = np.full(count, -1)
    at[positions] = np.arange(len(positions))
    source = pa.array(at, mask=at < 0)
    return [array.take(source) for array in arrays]
