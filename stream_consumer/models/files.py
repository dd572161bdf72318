"""
Get the files of a model from a directory, a prefix of an object store, or MLflow's registry.

A file ``champion.json`` names a directory or prefix beside the file. The rule: the result is a complete local directory
with ``MLmodel``, or a ModelError that names the remedy.
"""

import atexit
import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer import clouds
from stream_consumer.aws.clients import default_client
from stream_consumer.errors import ModelError
from stream_consumer.models.champion import beside, names_champion, read_champion

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

REGISTRY_META = "registered_model_meta"
"""MLflow writes this file into a downloaded copy. The file is no part of the model."""
_CACHE = "__pycache__"
"""Python writes caches beside imported code, and would run them instead of the code."""
_CHUNK_BYTES = 2**20


def default_s3() -> "S3Client":
    """Return an S3 client with the configuration of the AWS CLI."""
    made: S3Client = default_client("s3")
    return made


def directory_digest(directory: Path) -> str:
    """Return the SHA-256 over the sorted names and contents of the regular files of a model directory."""
    hashes = {}
    for name in _names(directory):
        with _opened(directory / name) as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digest(hashes)


def unchanging(directory: Path, pin: str) -> tuple[Path, str]:
    """
    Return a model directory whose files nobody can replace any more, and its digest.

    In Lambda, *directory* itself is part of a read-only image, and is returned. Anywhere else, and if the directory has
    Python's caches, the result is a private copy of this process. The digest is computed from the copied bytes.

    The copy lasts as long as the process, because a model may import code and read files at its first prediction. A
    model loaded again shares the first copy. A copy whose digest is not *pin* is removed at once.
    """
    if _is_of_read_only_image(directory) and not any(directory.rglob(_CACHE)):
        return directory, directory_digest(directory)
    with contextlib.ExitStack() as unless_kept:
        copy = Path(tempfile.mkdtemp(prefix="model-"))
        unless_kept.callback(shutil.rmtree, copy, ignore_errors=True)
        digest = copy_files(directory, copy)
        if digest == pin and not _taken_over(copy, pin):
            _COPIES[pin] = copy
            atexit.register(unless_kept.pop_all().close)
    return _COPIES.get(digest, copy), digest


def copy_files(directory: Path, copy: Path) -> str:
    """Copy the files under the digest, and the registry's file, into the folder *copy*. Return the copy's digest."""
    hashes = {}
    for name in _names(directory):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        hashes[name] = _copied(directory / name, copy / name)
    if (directory / REGISTRY_META).is_file():
        _copied(directory / REGISTRY_META, copy / REGISTRY_META)
    return _digest(hashes)


_COPIES: dict[str, Path] = {}
"""The copies of this process, by digest."""


def _taken_over(copy: Path, digest: str) -> bool:
    """Return whether an earlier copy still has the digest. If so, update the registry's file in the earlier copy."""
    earlier = _COPIES.get(digest)
    if earlier is None or directory_digest(earlier) != digest:
        return False
    (earlier / REGISTRY_META).unlink(missing_ok=True)
    if (copy / REGISTRY_META).exists():
        (copy / REGISTRY_META).replace(earlier / REGISTRY_META)
    return True


def _is_of_read_only_image(directory: Path) -> bool:
    # A volume may be writable elsewhere, so the directory must be on the root's own file system.
    read_only = bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    return read_only and directory.stat().st_dev == Path("/").stat().st_dev


def regular_file(directory: Path, name: str, location: str) -> Path:
    """
    Return the file *name* of the model in *directory*. Messages refer to the model by *location*.

    Raises:
        ModelError: The digest does not cover a file of this name.
    """
    if name not in _names(directory):
        raise ModelError(
            f"the model at {location} names the file {name!r}, which is not a regular file inside its directory; copy "
            "the model with the files that its links point to, and log it again if a name leads outside"
        )
    return directory / name


