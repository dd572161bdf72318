"""
Both ends of a job: what its source and its target are, by their places.

The rule: which kind of place it is, is asked here and nowhere else.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stream_consumer.batch import database
from stream_consumer.batch.chunks import Input
from stream_consumer.batch.csv_reader import csv
from stream_consumer.batch.locations import (
    Format,
    beside,
    format_of,
    is_database,
    is_s3,
    name_of,
    shown,
    stem_of,
    suffix_of,
)
from stream_consumer.batch.readers import ndjson, parquet
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.errors import UsageError

REJECTED, SUMMARY = ".rejected.jsonl", ".summary.json"


class Source(Protocol):
    """Where rows come from."""

    @property
    def label(self) -> str:
        """What summaries call it."""

    @property
    def identity(self) -> str:
        """What no other source is called, whoever runs where."""

    @property
    def name(self) -> str:
        """What event ids begin with."""

    def version(self) -> str | None:
        """Return what changes whenever the content does; None if nobody knows."""

    def open(
        self, schema: EventSchema, id_column: str | None, scratch: Path, progressed: Callable[[], None]
    ) -> contextlib.AbstractContextManager[Input]: ...


class Target(Protocol):
    """Where results go."""

    @property
    def suffix(self) -> str:
        """What the name of the file of predictions ends in."""

    def summary(self) -> bytes | None:
        """Return the commit mark of an earlier run."""

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the files that an earlier run committed are there."""

    def commit(self, files: Mapping[str, Path]) -> None:
        """Replace what an earlier run committed; of *files*, by what their names end in, some may not exist."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file or an object."""

    place: str
    stores: Stores

    @property
    def label(self) -> str:
        return self.place

    @property
    def identity(self) -> str:
        return identity_of(self.place)

    @property
    def name(self) -> str:
        return name_of(self.place)

    def version(self) -> str:
        return self.stores.at(self.place).version(self.place)

    @contextlib.contextmanager
    def open(
        self, schema: EventSchema, id_column: str | None, scratch: Path, progressed: Callable[[], None]
    ) -> Iterator[Input]:
        path = self.stores.at(self.place).fetch(self.place, scratch, progressed)
        columns = path, schema, id_column, self.place, stem_of(self.place)
        match format_of(self.place):
            case Format.PARQUET:
                opened = parquet(*columns)
            case Format.CSV:
                opened = csv(*columns)
            case Format.NDJSON:
                opened = ndjson(path, self.place)
        with opened as rows:
            yield rows


@dataclass(frozen=True, slots=True)
class QuerySource:
    """What a query selects."""

    url: str
    query: str

    @property
    def label(self) -> str:
        # Two queries on one database are two sources, and so is one query of two servers that only parameters name.
        what = f"{self.url.partition('?')[2]}\n{self.query}"
        return f"{shown(self.url)}?query={hashlib.sha256(what.encode()).hexdigest()[:12]}"

    @property
    def identity(self) -> str:
        return self.label

    @property
    def name(self) -> str:
        return name_of(self.url)

    def version(self) -> None:
        return None

    def open(
        self,
        schema: EventSchema,
        id_column: str | None,
        scratch: Path,  # noqa: ARG002 (rows come as they are asked for)
        progressed: Callable[[], None],  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[Input]:
        return database.query(self.url, self.query, schema, id_column, stem_of(self.url))


@dataclass(frozen=True, slots=True)
class FileTarget:
    """Files or objects beside each other."""

    place: str
    stores: Stores

    @property
    def suffix(self) -> str:
        return suffix_of(self.place)

    def summary(self) -> bytes | None:
        return self.stores.at(self.place).read(beside(self.place, SUMMARY))

    def holds(self, sizes: Mapping[str, int]) -> bool:
        store = self.stores.at(self.place)
        # The mark may be that of predictions in another format.
        return self.suffix in sizes and all(
            store.size(beside(self.place, ending)) == size for ending, size in sizes.items()
        )

    def commit(self, files: Mapping[str, Path]) -> None:
        store = self.stores.at(self.place)
        store.remove(beside(self.place, SUMMARY))
        for ending in (self.suffix, REJECTED, SUMMARY):
            if files[ending].exists():
                store.put(files[ending], beside(self.place, ending))
            else:
                store.remove(beside(self.place, ending))


@dataclass(frozen=True, slots=True)
class TableTarget:
    """Tables of a database."""

    tables: database.Tables
    source: str

    @property
    def suffix(self) -> str:
        return ".parquet"

    def summary(self) -> bytes | None:
        return self.tables.summary(self.source)

    def holds(self, sizes: Mapping[str, int]) -> bool:  # noqa: ARG002 (a transaction has all or nothing)
        return True

    def commit(self, files: Mapping[str, Path]) -> None:
        self.tables.commit(self.source, files[self.suffix], files[REJECTED], files[SUMMARY].read_bytes())


def source_of(place: str, query: str | None, stores: Stores) -> Source:
    """
    Return the source at *place*.

    Raises:
        UsageError: A database without a query, a query without a database, or a file whose name tells no format.
    """
    if is_database(place) != (query is not None):
        raise UsageError(f"{shown(place)}: a query (--query) is for a database, and a database needs one")
    if query is not None:
        return QuerySource(place, query)
    format_of(place)
    return FileSource(place, stores)


def target_of(place: str, table: str | None, source: Source, stores: Stores) -> Target:
    """
    Return the target at *place* for the results of *source*.

    Raises:
        UsageError: A database without a table, a table without a database, a file whose name tells no format, or one
            that would be written over the source.
    """
    if is_database(place) != (table is not None):
        raise UsageError(f"{shown(place)}: a table (--table) is for a database, and a database needs one")
    if table is not None:
        return TableTarget(database.Tables(place, table), source.identity)
    if source.identity in map(identity_of, places_written(place)):
        raise UsageError(f"{source.label} is the input and would be written over by {place}; name another output")
    return FileTarget(place, stores)


def places_written(place: str) -> list[str]:
    """
    Return the places that a job whose predictions go to the file *place* may write to.

    Raises:
        UsageError: The name tells no format, or is that of another's rejected rows.
    """
    if place.endswith(REJECTED):
        raise UsageError(f"{place}: so are rejected rows called; name another output")
    return [beside(place, ending) for ending in (suffix_of(place), REJECTED, SUMMARY)]


def identity_of(place: str) -> str:
    """Return what is the same for all names of one place."""
    local = not (is_s3(place) or is_database(place))
    return str(Path(place.removeprefix("file://")).resolve()) if local else place
