"""
Locations of inputs and outputs: what a path or URL is, what it is called, and what may be shown of it.

No I/O. The name's end says the format; nothing is sniffed.
"""

import os
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from stream_consumer.clouds import in_a_cloud
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


class Kind(Enum):
    """What is at a location."""

    FILE = "a file of this machine"
    OBJECT = "an object of S3"
    CLOUD = "an object of Google Cloud Storage or Azure"
    DATABASE = "a database"


@dataclass(frozen=True, slots=True, repr=False)
class Location:
    """A path or URL whose kind is known; its text in a message is fit to be shown."""

    kind: Kind
    text: str
    """As the user wrote it: a database's may hold a password."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a path, the URL of an object (``s3://``, ``gs://``, ``abfs://``) or that of a database.

        Raises:
            UsageError: No summary could say it, since it is empty, is not UTF-8 or holds a null character.
        """
        if not text:
            raise UsageError(f"{text!r} is no name of an input or an output")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{text!r} is not UTF-8; rename it") from None
        if "\0" in text:
            raise UsageError(f"{text!r} holds a null character; rename it")
        if text.startswith("s3://"):
            return cls(Kind.OBJECT, text)
        if in_a_cloud(text):
            return cls(Kind.CLOUD, text)
        return cls(Kind.DATABASE if "://" in text and not text.startswith("file://") else Kind.FILE, text)

    def __str__(self) -> str:
        """Return the text, that of a database's URL without user, password and query."""
        if self.kind is not Kind.DATABASE:
            return self.text
        try:
            parts = urlsplit(self.text)
        except ValueError:  # it is no URL at all, and may hold a password all the same
            return self.text.partition("://")[0] + "://…"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def path(self) -> Path:
        """The path of a file."""
        return Path(self.text.removeprefix("file://"))

    @property
    def bucket(self) -> str:
        """The bucket of an object."""
        return self.text.removeprefix("s3://").partition("/")[0]

    @property
    def key(self) -> str:
        """The key of an object."""
        return self.text.removeprefix("s3://").partition("/")[2]

    @property
    def name(self) -> str:
        """The last part: a file's name, or a database's."""
        return str(self).rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """
        The part of the name that says the format.

        Raises:
            UsageError: The name ends otherwise.
        """
        for suffix in SUFFIXES:
            if self.text.endswith(suffix):
                return suffix
        raise UsageError(f"{self}: the format is told by the name's end; wanted one of {', '.join(SUFFIXES)}")

    @property
    def format(self) -> Format:
        return SUFFIXES[self.suffix]

    @property
    def stem(self) -> str:
        """The name without what says the format: ids are made from it, and the names of outputs."""
        return self.name if self.kind is Kind.DATABASE else self.name.removesuffix(self.suffix)

    @property
    def identity(self) -> str:
        """What is the same for all names of one location."""
        # Not Path.resolve, which raises on a loop of symbolic links.
        return os.path.realpath(self.text.removeprefix("file://")) if self.kind is Kind.FILE else self.text

    def sibling(self, ending: str) -> Self:
        """
        Return the location of a file beside this output: ``rides.parquet`` → ``rides.parquet.summary.json``.

        The name is the whole output's: ``rides.csv`` and ``rides.parquet`` share no file.
        """
        return type(self)(self.kind, self.text + ending)
