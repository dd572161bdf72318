"""
Locations of inputs and outputs: the kind of a path or URL, its names, and the text that messages may show.

No I/O. The suffix of a name gives the format. No content is inspected.
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
    PARQUET = "Parquet"
    CSV = "CSV"
    NDJSON = "NDJSON"
    """Lines of ride events in an input, and of prediction events in an output."""


SUFFIXES = {
    ".parquet": Format.PARQUET,
    ".csv": Format.CSV,
    ".csv.gz": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
}


class Kind(Enum):
    FILE = "a file of this machine"
    OBJECT = "an object of S3"
    CLOUD = "an object of Google Cloud Storage or Azure"
    DATABASE = "a database"


@dataclass(frozen=True, slots=True, repr=False)
class Location:
    """A path or URL of known kind. Its ``str`` is safe to show in messages."""

    kind: Kind
    text: str
    """The text as written by the user. A database's URL may hold a password."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse a path, the URL of an object (``s3://``, ``gs://``, ``abfs://``) or the URL of a database.

        Raises:
            UsageError: No summary could hold *text*: the text is empty, is not UTF-8 or holds a null character.
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
        """Return the text. A database's URL is shown without user, password and query."""
        if self.kind is not Kind.DATABASE:
            return self.text
        try:
            parts = urlsplit(self.text)
        except ValueError:  # not a URL, but the text may still hold a password
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
        """The last part: the name of a file or of a database."""
        return str(self).rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """
        The suffix of the name, which gives the format.

        Raises:
            UsageError: The name has no known suffix.
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
        """The name without the suffix. Ids and names of outputs are made from the stem."""
        return self.name if self.kind is Kind.DATABASE else self.name.removesuffix(self.suffix)

    @property
    def identity(self) -> str:
        """A text equal for all names of the same location."""
        # Not Path.resolve, which raises on a loop of symbolic links.
        return os.path.realpath(self.text.removeprefix("file://")) if self.kind is Kind.FILE else self.text

    def sibling(self, ending: str) -> Self:
        """
        Return the location of a file beside this output: ``rides.parquet`` → ``rides.parquet.summary.json``.

        The ending follows the whole name, so ``rides.csv`` and ``rides.parquet`` share no file.
        """
        return type(self)(self.kind, self.text + ending)
