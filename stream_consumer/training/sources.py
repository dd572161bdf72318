"""
The sources of ride files: a local path, ``s3://`` or ``http(s)://``.

The rule: for any source, the result is the path of a readable local file, or a UsageError that names the source.
"""

import glob
import http.client
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import UsageError
from stream_consumer.training.progress import StageProgress

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SUFFIXES = (".parquet", ".csv", ".csv.gz")
HTTP_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20
# A response may never end. A month of rides of any kind has less than a tenth of these bytes, and arrives faster.
_LARGEST_BYTES = 10_000_000_000
_PATIENCE_SECONDS = 300.0


def shown(source: str) -> str:
    """Return *source* for a message or a log: a URL without user, password and query, which may be credentials."""
    try:
        parts = urlsplit(source)
    except ValueError:  # not a URL, but the text may still hold a password
        return source.partition("://")[0] + "://…"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl() if parts.netloc else source


def expanded(sources: Sequence[str]) -> list[str]:
    """
    Return *sources* with each pattern of local files replaced by the sorted names that match.

    Raises:
        UsageError: No file matches a pattern.
    """
    names: list[str] = []
    for source in sources:
        # The name of a file may look like a pattern.
        pattern = "://" not in source and glob.has_magic(source) and not Path(source).exists()
        found = sorted(glob.glob(source)) if pattern else [source]  # noqa: PTH207 (absolute patterns, too)
        if not found:
            raise UsageError(f"no file matches {source}")
        names += found
    return names


def refuse_unreadable(sources: Sequence[str]) -> None:
    """
    Raise if one of *sources* is obviously unreadable, without a download.

    Raises:
        UsageError: The local file does not exist, or the name is not a name of a file of rides.
    """
    for source in expanded(sources):
        parts, _ = _parsed(source)
        if not parts.scheme:
            _local(Path(source))


def fetch(source: str, directory: Path, *, progress: StageProgress, s3: Callable[[], "S3Client"]) -> Path:
    """
    Return the local file of *source*, downloaded into *directory* unless already local.

    Raises:
        UsageError: No such file, object or page, an unknown scheme or suffix, no permission, no connection.
    """
    parts, suffix = _parsed(source)
    match parts.scheme:
        case "":
            return _local(Path(source))
        case "s3":
            return _from_s3(parts, directory / f"rides{suffix}", progress=progress, s3=s3)
        case _:
            return _from_http(source, directory / f"rides{suffix}", progress=progress)


def _parsed(source: str) -> tuple[SplitResult, str]:
    """Return the parts of *source*, with a known scheme, and its suffix."""
    try:
        parts = urlsplit(source) if "://" in source else SplitResult("", "", source, "", "")
    except ValueError as error:  # [::1 without its bracket
        raise UsageError(f"{source!r} is no URL: {error}") from None
    name = PurePosixPath(parts.path).name
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        raise UsageError(
            f"{shown(source) or 'an empty name'}: rides are read from {', '.join(SUFFIXES)} files; the name must end so"
        )
    if parts.scheme not in {"", "s3", "http", "https"}:
        raise UsageError(f"{shown(source)}: unknown scheme {parts.scheme}://; give a path, s3:// or https://")
    return parts, suffix


def _local(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        there = f"there is no file {path}"
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise UsageError(there if missing else f"{path} cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a directory; name the files in it, such as {path}/*.parquet")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is a pipe or a device, not a file; write its content into a file first")
    return path


def _from_s3(parts: SplitResult, path: Path, *, progress: StageProgress, s3: Callable[[], "S3Client"]) -> Path:
    source, done = parts.geturl(), 0

    def received(count: int) -> None:
        nonlocal done
        done += count
        progress(f"downloading {source}", done=done)

    progress(f"downloading {source}")
    try:
        s3().download_file(parts.netloc, parts.path.removeprefix("/"), str(path), Callback=received)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise UsageError(f"{source} cannot be downloaded: {error}") from error
    return path


def _from_http(source: str, path: Path, *, progress: StageProgress) -> Path:
    stage = f"downloading {shown(source)}"
    progress(stage)
    try:
        # S310 warns of file:// and similar schemes. The caller admits only http and https.
        with urllib.request.urlopen(source, timeout=HTTP_TIMEOUT_SECONDS) as response:  # noqa: S310
            length = response.headers["Content-Length"]
            total = int(length) if length else None
            _refuse_too_large(source, total or 0)
            received = 0
            with path.open("wb") as file:
                for chunk in _in_time(source, response):
                    received += file.write(chunk)
                    _refuse_too_large(source, received)
                    progress(stage, done=received, total=total)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(f"{shown(source)} cannot be downloaded: HTTP {error.code} {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UsageError(f"{shown(source)} cannot be downloaded: {error}") from error
    # A connection that closes early ends a chunked read without an error.
    if total is not None and received < total:
        raise UsageError(f"{shown(source)} ended after {received} of {total} bytes; try again")
    return path


def _refuse_too_large(source: str, size: int) -> None:
    if size > _LARGEST_BYTES:
        raise UsageError(
            f"{shown(source)} is larger than the {_LARGEST_BYTES:,} bytes that are downloaded; name a smaller file"
        )


def _in_time(source: str, response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the data of *response*, as long as a chunk's size arrives within the allowed time."""
    since, behind = time.monotonic(), 0
    # Reading a whole chunk would wait as long as single bytes arrive.
    while some := response.read1(_CHUNK_BYTES):
        yield some
        behind += len(some)
        if behind >= _CHUNK_BYTES:
            since, behind = time.monotonic(), 0
        elif time.monotonic() > since + _PATIENCE_SECONDS:
            raise UsageError(
                f"{shown(source)} sent less than {_CHUNK_BYTES:,} bytes within {_PATIENCE_SECONDS:g} s; "
                "download it, and name the file"
            )