def _names(directory: Path) -> list[str]:
    """Return the sorted names of the files of a model, without links and Python's caches."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    relative = (path.relative_to(directory) for path in sorted(files))
    names = [path.as_posix() for path in relative if _CACHE not in path.parts]
    return [name for name in names if name != REGISTRY_META]


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of the bytes written."""
    content = hashlib.sha256()
    with _opened(source) as file, target.open("xb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
            copy.write(chunk)
    return content.hexdigest()


def _opened(path: Path) -> BufferedReader:
    # A link that has replaced the file since the listing raises OSError.
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")  # noqa: PTH123 (a descriptor)


def _digest(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{content}  {name}\n" for name, content in hashes.items())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()  # names are bytes to the file system


@contextlib.contextmanager
def model_directory(
    location: str, s3: Callable[[], "S3Client"], open_url: clouds.Open = clouds.open_url
) -> Iterator[Path]:
    """
    Give the files of the model at *location* as a local directory. A fetched copy lasts as long as the context.

    Raises:
        ModelError: The model does not exist, cannot be fetched, or differs from the model named in ``champion.json``.
    """
    if not names_champion(location):
        with _files_at(location, s3, open_url) as directory:
            yield directory
        return
    wanted = read_champion(location, s3, open_url).digest
    with _files_at(beside(location, wanted), s3, open_url) as directory:
        found = directory_digest(directory)
        if found != wanted:
            raise ModelError(
                f"{location} names the model {wanted}, but the files in that folder have the digest {found}; "
                "go back with `stream-consumer model rollback`, or train again"
            )
        yield directory


@contextlib.contextmanager
def _files_at(location: str, s3: Callable[[], "S3Client"], open_url: clouds.Open) -> Iterator[Path]:
    if location.startswith(("s3://", "models:/", "runs:/")) or clouds.in_a_cloud(location):
        with tempfile.TemporaryDirectory(prefix="model-") as scratch:
            if location.startswith("s3://"):
                _download_from_s3(location, s3(), Path(scratch))
                yield Path(scratch)
            elif clouds.in_a_cloud(location):
                _download_from_cloud(location, open_url, Path(scratch))
                yield Path(scratch)
            else:
                yield _download_from_registry(location, scratch)
        return
    path = Path(location.removeprefix("file://"))
    if not (path / "MLmodel").is_file():
        raise ModelError(
            f"there is no MLflow model at {location}: the file {path / 'MLmodel'} does not exist; "
            "name the directory that holds it, an s3:// prefix, a champion.json or models:/NAME@ALIAS"
        )
    yield path


def _download_from_s3(location: str, s3: "S3Client", scratch: Path) -> None:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/") + "/"
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/")]
        for key, target in _copies(keys, prefix, location, scratch):
            s3.download_file(bucket, key, str(target))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise ModelError(
            f"the model at {location} cannot be read: {error}; the function needs s3:ListBucket on the bucket and "
            "s3:GetObject on the prefix"
        ) from error


def _copies(keys: Sequence[str], prefix: str, location: str, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield each object at *location* with its target file in *scratch*. The target's folder exists."""
    if f"{prefix}MLmodel" not in keys:
        raise ModelError(
            f"there is no MLflow model at {location}: {len(keys)} objects begin with it and none is MLmodel; "
            "runs of MLflow 3 keep models under <experiment>/models/m-<id>/artifacts"
        )
    for key in keys:
        relative = PurePosixPath(key.removeprefix(prefix))
        if ".." in relative.parts or relative.is_absolute():
            raise ModelError(f"the object {key!r} at {location} would be written outside the model's directory")
        target = scratch / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        yield key, target


def _download_from_cloud(location: str, open_url: clouds.Open, scratch: Path) -> None:
    try:
        system, path = open_url(location)
        prefix = path.rstrip("/") + "/"
        for key, target in _copies(system.find(prefix), prefix, location, scratch):
            system.get_file(key, str(target))
    except ModelError:
        raise
    except Exception as error:  # (each of the libraries has exceptions of its own)
        raise ModelError(f"the model at {location} cannot be read: {error}") from error


def _download_from_registry(location: str, scratch: str) -> Path:
    mlflow = import_mlflow(f"{location} names a model in MLflow's registry")
    try:
        _refuse_missing_store(
            mlflow.get_registry_uri() if location.startswith("models:/") else mlflow.get_tracking_uri()
        )
        return Path(mlflow.artifacts.download_artifacts(location, dst_path=scratch))
    except Exception as error:  # (every store of MLflow has exceptions of its own)
        rides = re.match("models:/ride-duration[@/]", location)
        remedy = "make one with `stream-consumer train`" if rides else "correct the name, log the model there"
        raise ModelError(
            f"the model {location} cannot be fetched from {mlflow.get_tracking_uri()}: {error}; "
            f"{remedy}, or say with MLFLOW_TRACKING_URI where to look"
        ) from error


def sqlite_file(uri: str) -> Path | None:
    """Return the file of the SQLite store at *uri*. None for a store of another kind or in memory."""
    scheme, _, rest = uri.partition(":///")
    path = rest.partition("?")[0]
    return Path(path) if scheme.startswith("sqlite") and path not in {"", ":memory:"} else None


def _refuse_missing_store(uri: str) -> None:
    """Raise FileNotFoundError if *uri* is a missing SQLite file, since mlflow would create the file even on a read."""
    file = sqlite_file(uri)
    if file and not file.exists():
        raise FileNotFoundError("this store does not exist")


def is_installed(library: str) -> bool:
    """Whether *library* can be imported, found out without the import."""
    try:
        return importlib.util.find_spec(library) is not None
    except ImportError:
        return False


def import_mlflow(because: str) -> Any:
    """
    Import mlflow.

    This costs seconds and hundreds of megabytes, so no other code before a prediction imports mlflow.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        importlib.import_module("mlflow.pyfunc")
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise ModelError(
            f"{because}, and mlflow is not installed here; give the directory or s3:// prefix of a scikit-learn model "
            "saved with skops, or install mlflow"
        ) from error
