"""
Write the outcomes of rows to files.

The rule: the same rows make the same bytes. The number of predictions in a finished file is read back from the file.
"""

import contextlib
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stream_consumer.batch.chunks import Outcomes, event_id
from stream_consumer.batch.errors import MixedIds
from stream_consumer.batch.kept_columns import json_values
from stream_consumer.batch.locations import Format, Location
from stream_consumer.batch.prediction_columns import PredictionColumns
from stream_consumer.contract.dead_letter import DeadLetter, encode_dead_letters
from stream_consumer.contract.envelope import predicted_type
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.errors import UsageError
from stream_consumer.model import Model

# A row group is written when this number of rows or bytes is reached, whichever comes first.
_GROUP_ROWS = 1 << 20
_GROUP_BYTES = 1 << 25


class Writer(Protocol):
    """Writes the predictions of chunk after chunk."""

    def write(self, outcomes: Outcomes) -> None:
        """
        Append the predictions of *outcomes*.

        Raises:
            MixedIds: The output has columns, and the ids have more than one type.
        """

    def close(self) -> None: ...


_NOTHING: Mapping[str, Any] = {}


class Columns:
    """Predictions as Arrow tables of a single schema. The first ids decide the type of ids."""

    def __init__(self, model: Model, kept: Mapping[str, Any] = _NOTHING) -> None:
        """*kept* has the Arrow types of the columns passed through, by name."""
        self._model = model
        self._predicted = PredictionColumns(model)
        self._kept = kept
        self._kind: Any = None
        check_apart(self.names)

    @property
    def names(self) -> list[str]:
        """The names of all columns except the columns passed through."""
        return [self.id_name, *self._predicted.types, "model", "version"]

    def table(self, outcomes: Outcomes) -> Any:
        ids = self._column(outcomes.ids, outcomes)
        constant = pa.array(np.zeros(len(outcomes.values), np.int32))
        names = [pa.DictionaryArray.from_arrays(constant, pa.array([name])) for name in self._names()]
        return pa.table([ids, *outcomes.columns, *names, *outcomes.kept], schema=self._schema(ids.type))

    def empty(self) -> Any:
        return self._schema(self._kind or pa.string()).empty_table()

    @property
    def id_name(self) -> str:
        """The name of the column of ids."""
        return self._model.schema.envelope.id or "event_id"

    def _schema(self, ids: Any) -> Any:
        name = pa.dictionary(pa.int32(), pa.string())
        named = [("model", name), ("version", name)]
        return pa.schema([(self.id_name, ids), *self._predicted.types.items(), *named, *self._kept.items()])

    def _names(self) -> tuple[str, str]:
        return self._model.name, self._model.version

    def _column(self, ids: Any, outcomes: Outcomes) -> Any:
        try:
            column = pa.array(ids) if isinstance(ids, list) else ids
            kind = pa.int64() if pa.types.is_integer(column.type) else pa.string()
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            kind = None
        if self._kind is None:
            self._kind = kind
        if kind is None or kind != self._kind:
            raise MixedIds(
                f"rows {outcomes.numbers[0]} to {outcomes.numbers[-1]} have integer ids where others have strings; a "
                "column has one type and none may be lost: write .ndjson, or make the ids alike"
            )
        return column.cast(kind)


