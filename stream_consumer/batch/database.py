"""
Databases by SQLAlchemy URL: a query's rows as input, tables as output.

The rule: no message shows a password, and the results of an input change in a single transaction. The results are made
in scratch first, so the transaction lasts only for the inserts and not for the scoring.

There are three tables: predictions in ``<table>``, dead letters in ``<table>_rejected``, commit marks in
``<table>_summaries``.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from stream_consumer.batch.chunks import Input, in_chunks
from stream_consumer.batch.column_types import HOLDING, column_type, storable
from stream_consumer.batch.errors import MixedIds, StoreFailed, UnfitTable, UnusableInput
from stream_consumer.batch.kept_columns import check_kept
from stream_consumer.batch.locations import Location
from stream_consumer.batch.readers import Layout, Wanted
from stream_consumer.batch.writers import check_apart
from stream_consumer.contract import text_cell
from stream_consumer.contract.dead_letter import decode_dead_letters
from stream_consumer.contract.event_schema import NUMERIC
from stream_consumer.errors import UsageError

_FETCH_ROWS = 1_024
_INSERT_ROWS = 10_000


@contextlib.contextmanager
def query(url: Location, sql: str, wanted: Wanted) -> Iterator[Input]:
    """
    Read the rows of the query *sql* as the server sends them.

    The transaction is rolled back. It is read-only if the database supports read-only transactions.

    Raises:
        UsageError: *url* is not a database URL, or its driver is not installed.
        StoreFailed: The database is unreachable or refuses the query.
        UnusableInput: The SQLite file does not exist, or the result lacks columns.
    """
    with _engine(url, reading=True) as engine, contextlib.ExitStack() as stack:
        with _told(url):
            connection = stack.enter_context(engine.connect())
            _allow_reading_only(connection)
            # A colon or per cent sign in the query is meant for the database, not for SQLAlchemy.
            streaming = connection.execution_options(
                no_parameters=True, stream_results=True, yield_per=_FETCH_ROWS, postgresql_readonly=True
            )
            result = stack.enter_context(contextlib.closing(streaming.exec_driver_sql(sql)))
            names = list(result.keys())
        layout = Layout(wanted, names, str(url), url.stem)
        kinds = {column.name: column.type for column in wanted.schema.columns}
        yield Input(in_chunks(_events(result, layout, url, kinds)), None)


# Source: SQLite, "Compile-Time Authorization Callbacks".
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


def _allow_reading_only(connection: sa.Connection) -> None:
    """
    Make SQLite refuse all statements except queries.

    SQLite would otherwise keep a dropped table after the rollback, and could attach or write other files.
    """
    raw: Any = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        raw.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)


def _events(result: "sa.CursorResult[Any]", layout: Layout, url: Location, kinds: Mapping[str, str]) -> Iterator[bytes]:
    at = {name: layout.there.index(name) for name in layout.read}
    first, partitions = 0, result.partitions(_FETCH_ROWS)
    while True:
        with _told(url):
            rows = next(partitions, None)
        if rows is None:
            return
        numbers = np.arange(first, first + len(rows))
        first += len(rows)
        ids = [row[at[layout.id_column]] for row in rows] if layout.id_column else layout.made_ids(numbers).to_pylist()
        rides = [{name: _value(row[at[name]], kinds[name]) for name in layout.columns} for row in rows]
        yield from map(layout.envelope.event, rides, ids)


def _value(value: Any, kind: str) -> Any:
    # A database has NULL, so an empty text in a column of texts is a text.
    return text_cell.read(value, kind) if isinstance(value, str) and kind in NUMERIC else value


class Tables:
    """The output tables of a database."""

    def __init__(self, url: Location, table: str) -> None:
        """*table* may begin with a schema and a dot. Missing tables are created with the first results."""
        self._url = url
        self._schema, _, self._name = table.rpartition(".")

    def summary(self, source: str) -> bytes | None:
        """Return the commit mark of *source*."""
        summaries = self._summaries(sa.MetaData(schema=self._schema or None))
        with (
            contextlib.suppress(UnusableInput),  # the first results create the file, not a look at it
            _engine(self._url, reading=True) as engine,
            _told(self._url),
            engine.connect() as connection,
        ):
            if not sa.inspect(connection).has_table(summaries.name, summaries.schema):
                return None
            wanted = sa.select(summaries.c.summary).where(summaries.c.source == source)
            text = connection.execute(wanted).scalar_one_or_none()
            return text.encode() if text else None
        return None

    def check(self) -> None:
        """
        Look at the tables before a run.

        Raises:
            UsageError: A table of this name has a different purpose: its rows do not name their source.
            StoreFailed: The database is unreachable.
        """
        with (
            contextlib.suppress(UnusableInput),  # the first results create the file
            _engine(self._url, reading=True) as engine,
            _told(self._url),
            engine.connect() as connection,
        ):
            for name in (self._name, f"{self._name}_rejected", f"{self._name}_summaries"):
                there = _types_there(connection, name, self._schema or None)
                if there is not None and "source" not in there:
                    raise UsageError(
                        f"{self._url}: the table {name} is there and no run of batch made it: it has no column "
                        "source; name another --table"
                    )

    def check_kept(self, kept: Mapping[str, Any], own: Sequence[str]) -> None:
        """
        Check that the table can have the columns *kept*, types by name, beside its *own* columns.

        Raises:
            UsageError: A name is taken, also in other capitals, or no column of a table has such a type.
        """
        check_kept(kept, ["source", *own], lambda kind: column_type(kind, sa.Text()) is not None, str.casefold)

    def commit(self, source: str, predictions: Path, letters: Path, summary: bytes) -> None:
        """
        Replace the results of *source* in a single transaction.

        Raises:
            MixedIds: The present rows have ids of another type.
            UsageError: Two columns have the same name.
            UnfitTable: A present column cannot hold the predictions exactly.
            StoreFailed: The database refused.
        """
        with pq.ParquetFile(predictions) as file, _engine(self._url) as engine, _told(self._url):
            schema = file.schema_arrow
            integers = pa.types.is_integer(schema.field(0).type)
            names = ["source", *schema.names]
            # Most databases treat names as equal if only their capitals differ.
            check_apart(names if engine.dialect.name == "postgresql" else [name.casefold() for name in names])
            predicted, rejected, summaries = self._tables(schema)
            with engine.begin() as connection:
                # The mark comes first. A concurrent commit of the same source waits at the mark, and then finds these
                # rows or fails.
                tables = [summaries, rejected]
                there = _types_there(connection, predicted.name, predicted.schema) or {}
                if file.metadata.num_rows:
                    self._check_ids(schema.field(0).name, there.get(schema.field(0).name), integers=integers)
                    self._check_columns(predicted, there)
                if file.metadata.num_rows or there:
                    tables.append(predicted)
                predicted.metadata.create_all(connection, tables)
                for table in tables:
                    connection.execute(table.delete().where(table.c.source == source))
                for batch in file.iter_batches(_INSERT_ROWS):
                    rows = storable(batch).to_pylist()
                    connection.execute(predicted.insert(), [{"source": source, **row} for row in rows])
                for chunk in _letters(letters):
                    connection.execute(rejected.insert(), [{"source": source, **letter} for letter in chunk])
                connection.execute(summaries.insert(), {"source": source, "summary": summary.decode()})

    def _check_ids(self, name: str, there: Any, *, integers: bool) -> None:
        """Refuse ids of another type than the present ids, because databases would cast them."""
        if isinstance(there, sa.String if integers else (sa.Integer, sa.Numeric)):
            these = "integers" if integers else "texts"
            raise MixedIds(
                f"the table {self._name} has {name} {there} and these ids are {these}; none may be changed: name "
                "another table"
            )

    def _check_columns(self, predicted: sa.Table, there: Mapping[str, Any]) -> None:
        """Refuse predictions that a column cannot hold, because databases would cast and round them."""
        for column in list(predicted.columns)[2:]:
            if there and column.name not in there:
                raise UnfitTable(f"the table {self._name} has no column {column.name}; name another table")
            kind = there.get(column.name, column.type)
            if not isinstance(kind, HOLDING[type(column.type)]):
                raise UnfitTable(
                    f"the table {self._name} has {column.name} {kind} and this run has {column.type}; none may "
                    "be changed: name another table"
                )

    def _tables(self, schema: Any) -> tuple[sa.Table, sa.Table, sa.Table]:
        """Return the three tables. *schema* is the schema of a Parquet file of predictions."""
        metadata = sa.MetaData(schema=self._schema or None)

        def source() -> "sa.Column[str]":
            return sa.Column("source", sa.Text(), index=True, nullable=False)

        predicted = sa.Table(
            self._name,
            metadata,
            source(),
            # Users may want an index on an id, and some databases cannot index a text without a length.
            sa.Column(schema.field(0).name, column_type(schema.field(0).type, sa.String(256)), nullable=False),
            # An object may lack a member. No other value is ever null.
            *(sa.Column(field.name, column_type(field.type, sa.Text())) for field in list(schema)[1:]),
        )
        rejected = sa.Table(
            f"{self._name}_rejected",
            metadata,
            source(),
            *(sa.Column(name, sa.Text(), nullable=False) for name in ("event_id", "reason", "path", "detail")),
            sa.Column("data", sa.LargeBinary(), nullable=False),
        )
        return predicted, rejected, self._summaries(metadata)

    def _summaries(self, metadata: sa.MetaData) -> sa.Table:
        return sa.Table(
            f"{self._name}_summaries",
            metadata,
            sa.Column("source", sa.Text(), primary_key=True),
            sa.Column("summary", sa.Text(), nullable=False),
        )


def _types_there(connection: sa.Connection, name: str, schema: str | None) -> dict[str, Any] | None:
    """Return the column types of the existing table *name*, by column name. None if the table does not exist."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema):
        return None
    return {column["name"]: column["type"] for column in inspector.get_columns(name, schema)}


