"""
The targets of jobs: files, objects and tables. Only this module branches on the kind of target.

A target of files overwrites only the results of its own source. The summary beside an output names the source. During a
commit the summary is gone, and a second file names the source instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from stream_consumer.batch.errors import StoreFailed
from stream_consumer.batch.kept_columns import check_kept, holds
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.batch.sources import Source
from stream_consumer.batch.storage import Store, Stores, digest_of
from stream_consumer.batch.summary import decode_summary
from stream_consumer.batch.writers import Columns, own_names
from stream_consumer.contract import guarded_json
from stream_consumer.errors import UsageError
from stream_consumer.model import Model

if TYPE_CHECKING:
    from stream_consumer.batch.database import Tables

REJECTED, SUMMARY, COMMITTING = ".rejected.jsonl", ".summary.json", ".committing.json"

# Source: Amazon S3 user guide, "Naming Amazon S3 objects": 1,024 bytes of UTF-8.
_LONGEST_KEY_BYTES = 1_024


class Target(Protocol):
    """A target of results."""

    @property
    def suffix(self) -> str:
        """Suffix of the file of predictions."""

    def check(self) -> None:
        """
        Check the target before a run.

        Raises:
            UsageError: The target exists, and no run of the same source made the content.
        """

    def check_kept(self, kept: Mapping[str, Any], model: Model) -> None:
        """
        Check that the columns *kept*, types by name, can stand beside the predictions of *model*.

        Raises:
            UsageError: A name is taken, or the target cannot hold a type.
        """

    def summary(self) -> bytes | None:
        """Return the commit mark of an earlier run."""

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the committed files of an earlier run exist."""

    def commit(self, files: Mapping[str, Path]) -> None:
        """
        Replace the results of an earlier run of the same source by *files*, given by the endings of their names.

        Raises:
            UsageError: The target exists, and no run of the same source made the content.
            StoreFailed: The results could not be written, or another run wrote to the target at the same time.
        """


class _Committing(msgspec.Struct):
    """The content of the file beside an output while its files change."""

    source: str


@dataclass(frozen=True, slots=True)
class FileTarget:
    """Files or objects beside each other."""

    location: Location
    source: str
    """The identity of the source."""
    stores: Stores

    @property
    def suffix(self) -> str:
        return self.location.suffix

    @property
    def _store(self) -> Store:
        return self.stores.at(self.location)

    def _at(self, ending: str) -> Location:
        return self.location if ending == self.suffix else self.location.sibling(ending)

    def check(self) -> None:
        self._store.check(self.location)
        locations = map(self._at, (self.suffix, REJECTED, SUMMARY, COMMITTING))
        there = [location for location in locations if self._store.size(location) is not None]
        if not there:
            return
        owner = self._owner()
        if owner is None:
            raise UsageError(
                f"{there[0]} is there and no run of batch made it: it has no summary beside it; the last name is the "
                "OUTPUT: name another"
            )
        if owner != self.source:
            raise UsageError(f"{self.location} has the predictions of {owner}; remove them, or name another output")

    def _owner(self) -> str | None:
        """Return the identity of the source of the present results. None if no batch run made them."""
        summary = decode_summary(self.summary() or b"")
        if summary:
            return summary.source
        try:
            return guarded_json.decode(self._store.read(self._at(COMMITTING)) or b"", _Committing).source
        except msgspec.DecodeError:
            return None

    def check_kept(self, kept: Mapping[str, Any], model: Model) -> None:
        check_kept(kept, own_names(Path(self.location.name), model), holds(self.location.format))

    def summary(self) -> bytes | None:
        return self._store.read(self._at(SUMMARY))

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return all(self._store.size(self._at(ending)) == size for ending, size in sizes.items())

    def commit(self, files: Mapping[str, Path]) -> None:
        self.check()
        mark = files[SUMMARY].with_name("committing")
        mark.write_bytes(msgspec.json.encode(_Committing(self.source)))
        self._store.put(mark, self._at(COMMITTING))
        self._store.remove(self._at(SUMMARY))
        for ending in (self.suffix, REJECTED, SUMMARY):
            if files[ending].exists():
                self._store.put(files[ending], self._at(ending))
            else:
                self._store.remove(self._at(ending))
        self._check_committed(files)
        self._store.remove(self._at(COMMITTING))

    def _check_committed(self, files: Mapping[str, Path]) -> None:
        """
        Check the digests.

        Two simultaneous commits could leave the predictions of one run with the summary of the other.
        """
        for ending, file in files.items():
            found, put = self._store.digest(self._at(ending)), digest_of(file) if file.exists() else None
            if found != put:
                raise StoreFailed(f"{self._at(ending)} was changed while it was committed: run again")


@dataclass(frozen=True, slots=True)
class TableTarget:
    """Tables of a database, changed by a single transaction."""

    tables: "Tables"
    source: str

    @property
    def suffix(self) -> str:
        return ".parquet"

    def check(self) -> None:
        """Check the tables. Each row names its source, so rows of another source never change."""
        self.tables.check()

    def check_kept(self, kept: Mapping[str, Any], model: Model) -> None:
        self.tables.check_kept(kept, Columns(model).names)

    def summary(self) -> bytes | None:
        return self.tables.summary(self.source)

    def holds(self, sizes: Mapping[str, int]) -> bool:  # noqa: ARG002 (a transaction has all or nothing)
        return True

    def commit(self, files: Mapping[str, Path]) -> None:
        self.tables.commit(self.source, files[self.suffix], files[REJECTED], files[SUMMARY].read_bytes())


def target_of(location: Location, table: str | None, source: Source, stores: Stores) -> Target:
    """
    Return the target at *location* for the results of *source*.

    Raises:
        UsageError: A database without a table, a table without a database, a file whose name shows no format, or a file
            that would overwrite the source.
    """
    if (location.kind is Kind.DATABASE) != (table is not None):
        raise UsageError(f"{location}: a table (--table) is for a database, and a database needs one")
    if table is not None:
        from stream_consumer.batch.database import Tables  # noqa: PLC0415 (files need no SQLAlchemy)

        return TableTarget(Tables(location, table), source.identity)
    if source.identity in (written.identity for written in locations_written(location)):
        raise UsageError(f"{source.label} is the input and would be written over by {location}; name another output")
    return FileTarget(location, source.identity, stores)


def locations_written(location: Location) -> list[Location]:
    """
    Return the locations that a job may write to if its predictions go to the file *location*.

    Raises:
        UsageError: The name shows no format, is the name of another output's rejected rows, or is too long.
    """
    _ = location.suffix  # raises for an unknown format
    if location.text.endswith(REJECTED):
        raise UsageError(f"{location}: rejected rows have such names; name another output")
    written = [location, *(location.sibling(ending) for ending in (REJECTED, SUMMARY, COMMITTING))]
    longest = max(len(one.key.encode()) for one in written)
    if location.kind is Kind.OBJECT and longest > _LONGEST_KEY_BYTES:
        raise UsageError(f"{location}: with the names beside it the key has {longest} bytes of {_LONGEST_KEY_BYTES}")
    return written
