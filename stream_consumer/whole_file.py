"""
Files that are written whole or not at all.

The content goes into a temporary file in the same folder, which is then renamed. Two writers of one file do not
conflict: each has a temporary file of its own, and the last rename wins. A pipe or a device is refused, since the
    rename
would replace it by a file, and ``/dev/null`` would be gone for the whole machine. This module does no other I/O.
"""

import contextlib
import errno
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """
    Give a file that becomes *path* at the end of the context, unless an exception is raised.

    Raises:
        OSError: The file cannot be written. An older file at *path* is unchanged.
    """
    refuse_other(path)
    # A short name, since *path* may have the longest name that the file system allows.
    aside = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def refuse_other(path: Path) -> None:
    """
    Raise if *path*, or the target of a link, exists and is not a file.

    Raises:
        OSError: *path* is a folder, a pipe, a socket or a device, or cannot be looked at.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def refuse_unwritable(path: Path) -> None:
    """
    Raise if a file *path* cannot be written, before there is content to write.

    Raises:
        OSError: As :func:`refuse_other`. Or the folder does not exist or does not allow files.
    """
    refuse_other(path)
    # Permissions do not answer this: root passes all of them, and a file system may be read-only.
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def read_whole(path: Path) -> bytes:
    """
    Return the content of the file *path*.

    Raises:
        OSError: The file cannot be read, or is a folder or a pipe. Reading a pipe may never end.
    """
    refuse_other(path)
    return path.read_bytes()


def write_whole(path: Path, content: bytes) -> None:
    """
    Write *content* to the file *path*.

    Raises:
        OSError: The file cannot be written. An older file at *path* is unchanged.
    """
    with whole_file(path) as file:
        file.write(content)
