"""
Files that appear whole under their name, or not at all.

The content is written aside, in the same folder, and renamed. Two writers of one name do not meet: each writes aside
under a name of its own, and the last rename wins. A pipe or a device is refused: the rename would put a file into its
place, and ``/dev/null`` would be gone for the whole machine. No I/O but this.
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
    Give a file that becomes *path* when the context ends without an exception.

    Raises:
        OSError: The file cannot be written. What was at *path* is still there.
    """
    refuse_other(path)
    # Short whatever the name: a name may be as long as the file system allows.
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
    Raise if *path*, or what it is a link to, is neither a file nor free.

    Raises:
        OSError: It is a folder, a pipe, a socket or a device; or it cannot be looked at.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def refuse_unwritable(path: Path) -> None:
    """
    Raise if no file can be written whole under *path*, before there is anything to write.

    Raises:
        OSError: As :func:`refuse_other`; or its folder is not there, or takes no file.
    """
    refuse_other(path)
    # Permissions do not tell: root passes all of them, and a file system that is read-only has its own.
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def read_whole(path: Path) -> bytes:
    """
    Return the content of the file *path*.

    Raises:
        OSError: The file cannot be read, or it is a folder or a pipe, which may never end.
    """
    refuse_other(path)
    return path.read_bytes()


def write_whole(path: Path, content: bytes) -> None:
    """
    Make *content* the content of *path*.

    Raises:
        OSError: The file cannot be written. What was at *path* is still there.
    """
    with whole_file(path) as file:
        file.write(content)
