"""
Name the format of a record that is not an event: the formats that producers send by mistake.

The rule: a detail names the format sent and the format wanted, and never repeats the data. Only the first bytes are
unpacked, so a small record cannot become a large value.
"""

import base64
import binascii
import codecs
import re
import zlib

import msgspec

from stream_consumer.contract import kpl

_WANTED = "this stream carries plain JSON"

# The longest first, since the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte-order mark (BOM)"),
    (codecs.BOM_UTF32_LE, "text in UTF-32"),
    (codecs.BOM_UTF32_BE, "text in UTF-32"),
    (codecs.BOM_UTF16_LE, "text in UTF-16"),
    (codecs.BOM_UTF16_BE, "text in UTF-16"),
)
_FORMATS = (
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ\x00", "xz-compressed data"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed data"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy-compressed data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x03\x00", "data with a Glue Schema Registry header"),
    (b"\x03\x05", "data with a Glue Schema Registry header"),
)
# The first four bytes of ASCII text in each encoding: 1 stands for a byte other than zero. Source: RFC 4627, section 3.
_ZEROES: dict[tuple[int, ...], str] = {
    (1, 0, 1, 0): "text in UTF-16",
    (0, 1, 0, 1): "text in UTF-16",
    (1, 0, 0, 0): "text in UTF-32",
    (0, 0, 0, 1): "text in UTF-32",
}
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_BASE64_LOOKED_AT = 64
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_skim = msgspec.json.Decoder(msgspec.Raw).decode


def diagnose(data: bytes) -> str | None:
    """Return the fault of *data* as a JSON object. None if no known fault applies."""
    if not data:
        return "no data at all"
    if data.startswith(kpl.MAGIC):
        return _aggregate(data)
    instead = instead_of_text(data)
    return f"{instead}; {_WANTED}" if instead else _json(data)


def instead_of_text(data: bytes) -> str | None:
    """Name the encoding or format of *data*, unless the first bytes may be JSON or CSV in UTF-8."""
    return _packed(data) or ("HTML or XML" if data.lstrip()[:1] == b"<" else None)


def _aggregate(data: bytes) -> str:
    try:
        kpl.unfold(data)
    except kpl.CorruptAggregate as error:
        return str(error)
    return "a KPL aggregate inside a KPL aggregate"


def _packed(data: bytes) -> str | None:
    """Name the encoding or format of *data*."""
    for beginning, name in (*_MARKS, *_FORMATS):
        if data.startswith(beginning):
            return name
    return _ZEROES.get(tuple(min(byte, 1) for byte in data[:4])) or _zlib(data) or _base64(data)


def _zlib(data: bytes) -> str | None:
    # Source: RFC 1950, section 2.2. Text may begin with x^ as well, so the function tries to decompress a few bytes.
    if data[:1] != b"x" or int.from_bytes(data[:2], "big") % 31:
        return None
    try:
        return "zlib-compressed data" if zlib.decompressobj().decompress(data, 16) else None
    except zlib.error:
        return None


def _base64(data: bytes) -> str | None:
    text = data.strip()
    beginning = text[:_BASE64_LOOKED_AT]
    if not _BASE64.fullmatch(beginning):
        return None
    try:
        held = base64.urlsafe_b64decode(
            beginning.translate(bytes.maketrans(b"+/", b"-_")) + b"=" * (-len(beginning) % 4)
        )
    except binascii.Error:
        return None
    if held.lstrip()[:1] in {b"{", b"["}:
        return "base64 of JSON, so it was encoded twice"
    inner = _packed(held)
    return f"base64 of {inner}" if inner else None


def _json(data: bytes) -> str | None:
    """Name the fault of *data* as JSON."""
    if _SURROGATE.search(data):
        return "a lone surrogate in UTF-8, which no text has"
    try:
        value = _skim(data)
    except ValueError as error:
        return _malformed(data, str(error))
    return _no_object(bytes(value).strip())


def _malformed(data: bytes, fault: str) -> str | None:
    if "surrogate" in fault:
        return f"a lone surrogate in a string, which no text has: {fault}"
    trailing = _TRAILING.search(fault)
    if trailing and _begins_with_a_value(data[int(trailing[1]) - 1 :]):  # msgspec counts the first trailing byte
        return f"several JSON values in one record; {_WANTED}, one event a record"
    return None


def _begins_with_a_value(data: bytes) -> bool:
    try:
        _skim(data)
    except ValueError as error:
        return _TRAILING.search(str(error)) is not None
    return True


def _no_object(value: bytes) -> str | None:
    if value[:1] == b"[" and value[1:].lstrip()[:1] in {b"{", b"["}:
        return f"an array, of several events perhaps; {_WANTED}, one event a record"
    if value[:1] != b'"':
        return None
    try:
        held = msgspec.json.decode(value, type=str).encode()
    except ValueError:  # the string is not UTF-8
        return None
    if held.lstrip()[:1] in {b"{", b"["}:
        return f"JSON in a JSON string, so it was encoded twice; {_WANTED}"
    packed = _packed(held)
    return f"{packed}, in a JSON string; {_WANTED}" if packed else None