def check_apart(names: Sequence[str]) -> None:
    """
    Return if all columns have different names.

    Raises:
        UsageError: Two columns have the same name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"the output would have several columns {twice[0]!r}: {list(names)}; name the fields of the envelope apart "
            "with ID_FIELD or PREDICTION_FIELD, or write .ndjson"
        )


class ParquetWriter:
    """Writes row groups of up to a million predictions, with ``model`` and ``version`` as dictionaries."""

    def __init__(self, path: Path, model: Model, kept: Mapping[str, Any]) -> None:
        self._path = path
        self._columns = Columns(model, kept)
        self._pending: list[Any] = []
        self._file: Any = None

    def write(self, outcomes: Outcomes) -> None:
        if not len(outcomes.values):
            return
        self._pending.append(self._columns.table(outcomes))
        rows, size = sum(map(len, self._pending)), sum(table.nbytes for table in self._pending)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._pending or self._file is None:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        group = pa.concat_tables(self._pending or [self._columns.empty()])
        self._pending.clear()
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, group.schema, compression="zstd")
        self._file.write_table(group.combine_chunks())


class CsvWriter:
    """Writes a header and a line for each prediction. String ids are quoted, so that readers can tell their type."""

    def __init__(self, path: Path, model: Model, kept: Mapping[str, Any]) -> None:
        self._columns = Columns(model, kept)
        self._stack = contextlib.ExitStack()
        self._file = self._stack.enter_context(_compressed(path) if path.name.endswith(".gz") else path.open("wb"))
        self._csv: Any = None

    def write(self, outcomes: Outcomes) -> None:
        if len(outcomes.values):
            self._append(self._columns.table(outcomes))

    def close(self) -> None:
        if self._csv is None:
            self._append(self._columns.empty())
        self._csv.close()
        self._stack.close()

    def _append(self, table: Any) -> None:
        texts = pa.table(list(map(_plain, table.columns)), table.column_names)
        if self._csv is None:
            self._csv = pyarrow.csv.CSVWriter(self._file, texts.schema)
        self._csv.write_table(texts)


def _plain(column: Any) -> Any:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


class NdjsonWriter:
    """Writes prediction events as on the stream, with the columns passed through as further members."""

    def __init__(self, path: Path, model: Model, name: str, kept: Sequence[str]) -> None:
        self._file = path.open("wb")
        self._model = model
        self._name = name
        self._kept = kept

    def write(self, outcomes: Outcomes) -> None:
        ids = outcomes.ids if isinstance(outcomes.ids, list) else outcomes.ids.to_pylist()
        name, model, version = self._name, self._model.name, self._model.version
        made = predicted_type(self._model.schema.envelope)
        predicted = map(made, outcomes.values, ids) if self._model.schema.envelope.id else map(made, outcomes.values)
        lines = (
            encode_prediction(Prediction(model, version, one, event_id(name, number))) + b"\n"
            for number, one in zip(outcomes.numbers.tolist(), predicted, strict=True)
        )
        self._file.writelines(self._with_members(lines, outcomes.kept) if self._kept else lines)

    def _with_members(self, lines: Iterable[bytes], kept: Sequence[Any]) -> Iterator[bytes]:
        for line, values in zip(lines, zip(*map(json_values, kept), strict=True), strict=True):
            members = msgspec.json.encode(dict(zip(self._kept, values, strict=True)))
            yield line.removesuffix(b"}\n") + b"," + members[1:] + b"\n"

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def _compressed(path: Path) -> Iterator[BinaryIO]:
    # Neither a name nor a time goes into the file: the same rows make the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", mtime=0, fileobj=file) as compressed:
        yield cast("BinaryIO", compressed)


def columns_of(path: Path, model: Model) -> PredictionColumns | None:
    """Return the columns of predictions for the format of *path*. None for a format without columns."""
    return None if Location.parse(path.name).format is Format.NDJSON else PredictionColumns(model)


def own_names(path: Path, model: Model) -> Sequence[str]:
    """Return the names of the columns or members that the format of *path* itself needs."""
    ndjson = Location.parse(path.name).format is Format.NDJSON
    return Prediction.__struct_fields__ if ndjson else Columns(model).names


def writer(path: Path, model: Model, name: str, kept: Mapping[str, Any] = _NOTHING) -> Writer:
    """
    Return a writer for the format of *path*.

    *name* is the input's name in event ids. *kept* has the types of the columns passed through, by name.
    """
    match Location.parse(path.name).format:
        case Format.PARQUET:
            return ParquetWriter(path, model, kept)
        case Format.CSV:
            return CsvWriter(path, model, kept)
        case Format.NDJSON:
            return NdjsonWriter(path, model, name, list(kept))


def written(path: Path) -> int:
    """Return the number of predictions in the finished file."""
    match Location.parse(path.name).format:
        case Format.PARQUET:
            return int(pq.read_metadata(path).num_rows)
        case Format.CSV:
            with pyarrow.csv.open_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=["model"],  # the type of this column never depends on the rows
                ),
            ) as batches:
                return sum(len(batch) for batch in batches)
        case Format.NDJSON:
            return lines_of(path)


def lines_of(path: Path) -> int:
    """Return the number of lines in *path*."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


class DeadLetterWriter:
    """Writes dead letters as JSON lines, in order. Without dead letters there is no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def write(self, letters: list[DeadLetter]) -> None:
        if letters:
            self._file = self._file or self.path.open("wb")
            self._file.write(encode_dead_letters(letters))

    def close(self) -> None:
        if self._file:
            self._file.close()
