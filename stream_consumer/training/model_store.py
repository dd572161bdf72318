"""
Stores for the files of a registry: a folder of this machine, or a prefix of an S3 bucket.

The rule: every write has a condition: the file is new, or unchanged since it was read. Of two concurrent writers one
wins, and the other learns of its loss.
"""

import contextlib
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import StreamConsumerError, UsageError
from stream_consumer.whole_file import read_whole, refuse_unwritable, write_whole

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Source: Amazon S3 API reference, "PutObject": 412 if the condition does not hold, 409 if another request ran at the
# same time, 404 if the object of the condition was deleted.
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_LOCK = ".lock"


class RegistryFailed(StreamConsumerError):
    """The files of a registry cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Held:
    """The content of a file, and a tag that changes with the content."""

    content: bytes
    tag: str


class ModelStore(Protocol):
    """Files by name, with ``/`` between folders. Names are relative to *root*."""

    root: str

    def check(self) -> None:
        """
        Check that files could be written, as far as possible without writing.

        Raises:
            RegistryFailed: Files cannot be written.
        """

    def names(self) -> list[str]:
        """Return the names of the files directly below the root."""

    def read(self, name: str, most: int | None = None) -> Held | None:
        """
        Return the file, or None if it does not exist.

        Raises:
            RegistryFailed: The file cannot be read, or has more than *most* bytes.
        """

    def write(self, name: str, content: bytes, *, over: str | None) -> bool:
        """
        Write the file if its tag is still *over*. None means that no file exists.

        Return whether the file was written.
        """


def model_store(location: str, name: str, s3: "Callable[[], S3Client]") -> ModelStore:
    """
    Return the store of the model *name* at *location*, without reading anything.

    Raises:
        UsageError: *location* is neither a folder nor ``s3://``, or *name* cannot name a folder.
    """
    if not name or name.startswith(".") or not set(name) <= _NAME:
        raise UsageError(f"{name!r} cannot name a folder of models; use letters, digits, '.', '_' and '-'")
    if location.startswith("s3://"):
        bucket, _, prefix = location.removeprefix("s3://").rstrip("/").partition("/")
        return Bucket(s3(), bucket, f"{prefix}/{name}" if prefix else name)
    if not location or ("://" in location and not location.startswith("file://")):
        raise UsageError(f"{location!r} cannot hold models; name a folder or s3://bucket/prefix")
    return Folder(Path(location.removeprefix("file://")) / name)


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Folder:
    """Files of this machine. Writers take turns with a lock, released when its process ends."""

    def __init__(self, path: Path) -> None:
        self.root = str(path)
        self._path = path

    def check(self) -> None:
        with _told(self.root, "written"):
            self._path.mkdir(parents=True, exist_ok=True)
            refuse_unwritable(self._path / _LOCK)

    def names(self) -> list[str]:
        with _told(self.root, "listed"), contextlib.suppress(FileNotFoundError):
            return sorted(path.name for path in self._path.iterdir() if path.is_file())
        return []

    def read(self, name: str, most: int | None = None) -> Held | None:
        with _told(f"{self.root}/{name}", "read"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _refuse_larger(f"{self.root}/{name}", (self._path / name).stat().st_size, most)
            content = read_whole(self._path / name)
            return Held(content, hashlib.sha256(content).hexdigest())
        return None

    def write(self, name: str, content: bytes, *, over: str | None) -> bool:
        path = self._path / name
        with _told(f"{self.root}/{name}", "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with (self._path / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                held = self.read(name)
                if (held.tag if held else None) != over:
                    return False
                write_whole(path, content)
        return True


class Bucket:
    """Objects below a prefix."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self.root = f"s3://{bucket}/{prefix}"
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def check(self) -> None:
        """Do nothing: only a write shows whether writes are allowed."""

    def names(self) -> list[str]:
        prefix = f"{self._prefix}/"
        with _told(self.root, "listed", "s3:ListBucket on the bucket"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/"
            )
            return [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())]

    def read(self, name: str, most: int | None = None) -> Held | None:
        with _told(f"{self.root}/{name}", "read", "s3:GetObject on it and s3:ListBucket on the bucket"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")
            except self._client.exceptions.NoSuchKey:
                return None
            _refuse_larger(f"{self.root}/{name}", answer["ContentLength"], most)
            return Held(answer["Body"].read(), answer["ETag"])

    def write(self, name: str, content: bytes, *, over: str | None) -> bool:
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with _told(f"{self.root}/{name}", "written", "s3:PutObject on it"):
            try:
                self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=content, **condition)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _LOST:
                    raise
                return False
        return True


def _refuse_larger(location: str, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise RegistryFailed(f"{location} has {size:,} bytes, so it is no file of a registry; wanted at most {most:,}")


@contextlib.contextmanager
def _told(location: str, done: str, needed: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RegistryFailed(f"{location} cannot be {done}: {error.strerror}") from error
    except (ClientError, BotoCoreError, Boto3Error) as error:
        raise RegistryFailed(f"{location} cannot be {done}: {error}; needed: {needed}") from error
