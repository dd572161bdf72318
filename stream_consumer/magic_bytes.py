"""
The real format of a file with the wrong format, by its first bytes.

The name of a file says its format. If a reader fails, this module names the format of the bytes, and the remedy.
"""

import zlib
from pathlib import Path

_HEAD_BYTES = 1_024
_GZIP = b"\x1f\x8b"
_TO_UTF8 = "and UTF-8 is wanted; convert it: iconv -f {} -t UTF-8"
# Source: The Unicode Standard, "Byte Order Mark". UTF-32 comes first, since its mark begins with UTF-16's.
_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_CONTAINERS = (
    (_GZIP, "gzip data; decompress it, or give a CSV file a name that ends in .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data; decompress it"),
    (b"BZh", "bzip2 data; decompress it"),
    (b"\xfd7zXZ\x00", "xz data; decompress it"),
    (b"PK\x03\x04", "a ZIP archive, as spreadsheets (.xlsx) are; export the table as CSV"),
    (b"PAR1", "Parquet; give it a name that ends in .parquet"),
    (b"ARROW1", "an Arrow file; write it as Parquet"),
    (b"SQLite format 3\x00", "an SQLite database; read it with --query"),
    (b"%PDF", "PDF"),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<error")


def not_text(path: Path) -> str | None:
    """
    Return the format of the file at *path* and the remedy, or None if the file may be text in UTF-8.

    A file whose name ends in ``.gz`` is decompressed first.

    Raises:
        OSError: The file cannot be read.
    """
    head = _head(path)
    if path.name.endswith(".gz") and head:
        if not head.startswith(_GZIP):
            return "not gzip data, though its name ends in .gz"
        head = _decompressed(head)
    if known := _known(head):
        return known
    if b"\x00" in head:
        encoding = "UTF-16BE" if head.startswith(b"\x00") else "UTF-16LE"
        return f"UTF-16 without a byte-order mark, or binary data, {_TO_UTF8.format(encoding)}"
    return None


def not_parquet(path: Path) -> str | None:
    """
    Return the format of the file at *path* and the remedy, or None if the file may be Parquet.

    Raises:
        OSError: The file cannot be read.
    """
    head = _head(path)
    return None if head.startswith(b"PAR1") else _known(head)


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return the fault that *error* tells of, and the remedy."""
    byte = error.object[error.start]
    return f"not UTF-8 (byte 0x{byte:02x}), perhaps Latin-1, {_TO_UTF8.format('LATIN1')}"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _decompressed(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
    except zlib.error:  # the reader reports this itself
        return b""


def _known(head: bytes) -> str | None:
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            return f"{encoding}, {_TO_UTF8.format(encoding)}"
    for mark, what in _CONTAINERS:
        if head.startswith(mark):
            return what
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_MARKUP):
        return "HTML or XML, perhaps the error page of a download"
    return None
