"""
Names of inputs and outputs: what a path or URL is, what it is called, and what may be shown of it.

No I/O. The name's end says the format; nothing is sniffed.
"""

import os
from enum import StrEnum
from urllib.parse import urlsplit

from stream_consumer.errors import UsageError


class Format(StrEnum):
    """What a file holds."""

    PARQUET = "Parquet"
    CSV = "CSV"
    NDJSON = "NDJSON"
    """Lines of ride events in an input, of prediction events in an output."""


SUFFIXES = {
    ".parquet": Format.PARQUET,
    ".csv": Format.CSV,
    ".csv.gz": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
}


def is_s3(place: str) -> bool:
    return place.startswith("s3://")


def bucket_and_key(place: str) -> tuple[str, str]:
    """The two parts of an ``s3://`` URL."""
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return bucket, key


def is_database(place: str) -> bool:
    return "://" in place and not place.startswith(("s3://", "file://"))


def shown(place: str) -> str:
    """*place* fit for a message, a log or a summary: a database's URL without user, password and query."""
    if not is_database(place):
        return place
    try:
        parts = urlsplit(place)
    except ValueError:  # it is no URL at all, and may hold a password all the same
        return place.partition("://")[0] + "://…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_name(place: str) -> None:
    """
    Refuse a name that no summary could say.

    Raises:
        UsageError: It is not UTF-8, or holds a null character.
    """
    try:
        place.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{place!r} is not UTF-8; rename it") from None
    if "\0" in place:
        raise UsageError(f"{place!r} holds a null character; rename it")


def name_of(place: str) -> str:
    """The last part of a path or URL: a file's name, or a database's."""
    return shown(place).rstrip("/").rpartition("/")[2]


def suffix_of(place: str) -> str:
    """
    Return the part of the name that says the format.

    Raises:
        UsageError: The name ends otherwise.
    """
    for suffix in SUFFIXES:
        if place.endswith(suffix):
            return suffix
    raise UsageError(f"{shown(place)}: the format is told by the name's end; wanted one of {', '.join(SUFFIXES)}")


def format_of(place: str) -> Format:
    return SUFFIXES[suffix_of(place)]


def stem_of(place: str) -> str:
    """The name without what says the format: ids are made from it, and the names of outputs."""
    name = name_of(place)
    return name if is_database(place) else name.removesuffix(suffix_of(place))


def beside(target: str, ending: str) -> str:
    """
    Return the location of a file beside the output *target*: ``rides.parquet`` → ``rides.parquet.summary.json``.

    The name is the whole output's: ``rides.csv`` and ``rides.parquet`` share no file.
    """
    return target + ending


def identity_of(place: str) -> str:
    """Return what is the same for all names of one location."""
    local = not (is_s3(place) or is_database(place))
    # Not Path.resolve, which raises on a loop of symbolic links.
    return os.path.realpath(place.removeprefix("file://")) if local else place
