"""
Stores of files: this machine, S3 and, in ``cloud_store.py``, other clouds.

The rule: a whole file appears under its name, or nothing does. A local file is copied beside its name and renamed. An
object is uploaded by ``upload_file``, which either completes or leaves nothing visible. An object carries the digest of
its content as metadata.

An object is downloaded whole before reading. Reading objects remotely through pyarrow's own S3 client has three
drawbacks. Credentials, endpoint and retry policy would have a second configuration beside boto3's, which tests and
emulators use. Memory would grow with the distance to S3. And a connection that breaks after an hour of scoring would
cost that hour. The price of the download is disk space: scratch (TMPDIR) must hold the object and the output.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer import clouds
from stream_consumer.batch.cloud_store import CloudStore
from stream_consumer.batch.errors import StoreFailed, UnusableInput
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.models.files import default_s3
from stream_consumer.whole_file import refuse_unwritable, whole_file

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_DIGEST = "sha256"
_GONE = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})


class Store(Protocol):
    """Files in a kind of store, by location."""

    def version(self, location: Location) -> str:
        """
        Return a text that changes whenever the content of *location* does.

        Raises:
            UnusableInput: The file does not exist.
            StoreFailed: The file cannot be accessed.
        """

    def fetch(self, location: Location, scratch: Path, progressed: Callable[[], None]) -> Path:
        """Return the local file with the content. *progressed* is called now and then and may raise."""

    def size(self, location: Location) -> int | None:
        """Return the size in bytes. None if the file does not exist."""

    def digest(self, location: Location) -> str | None:
        """Return the SHA-256 of the content, as stored by :meth:`put`. None if the file does not exist."""

    def check(self, location: Location) -> None:
        """
        Check that a file could be written to *location*, as far as possible without writing.

        Raises:
            StoreFailed: The file could not be written.
        """

    def read(self, location: Location) -> bytes | None: ...

    def list(self, folder: Location) -> list[Location]:
        """Return the files in *folder* and its subfolders, by name. Empty if the folder does not exist."""

    def put(self, file: Path, location: Location) -> None:
        """Give *location* the content of *file*, whole or not at all."""

    def remove(self, location: Location) -> None:
        """Remove the file at *location*, if it exists."""


class Stores:
    """The stores of all kinds of locations."""

    def __init__(
        self,
        s3: Callable[[], "S3Client"] = default_s3,
        scratch: Path | None = None,
        open_url: clouds.Open = clouds.open_url,
    ) -> None:
        """
        Make the stores. A store connects only when its first location is used.

        Args:
            s3: Makes the client when the first S3 URL is used.
            scratch: Folder for temporary files. The default is TMPDIR.
            open_url: Opens the file systems of other clouds.
        """
        self._make_s3 = s3
        self._s3: Store | None = None
        self._local = LocalStore()
        self._cloud = CloudStore(open_url)
        self._scratch = scratch

    def at(self, location: Location) -> Store:
        if location.kind is Kind.CLOUD:
            return self._cloud
        if location.kind is not Kind.OBJECT:
            return self._local
        self._s3 = self._s3 or S3Store(self._make_s3())
        return self._s3

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """
        Give a folder for the duration of the context.

        Raises:
            StoreFailed: The disk is full, or the folder cannot be made.
        """
        root = self._scratch or tempfile.gettempdir()
        try:
            with tempfile.TemporaryDirectory(prefix="stream-consumer-batch-", dir=root) as folder:
                yield Path(folder)
        except OSError as error:
            raise StoreFailed(
                f"{error.strerror or error}: scratch in {root} (TMPDIR) must hold the output, and an input that is an "
                "object; nothing was committed"
            ) from error


class LocalStore:
    """Files of this machine."""

    def version(self, location: Location) -> str:
        path = location.path
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise UnusableInput(f"there is no file {location}") from None
        except OSError as error:
            raise _unreadable(location, error) from error
        if stat.S_ISDIR(status.st_mode):
            raise UnusableInput(f"{location} is a folder; name the files in it")
        if not stat.S_ISREG(status.st_mode):  # a pipe may never end and cannot be read twice
            raise UnusableInput(f"{location} is a pipe or a device, not a file; write its content into a file first")
        return f"{status.st_size} bytes of {status.st_mtime_ns}"

    def fetch(self, location: Location, scratch: Path, progressed: Callable[[], None]) -> Path:  # noqa: ARG002 (it is here)
        return location.path

    def size(self, location: Location) -> int | None:
        try:
            return location.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreFailed(f"{location} cannot be looked at: {error.strerror}") from error

    def digest(self, location: Location) -> str | None:
        try:
            return digest_of(location.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFailed(f"{location} cannot be read: {error.strerror}") from error

    def check(self, location: Location) -> None:
        path = location.path.absolute()
        while not os.path.lexists(path.parent):
            path = path.parent
        if not path.parent.is_dir():
            raise StoreFailed(f"{location} cannot be written: {path.parent} is not a folder")
        try:
            refuse_unwritable(path)
        except OSError as error:
            raise StoreFailed(f"{location} cannot be written: {error.strerror}") from error

    def read(self, location: Location) -> bytes | None:
        try:
            return location.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise StoreFailed(f"{location} cannot be read: {error.strerror}") from error

    def list(self, folder: Location) -> list[Location]:
        # A name with a leading dot belongs to a file that is still incomplete.
        paths = sorted(path for path in folder.path.rglob("[!.]*") if path.is_file())
        return [Location.parse(str(path)) for path in paths]

    def put(self, file: Path, location: Location) -> None:
        path = location.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Scratch may be on another file system, and a rename works only within a file system.
            with file.open("rb") as source, whole_file(path) as copy:
                shutil.copyfileobj(source, copy)
        except OSError as error:
            raise StoreFailed(f"{location} cannot be written: {error.strerror}") from error

    def remove(self, location: Location) -> None:
        try:
            location.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreFailed(f"{location} cannot be removed: {error.strerror}") from error


def _unreadable(location: Location, error: OSError) -> UnusableInput | StoreFailed:
    """Blame the input if a file of this name can never exist. Any other error may pass."""
    fate = UnusableInput if error.errno in {errno.ENAMETOOLONG, errno.ELOOP} else StoreFailed
    return fate(f"{location} cannot be read: {error.strerror}")


def digest_of(file: Path) -> str:
    """Return the SHA-256 of the content of *file*, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class S3Store:
    """Objects of S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def version(self, location: Location) -> str:
        with _told(location, "looked at", "s3:GetObject on it and s3:ListBucket on the bucket"):
            return self._client.head_object(Bucket=location.bucket, Key=location.key)["ETag"].strip('"')

    def fetch(self, location: Location, scratch: Path, progressed: Callable[[], None]) -> Path:
        folder = scratch / "fetched"  # no file of the run has a name inside this folder
        folder.mkdir()
        # A key may be too long for a file name, or may be the name of a folder.
        path = folder / f"input{location.suffix}"
        with _told(location, "downloaded", "s3:GetObject on it"):
            self._client.download_file(location.bucket, location.key, str(path), Callback=lambda _: progressed())
        return path

    def size(self, location: Location) -> int | None:
        with contextlib.suppress(UnusableInput), _told(location, "looked at", "s3:GetObject and s3:ListBucket"):
            return self._client.head_object(Bucket=location.bucket, Key=location.key)["ContentLength"]
        return None

    def digest(self, location: Location) -> str | None:
        with contextlib.suppress(UnusableInput), _told(location, "looked at", "s3:GetObject and s3:ListBucket"):
            return self._client.head_object(Bucket=location.bucket, Key=location.key)["Metadata"].get(_DIGEST)
        return None

    def check(self, location: Location) -> None:
        """Do nothing: only an upload shows whether uploads are allowed."""

    def read(self, location: Location) -> bytes | None:
        with contextlib.suppress(UnusableInput), _told(location, "read", "s3:GetObject and s3:ListBucket"):
            return self._client.get_object(Bucket=location.bucket, Key=location.key)["Body"].read()
        return None

    def list(self, folder: Location) -> list[Location]:
        pages = self._client.get_paginator("list_objects_v2")
        with _told(folder, "listed", "s3:ListBucket on the bucket"):
            found = pages.paginate(Bucket=folder.bucket, Prefix=folder.key.rstrip("/") + "/")
            keys = [entry["Key"] for page in found for entry in page.get("Contents", [])]
        return [Location.parse(f"s3://{folder.bucket}/{key}") for key in keys if not key.endswith("/")]

    def put(self, file: Path, location: Location) -> None:
        with _told(location, "written", "s3:PutObject", reading=False):
            self._client.upload_file(
                str(file), location.bucket, location.key, ExtraArgs={"Metadata": {_DIGEST: digest_of(file)}}
            )

    def remove(self, location: Location) -> None:
        with _told(location, "removed", "s3:DeleteObject", reading=False):
            self._client.delete_object(Bucket=location.bucket, Key=location.key)


@contextlib.contextmanager
def _told(location: Location, done: str, needed: str, *, reading: bool = True) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if reading and error.response.get("Error", {}).get("Code") in _GONE:
            raise UnusableInput(f"there is no object {location}") from error
        raise StoreFailed(f"{location} cannot be {done}: {error}; needed: {needed}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreFailed(f"{location} cannot be {done}: {error}") from error
