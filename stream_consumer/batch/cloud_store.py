"""
Files on Google Cloud Storage and Azure through fsspec: plain download and upload.

The rule of ``storage.py`` holds: a whole file appears under its name, or nothing does. Both stores show an upload only
when its last byte has arrived. fsspec has no metadata common to all stores. Therefore the digest of an object is
computed from its content, and each digest costs a download.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stream_consumer import clouds
from stream_consumer.batch.errors import StoreFailed, UnusableInput
from stream_consumer.batch.locations import Location
from stream_consumer.errors import StreamConsumerError, in_one_line


class CloudStore:
    """Objects under the names that fsspec gives them."""

    def __init__(self, open_url: clouds.Open = clouds.open_url) -> None:
        self._open_url = open_url

    def version(self, location: Location) -> str:
        with self._opened(location, "looked at") as (system, path):
            about = _about(system, path)
            return str(about.get("etag") or system.ukey(path)).strip('"')

    def fetch(self, location: Location, scratch: Path, progressed: Callable[[], None]) -> Path:
        folder = scratch / "fetched"  # no file of the run has a name inside this folder
        folder.mkdir()
        copy = folder / f"input{location.suffix}"
        with self._opened(location, "downloaded") as (system, path):
            size = _about(system, path)["size"]
            system.get_file(path, str(copy), callback=_callback(progressed))
        if copy.stat().st_size != size:
            raise StoreFailed(f"{location} has {size} bytes and {copy.stat().st_size} arrived: run again")
        return copy

    def size(self, location: Location) -> int | None:
        with contextlib.suppress(UnusableInput), self._opened(location, "looked at") as (system, path):
            return int(_about(system, path)["size"])
        return None

    def digest(self, location: Location) -> str | None:
        with (
            contextlib.suppress(UnusableInput),
            self._opened(location, "read") as (system, path),
            system.open(path, "rb") as file,
        ):
            return hashlib.file_digest(file, "sha256").hexdigest()
        return None

    def check(self, location: Location) -> None:
        """Do nothing: only an upload shows whether uploads are allowed."""

    def read(self, location: Location) -> bytes | None:
        with contextlib.suppress(UnusableInput), self._opened(location, "read") as (system, path):
            content: bytes = system.cat_file(path)
            return content
        return None

    def list(self, folder: Location) -> list[Location]:
        with contextlib.suppress(UnusableInput), self._opened(folder, "listed") as (system, path):
            root = folder.text.rstrip("/")
            return [Location.parse(root + found.removeprefix(path.rstrip("/"))) for found in sorted(system.find(path))]
        return []

    def put(self, file: Path, location: Location) -> None:
        with self._opened(location, "written", reading=False) as (system, path):
            system.put_file(str(file), path)

    def remove(self, location: Location) -> None:
        with contextlib.suppress(UnusableInput), self._opened(location, "removed") as (system, path):
            system.rm_file(path)

    @contextlib.contextmanager
    def _opened(self, location: Location, done: str, *, reading: bool = True) -> Iterator[clouds.Opened]:
        try:
            system, path = self._open_url(location.text)
            system.invalidate_cache()  # the cache may predate another run's changes
            yield system, path
        except StreamConsumerError:
            raise
        except FileNotFoundError as error:
            if reading:
                raise UnusableInput(f"there is no object {location}") from error
            raise StoreFailed(f"{location} cannot be {done}: there is no such bucket or container") from error
        except Exception as error:  # (each of the libraries has exceptions of its own)
            said = in_one_line(error) or type(error).__name__
            raise StoreFailed(f"{location} cannot be {done}: {said}") from error


def _about(system: Any, path: str) -> Any:
    about = system.info(path)
    if about["type"] != "file":
        raise FileNotFoundError(path)
    return about


def _callback(progressed: Callable[[], None]) -> Any:
    from fsspec.callbacks import Callback  # noqa: PLC0415 (comes with an extra)

    return Callback(hooks={"progressed": lambda *_, **__: progressed()})