def _letters(path: Path) -> Iterator[list[Mapping[str, Any]]]:
    if not os.path.isfile(path):  # noqa: PTH113 (false of a name that is too long)
        return
    with path.open("rb") as file:
        while lines := file.readlines(1 << 22):
            yield [
                {
                    "event_id": letter.event_id,
                    "reason": letter.reason.value,
                    "path": letter.path,
                    "detail": letter.detail.replace("\0", "\\0"),  # PostgreSQL's texts cannot hold null characters
                    "data": letter.data,
                }
                for letter in decode_dead_letters(b"".join(lines))
            ]


@contextlib.contextmanager
def _engine(url: Location, *, reading: bool = False) -> Iterator[sa.Engine]:
    try:
        parsed = sa.make_url(url.text)
        engine = sa.create_engine(_existing(parsed) if reading else parsed, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        what = "is no database URL" if isinstance(error, (ArgumentError, ValueError)) else "needs a driver: install one"
        example = "postgresql://user:password@host/database or sqlite:///file.db"
        raise UsageError(f"{url} {what}; wanted something like {example}") from None
    try:
        yield engine
    finally:
        engine.dispose()


def _existing(parsed: sa.URL) -> sa.URL:
    """Return a URL that opens an SQLite file read-only. Otherwise SQLite would create a missing file."""
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or name in {None, "", ":memory:"} or "uri" in parsed.query:
        return parsed
    path = Path(str(name)).absolute()
    if not os.path.isfile(path):  # noqa: PTH113 (false of a name that is too long)
        raise UnusableInput(f"there is no SQLite file {path}")
    return parsed.set(database=path.as_uri()).update_query_dict({"mode": "ro", "uri": "true"})


@contextlib.contextmanager
def _told(url: Location) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        lines = str(getattr(error, "orig", None) or error).splitlines()
        said = lines[0] if lines else type(error).__name__
        password = sa.make_url(url.text).password
        if password:  # some drivers quote the password
            said = said.replace(str(password), "***")
        raise StoreFailed(f"{url}: {said}") from None
