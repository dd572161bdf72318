"""What producers send by mistake, named: the detail says what it is, and never what it says."""

import base64
import bz2
import gzip
import json
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract.diagnosis import diagnose
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord, Reason
from tests.rides import RIDE_COLUMNS, ride_event

EVENT = ride_event(1)
TEXT = EVENT.decode()
ENCODED = base64.b64encode(EVENT)

UNDECODABLE = {
    "a byte-order mark": (b"\xef\xbb\xbf" + EVENT, "UTF-8 with a byte-order mark (BOM)"),
    "UTF-16 with a mark": (TEXT.encode("utf-16"), "text in UTF-16"),
    "UTF-16, little end first": (TEXT.encode("utf-16-le"), "text in UTF-16"),
    "UTF-16, big end first": (TEXT.encode("utf-16-be"), "text in UTF-16"),
    "UTF-32 with a mark": (TEXT.encode("utf-32"), "text in UTF-32"),
    "UTF-32, big end first": (TEXT.encode("utf-32-be"), "text in UTF-32"),
    "zlib": (zlib.compress(EVENT), "zlib-compressed data"),
    "zlib, fastest": (zlib.compress(EVENT, 1), "zlib-compressed data"),
    "zlib, smallest": (zlib.compress(EVENT, 9), "zlib-compressed data"),
    "gzip": (gzip.compress(EVENT, mtime=0), "gzip-compressed data"),
    "bzip2": (bz2.compress(EVENT), "bzip2-compressed data"),
    "xz": (lzma.compress(EVENT), "xz-compressed data"),
    "zstd": (b"\x28\xb5\x2f\xfd" + EVENT, "zstd-compressed data"),
    "a Parquet file": (b"PAR1" + EVENT, "a Parquet file"),
    "a Glue header": (b"\x03\x00" + bytes(16) + EVENT, "data with a Glue Schema Registry header"),
    "base64": (ENCODED, "base64 of JSON, so it was encoded twice"),
    "base64 with a line feed": (ENCODED + b"\n", "base64 of JSON, so it was encoded twice"),
    "base64 in lines": (base64.encodebytes(EVENT), "base64 of JSON, so it was encoded twice"),
    "base64 for URLs": (base64.urlsafe_b64encode(EVENT), "base64 of JSON, so it was encoded twice"),
    "base64 of base64": (base64.b64encode(ENCODED), "base64 of base64 of JSON, so it was encoded twice"),
    "base64 of gzip": (base64.b64encode(gzip.compress(EVENT, mtime=0)), "base64 of gzip-compressed data"),
    "two events": (EVENT + EVENT, "several JSON values in one record"),
    "two events on two lines": (EVENT + b"\n" + EVENT + b"\n", "several JSON values in one record"),
    "many events": (b"\r\n".join([EVENT] * 50), "several JSON values in one record"),
    "an event and half of one": (EVENT + b"\n" + EVENT[:-5], None),
    "an event and rubbish": (EVENT + b"}", None),
    "a lone surrogate": (b'{"ride_id":"\\udc00 "}', "a lone surrogate in a string, which no text has"),
    "a surrogate in UTF-8": (b'{"ride_id":"\xed\xa0\x80"}', "a lone surrogate in UTF-8, which no text has"),
    "HTML": (b"\n<!DOCTYPE html><html>", "HTML or XML"),
    "text": (b"x^y", None),
    "a word": (b"abcdefgh", None),
    "Latin-1": ('{"x":"é"}'.encode("latin-1"), None),
}

SHAPE = {
    "an array of an event": (b"[" + EVENT + b"]", "an array, of several events perhaps"),
    "an array of events": (b" [" + EVENT + b",\n" + EVENT + b"]", "an array, of several events perhaps"),
    "JSON in a string": (json.dumps(TEXT).encode(), "JSON in a JSON string, so it was encoded twice"),
    "base64 in a string": (b'"' + ENCODED + b'"', "base64 of JSON, so it was encoded twice, in a JSON string"),
    "an empty array": (b"[]", "Expected `object`, got `array`"),
    "a string": (b'"abcdefgh"', "Expected `object`, got `str`"),
    "an object of another shape": (b'{"a":[{}]}', "Object missing required field `ride`"),
}


def verdict(data: bytes) -> InvalidRecord:
    found = EventSchema(RIDE_COLUMNS).decode(data)
    assert isinstance(found, InvalidRecord)
    return found


@pytest.mark.parametrize(("data", "detail"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_is_no_json_is_named(data: bytes, detail: str | None) -> None:
    found = verdict(data)
    assert (found.reason, found.path) == (Reason.UNDECODABLE, "$")
    if detail is None:
        assert diagnose(data) is None
        assert found.detail.startswith(("JSON is malformed", "Input data was truncated", "'utf-8' codec"))
    else:
        assert found.detail.startswith(detail)


@pytest.mark.parametrize(("data", "detail"), SHAPE.values(), ids=SHAPE)
def test_json_that_holds_events_in_another_shape_is_named(data: bytes, detail: str) -> None:
    found = verdict(data)
    assert (found.reason, found.path) == (Reason.SCHEMA, "$")
    assert found.detail.startswith(detail)


@given(st.binary(max_size=200).filter(bool), st.text(max_size=20))
def test_a_detail_never_quotes_what_was_sent(data: bytes, text: str) -> None:
    """Of text that the detail could quote, something that no detail says."""
    secret = f"SECRET{text}"
    for sent in (data, secret.encode("utf-8", "replace"), base64.b64encode(secret.encode("utf-8", "replace"))):
        assert "SECRET" not in (diagnose(sent) or "")


def test_data_that_would_unpack_without_end_is_not_unpacked() -> None:
    assert str(diagnose(zlib.compress(bytes(50_000_000)))).startswith("zlib-compressed data")
