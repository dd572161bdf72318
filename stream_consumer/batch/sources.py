"""The sources of jobs: files, objects and queries. Only this module branches on the kind of source."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stream_consumer.batch.chunks import Input
from stream_consumer.batch.csv_reader import csv
from stream_consumer.batch.locations import Format, Kind, Location
from stream_consumer.batch.readers import Wanted, ndjson, parquet
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import UsageError


class Source(Protocol):
    """A source of rows."""

    @property
    def label(self) -> str:
        """The name in messages."""

    @property
    def identity(self) -> str:
        """
        The name in event ids and summaries.

        No two sources share an identity, whatever the working directory of a run.
        """

    def version(self) -> str | None:
        """Return a text that changes whenever the content does. None if unknown."""

    def open(
        self, wanted: Wanted, scratch: Path, progressed: Callable[[], None]
    ) -> contextlib.AbstractContextManager[Input]: ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file or an object."""

    location: Location
    stores: Stores

    @property
    def label(self) -> str:
        return str(self.location)

    @property
    def identity(self) -> str:
        return self.location.identity

    def version(self) -> str:
        return self.stores.at(self.location).version(self.location)

    @contextlib.contextmanager
    def open(self, wanted: Wanted, scratch: Path, progressed: Callable[[], None]) -> Iterator[Input]:
        if self.location.format is Format.NDJSON:
            wanted.refuse_keeping(self.label, "write the events as one of these")
        path = self.stores.at(self.location).fetch(self.location, scratch, progressed)
        columns = path, wanted, self.label, self.location.stem
        match self.location.format:
            case Format.PARQUET:
                opened = parquet(*columns)
            case Format.CSV:
                opened = csv(*columns)
            case Format.NDJSON:
                opened = ndjson(path, self.label)
        with opened as rows:
            yield rows


@dataclass(frozen=True, slots=True)
class QuerySource:
    """The rows of a query."""

    location: Location
    query: str

    @property
    def label(self) -> str:
        # Two queries on the same database are two sources. So is the same query on two servers whose URLs differ only
        # in parameters.
        what = f"{self.location.text.partition('?')[2]}\n{self.query}"
        return f"{self.location}?query={hashlib.sha256(what.encode()).hexdigest()[:12]}"

    @property
    def identity(self) -> str:
        return self.label

    def version(self) -> None:
        return None

    def open(
        self,
        wanted: Wanted,
        scratch: Path,  # noqa: ARG002 (rows come as they are asked for)
        progressed: Callable[[], None],  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[Input]:
        from stream_consumer.batch import database  # noqa: PLC0415 (files need no SQLAlchemy)

        wanted.refuse_keeping(self.label, "join the predictions with the rows by their ids")
        return database.query(self.location, self.query, wanted)


def source_of(location: Location, query: str | None, stores: Stores) -> Source:
    """
    Return the source at *location*.

    Raises:
        UsageError: A database without a query, a query without a database, or a file whose name shows no format.
    """
    if (location.kind is Kind.DATABASE) != (query is not None):
        raise UsageError(f"{location}: a query (--query) is for a database, and a database needs one")
    if query is not None:
        return QuerySource(location, query)
    _ = location.format  # raises for an unknown format
    return FileSource(location, stores)
