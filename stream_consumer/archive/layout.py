"""
The layout of an archive: ``<location>/yyyy/mm/dd/hh/<name>.gz``, with one line per record.

The hour is the hour of arrival, in UTC. The rule: Amazon Data Firehose writes this layout with its default prefix, GZIP
and the processor ``AppendDelimiterToRecord``.

Source: Amazon Data Firehose developer guide, "Amazon S3 object name format".
"""

import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from gzip import BadGzipFile, GzipFile

from stream_consumer.batch.errors import StoreFailed
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import UsageError

_HOUR = re.compile(r"/([0-9]{4})/([0-9]{2})/([0-9]{2})/([0-9]{2})/[^/]+\Z")
_DAY = timedelta(days=1)


class ArchiveUnreadable(StoreFailed):
    """An object of an archive is damaged."""


def archive_at(text: str) -> Location:
    """
    Return the location of an archive: a folder or the URL of a prefix.

    Raises:
        UsageError: *text* is neither.
    """
    location = Location.parse(text)
    if location.kind is Kind.DATABASE or not text.strip("/") or text == "s3://":
        raise UsageError(f"{location} is not an archive; name a folder or s3://bucket/prefix")
    return location


def within(folder: Location, *names: str) -> Location:
    """Return the location of a file or folder in *folder*."""
    return Location.parse("/".join([folder.text.rstrip("/"), *names]))


def hour_of(moment: datetime) -> str:
    """
    Return the part of a key with the hour.

    >>> hour_of(datetime(2026, 11, 21, 1, 59, tzinfo=UTC))
    '2026/11/21/01'
    """
    return f"{moment.astimezone(UTC):%Y/%m/%d/%H}"


def objects(stores: Stores, archive: Location, begin: datetime, end: datetime) -> Iterator[tuple[datetime, Location]]:
    """Yield the objects of the hours from *begin* to before *end*, by hour and name, each with its hour."""
    day = begin.replace(hour=0)
    while day < end:
        folder = within(archive, f"{day:%Y/%m/%d}")
        found = [(_hour(one), one) for one in stores.at(folder).list(folder)]
        yield from sorted(
            ((hour, one) for hour, one in found if hour and begin <= hour < end), key=lambda one: (one[0], one[1].text)
        )
        day += _DAY


def _hour(location: Location) -> datetime | None:
    named = _HOUR.search(location.text)
    try:
        return datetime(*map(int, named.groups()), tzinfo=UTC) if named else None  # type: ignore[arg-type, misc]
    except ValueError:  # the hour 99
        return None


def lines(stores: Stores, location: Location) -> Iterator[bytes]:
    """
    Yield the lines of the object at *location*, without empty lines. The suffix of its name tells the compression.

    Raises:
        UnusableInput: The object does not exist.
        StoreFailed: The object cannot be read.
        ArchiveUnreadable: The object is damaged.
    """
    store = stores.at(location)
    store.version(location)  # raises if the object is missing or not a file
    content = io.BytesIO(store.read(location) or b"")
    try:
        for line in GzipFile(fileobj=content) if location.text.endswith(".gz") else content:
            if stripped := line.strip(b" \t\r\n"):
                yield stripped
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise ArchiveUnreadable(f"{location} is damaged: {error}; write it again, or move it away") from error
