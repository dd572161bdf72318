"""
Read the headers of a Parquet file's pages, to know the memory that a column needs before unpacking.

The footer of a file may claim anything. The reader allocates memory by the page headers, and pyarrow does not expose
them. Source: apache/parquet-format, "parquet.thrift", and Apache Thrift, "Thrift Compact protocol encoding".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
# The header member with the number of values, by the type of the page.
_MEMBERS = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}
_ENCODING_AT = {_DATA: 2, _DATA_V2: 4}
# Parquet's names and pyarrow's.
_CODECS = {"SNAPPY": "snappy", "GZIP": "gzip", "BROTLI": "brotli", "ZSTD": "zstd", "LZ4": "lz4_raw"}
# Headers hold statistics of any length. The last size is the limit of pyarrow.
_WINDOWS = (1 << 12, 1 << 16, 1 << 24)

# Of the compact protocol: the mark of a long list, the continuation bit of an integer, and the most bits of an integer.
_LONG_LIST, _MORE, _LONGEST_INTEGER = 15, 128, 63

DICTIONARY_ENCODINGS = frozenset({2, 8})
DELTA_BYTE_ARRAY = 7


@dataclass(frozen=True, slots=True)
class Page:
    """A page of data, or the dictionary of the following pages."""

    unpacked: int
    """Uncompressed size in bytes."""
    values: int
    encoding: int | None
    """Number of the encoding in ``parquet.thrift``. None for a dictionary or an index."""
    at: int
    """Offset of the content in the file."""
    packed: int


def pages(file: BinaryIO, column: Any) -> Iterator[Page]:
    """
    Yield the pages of a column chunk, given as ``pyarrow.parquet.ColumnChunkMetaData``.

    Raises:
        pyarrow.ArrowInvalid: A header cannot be read.
    """
    at = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < at:
        at = column.dictionary_page_offset
    end = at + column.total_compressed_size if column.num_values else at  # an empty chunk may have no page
    while at < end:
        header, length = _header(file, at)
        kind, unpacked, packed = (header.get(member, 0) for member in (1, 2, 3))
        about = header.get(_MEMBERS.get(kind, -1), {})
        if min(unpacked, packed) < 0:
            raise pa.ArrowInvalid("a page has a negative size")
        at += length
        yield Page(unpacked, about.get(1, 0), about.get(_ENCODING_AT.get(kind, -1)), at, packed)
        at += packed


def longest_value(file: BinaryIO, dictionary: Page, codec: str) -> int:
    """Return the bytes of the longest text of a *dictionary*, or of the whole one if unpacking fails here."""
    file.seek(dictionary.at)
    content: bytes = file.read(dictionary.packed)
    if codec != "UNCOMPRESSED":
        try:
            content = pa.decompress(content, dictionary.unpacked, _CODECS[codec], asbytes=True)
        except (KeyError, pa.ArrowException, OSError):
            return dictionary.unpacked
    longest = at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "little")
        longest, at = max(longest, length), at + 4 + length
    return min(longest, dictionary.unpacked)


def _header(file: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """Return the members of the header at *at* by their numbers, and its length."""
    for size in _WINDOWS:
        file.seek(at)
        reader = _Compact(file.read(size))
        try:
            return reader.struct(), reader.at
        except (IndexError, RecursionError):
            continue
    raise pa.ArrowInvalid("the header of a page is damaged")


class _Compact:
    """Reads Thrift's compact protocol. Only numbers and structs are returned."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self) -> dict[int, Any]:
        members: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            members[number] = self._value(head & 15)
        return members

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 4 | 5 | 6:
                return self._integer()
            case 8:
                return self._skip(self._varint())
            case 9 | 10:
                return self._list()
            case 12:
                return self.struct()
            case 3 | 7 | 13:
                return self._skip({3: 1, 7: 8, 13: 16}[kind])
        raise IndexError(kind)

    def _list(self) -> None:
        head = self._byte()
        for _ in range(self._varint() if head >> 4 == _LONG_LIST else head >> 4):
            if head & 15 in {1, 2}:
                self._byte()
            else:
                self._value(head & 15)

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte % _MORE) << shift
            shift += 7
            if byte < _MORE:
                return number
            if shift > _LONGEST_INTEGER:
                raise IndexError(shift)

    def _integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)

    def _skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self._data):
            raise IndexError(length)
