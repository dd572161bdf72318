"""What becomes of the bytes of one record: an event, or the reason, path and detail of its dead letter."""

import gzip
import operator
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_consumer.contract import kpl
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.errors import ModelError
from tests.rides import RIDE_COLUMNS, ride_event

SCHEMA = EventSchema(RIDE_COLUMNS)
MIB = 2**20


def event(
    pickup: str = "130", dropoff: str = "205", distance: str = "3.66", ride_id: str = "256", more: str = ""
) -> bytes:
    """Return a ride event whose values are written as given, whether or not that is JSON."""
    ride = f'{{"PULocationID":{pickup},"DOLocationID":{dropoff},"trip_distance":{distance}}}'
    return f'{{"ride":{ride},"ride_id":{ride_id}{more}}}'.encode()


# The values of ride (130, 205 and 3.66 if not named) and ride_id.
GOOD: dict[str, tuple[bytes, tuple[Any, ...]]] = {
    "the example of the contract": (
        b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}',
        (130, 205, 3.66, 256),
    ),
    "fields in another order": (
        b'{"ride_id":256,"ride":{"trip_distance":3.66,"DOLocationID":205,"PULocationID":130}}',
        (130, 205, 3.66, 256),
    ),
    "white space around it": (b" \r\n\t" + event() + b"\n", (130, 205, 3.66, 256)),
    "extra fields": (event(more=',"x":{"y":[1,null,"z"]}'), (130, 205, 3.66, 256)),
    "extra fields of hostile content": (
        event(more=',"i":' + "9" * 5_000 + ',"f":1e999,"d":' + "[" * 60 + "]" * 60),
        (130, 205, 3.66, 256),
    ),
    "an ignored string of 1 MiB": (event(more=f',"x":"{"y" * MIB}"'), (130, 205, 3.66, 256)),
    "an ignored string full of brackets": (event(more=f',"x":"{"[{" * 100}"'), (130, 205, 3.66, 256)),
    "an ignored string full of escaped quotes": (event(more=',"x":"' + '\\"[' * 100 + '"'), (130, 205, 3.66, 256)),
    "many objects side by side": (event(more=',"x":[' + "{}," * 1_000 + "{}]"), (130, 205, 3.66, 256)),
    "as deep as is allowed": (event(more=',"x":' + "[" * 63 + "]" * 63), (130, 205, 3.66, 256)),
    "duplicate keys: the last one counts": (event(more=',"ride_id":7'), (130, 205, 3.66, 7)),
    "lowest values": (event("1", "1", "0"), (1, 1, 0.0, 256)),
    "highest values": (event("265", "265", "200.0"), (265, 265, 200.0, 256)),
    "a float with an exponent": (event(distance="366e-2"), (130, 205, 3.66, 256)),
    "a float too small to tell from zero": (event(distance="1e-999"), (130, 205, 0.0, 256)),
    "a negative zero": (event(distance="-0.0"), (130, 205, -0.0, 256)),
    "ride_id zero": (event(ride_id="0"), (130, 205, 3.66, 0)),
    "ride_id, lowest int64": (event(ride_id="-9223372036854775808"), (130, 205, 3.66, -(2**63))),
    "ride_id, highest int64": (event(ride_id="9223372036854775807"), (130, 205, 3.66, 2**63 - 1)),
    "ride_id of 1 character": (event(ride_id='"a"'), (130, 205, 3.66, "a")),
    "ride_id of 256 characters": (event(ride_id=f'"{"a" * 256}"'), (130, 205, 3.66, "a" * 256)),
    "ride_id of 256 characters beyond the basic plane": (
        event(ride_id=f'"{"🚕" * 256}"'),
        (130, 205, 3.66, "🚕" * 256),
    ),
    "ride_id as an escaped surrogate pair": (event(ride_id='"\\ud83d\\ude95"'), (130, 205, 3.66, "🚕")),
    "ride_id of an escaped control character": (event(ride_id='"\\u0000"'), (130, 205, 3.66, "\x00")),
    "ride_id that looks like a number": (event(ride_id='"256"'), (130, 205, 3.66, "256")),
}

UNDECODABLE = {
    "no data at all": (b"", "no data at all"),
    "white space": (b" \n", "Input data was truncated"),
    "a byte order mark": (
        b"\xef\xbb\xbf" + event(),
        "UTF-8 with a byte-order mark (BOM); this stream carries plain JSON",
    ),
    "UTF-16": (event().decode().encode("utf-16"), "text in UTF-16; this stream carries plain JSON"),
    "bytes that are not UTF-8": (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    "zeroes": (b"\x00" * 10, "JSON is malformed: invalid character (byte 0)"),
    "gzip": (gzip.compress(event(), mtime=0), "gzip-compressed data; this stream carries plain JSON"),
    "a Glue header": (
        b"\x03\x00" + bytes(16) + event(),
        "data with a Glue Schema Registry header; this stream carries plain JSON",
    ),
    "a Glue header, compressed": (
        b"\x03\x05" + bytes(16) + event(),
        "data with a Glue Schema Registry header; this stream carries plain JSON",
    ),
    "the magic of a KPL aggregate and no more": (
        kpl.MAGIC,
        "KPL aggregate whose MD5 digest does not match its content",
    ),
    "a corrupt KPL aggregate": (
        kpl.fold([SubRecord("k", event())])[:-1] + b"\x00",
        "KPL aggregate whose MD5 digest does not match its content",
    ),
    "a KPL aggregate within another": (
        kpl.fold([SubRecord("k", event())]),
        "a KPL aggregate inside a KPL aggregate",
    ),
    "JSON that breaks off": (event()[:-1], "Input data was truncated"),
    "two events": (
        event() + event(),
        "several JSON values in one record; this stream carries plain JSON, one event a record",
    ),
    "a trailing comma": (event(more=","), "JSON is malformed: trailing comma in object (byte 83)"),
    "single quotes": (event(ride_id="'a'"), "JSON is malformed: invalid character (byte 79)"),
    "NaN": (event(distance="NaN"), "JSON is malformed: invalid character (byte 63)"),
    "Infinity": (event(distance="-Infinity"), "JSON is malformed: invalid character (byte 64)"),
    "a leading zero": (event(pickup="0130"), "JSON is malformed: invalid number (byte 25)"),
    "a control character in a string": (
        event(ride_id='"\x01"'),
        "JSON is malformed: invalid character (byte 80)",
    ),
    "a lone surrogate": (
        event(ride_id='"\\udc00 "'),
        ("a lone surrogate in a string, which no text has: JSON is malformed: invalid utf-16 surrogate pair (byte 86)"),
    ),
    "nested too deep": (event(more=',"x":' + "[" * 64 + "]" * 64), "JSON nested deeper than 64 levels"),
    "nothing but opening brackets": (b"[" * MIB, "JSON nested deeper than 64 levels"),
    "nothing but objects": (b'{"a":' * 100_000, "JSON nested deeper than 64 levels"),
    "malformed behind a value out of bounds": (
        event(pickup="0", more=","),
        "JSON is malformed: trailing comma in object (byte 81)",
    ),
    "malformed behind a mistyped value": (
        event(pickup="null", more=","),
        "JSON is malformed: trailing comma in object (byte 84)",
    ),
    "an ignored field that is not UTF-8": (
        event()[:-1] + b',"x":"\xff"}',
        "'utf-8' codec can't decode byte 0xff in position 88: invalid start byte",
    ),
    "not UTF-8 behind a mistyped value": (
        event(pickup="null")[:-1] + b',"x":"\xff"}',
        "'utf-8' codec can't decode byte 0xff in position 89: invalid start byte",
    ),
}

SCHEMA_FAULTS = {
    "an array": (b"[]", "$", "Expected `object`, got `array`"),
    "null": (b"null", "$", "Expected `object`, got `null`"),
    "a number": (b"1", "$", "Expected `object`, got `int`"),
    "a string": (b'"x"', "$", "Expected `object`, got `str`"),
    "no ride": (b'{"ride_id":1}', "$", "Object missing required field `ride`"),
    "no ride_id": (event()[:-15] + b"}", "$", "Object missing required field `ride_id`"),
    "a ride that is null": (b'{"ride":null,"ride_id":1}', "$.ride", "Expected `object`, got `null`"),
    "a ride that is an array": (b'{"ride":[130,205,3.66],"ride_id":1}', "$.ride", "Expected `object`, got `array`"),
    "an empty ride": (b'{"ride":{},"ride_id":1}', "$.ride", "Object missing required field `PULocationID`"),
    "a column in another case": (
        event().replace(b"PUL", b"pul"),
        "$.ride",
        "Object missing required field `PULocationID`",
    ),
    "true for an integer": (event("true"), "$.ride.PULocationID", "Expected `int`, got `bool`"),
    "a float for an integer": (event("130.0"), "$.ride.PULocationID", "Expected `int`, got `float`"),
    "a string for an integer": (event('"130"'), "$.ride.PULocationID", "Expected `int`, got `str`"),
    "null for an integer": (event("null"), "$.ride.PULocationID", "Expected `int`, got `null`"),
    "a huge integer": (event("9" * 5_000), "$.ride.PULocationID", "Integer value out of range"),
    "an integer beyond int64": (
        event("9223372036854775808"),
        "$.ride.PULocationID",
        "Expected `int` <= 9223372036854775807",
    ),
    "true for a float": (event(distance="true"), "$.ride.trip_distance", "Expected `float`, got `bool`"),
    "a string for a float": (event(distance='"3.66"'), "$.ride.trip_distance", "Expected `float`, got `str`"),
    "null for a float": (event(distance="null"), "$.ride.trip_distance", "Expected `float`, got `null`"),
    "an infinite float": (event(distance="1e999"), "$.ride.trip_distance", "Number out of range"),
    "a huge integer for a float": (event(distance="9" * 400), "$.ride.trip_distance", "Number out of range"),
    "ride_id, true": (event(ride_id="true"), "$.ride_id", "Expected `int | str`, got `bool`"),
    "ride_id, a float": (event(ride_id="1.0"), "$.ride_id", "Expected `int | str`, got `float`"),
    "ride_id, null": (event(ride_id="null"), "$.ride_id", "Expected `int | str`, got `null`"),
    "ride_id, an object": (event(ride_id="{}"), "$.ride_id", "Expected `int | str`, got `object`"),
    "ride_id beyond int64": (
        event(ride_id="9223372036854775808"),
        "$.ride_id",
        "Expected `int` <= 9223372036854775807",
    ),
    "ride_id below int64": (
        event(ride_id="-9223372036854775809"),
        "$.ride_id",
        "Expected `int` >= -9223372036854775808",
    ),
    "ride_id of no characters": (event(ride_id='""'), "$.ride_id", "Expected `str` of length >= 1"),
    "ride_id of 257 characters": (event(ride_id=f'"{"a" * 257}"'), "$.ride_id", "Expected `str` of length <= 256"),
    "ride_id of 1 MiB": (event(ride_id=f'"{"a" * MIB}"'), "$.ride_id", "Expected `str` of length <= 256"),
    "duplicate keys: the last one counts": (
        event(more=',"ride_id":null'),
        "$.ride_id",
        "Expected `int | str`, got `null`",
    ),
    "mistyped behind a value out of bounds": (
        event("0", "null"),
        "$.ride.DOLocationID",
        "Expected `int`, got `null`",
    ),
}

BOUNDS_FAULTS = {
    "below the minimum": (event("0"), "$.ride.PULocationID", "Expected `int` >= 1"),
    "above the maximum": (event(dropoff="266"), "$.ride.DOLocationID", "Expected `int` <= 265"),
    "a negative distance": (event(distance="-0.01"), "$.ride.trip_distance", "Expected `float` >= 0.0"),
    "the longest distance in the records of the TLC": (
        event(distance="244152.01"),
        "$.ride.trip_distance",
        "Expected `float` <= 200.0",
    ),
}

INVALID = (
    {name: (data, InvalidRecord(Reason.UNDECODABLE, "$", detail)) for name, (data, detail) in UNDECODABLE.items()}
    | {name: (data, InvalidRecord(Reason.SCHEMA, path, fault)) for name, (data, path, fault) in SCHEMA_FAULTS.items()}
    | {name: (data, InvalidRecord(Reason.BOUNDS, path, fault)) for name, (data, path, fault) in BOUNDS_FAULTS.items()}
)


def values(schema: EventSchema, data: bytes) -> tuple[Any, ...]:
    decoded = schema.decode(data)
    assert not isinstance(decoded, InvalidRecord), decoded
    return (*(operator.attrgetter(field)(decoded) for field in schema.fields), decoded.id)


@pytest.mark.parametrize(("data", "expected"), GOOD.values(), ids=GOOD)
def test_a_good_record_is_an_event(data: bytes, expected: tuple[Any, ...]) -> None:
    """Values keep their JSON type, extra fields are ignored, bounds are inclusive."""
    decoded = values(SCHEMA, data)
    assert decoded == expected
    assert list(map(type, decoded)) == list(map(type, expected))


@pytest.mark.parametrize(("data", "expected"), INVALID.values(), ids=INVALID)
def test_an_invalid_record_says_why_and_where(data: bytes, expected: InvalidRecord) -> None:
    """Reason, path and detail, none of which quotes the data."""
    assert SCHEMA.decode(data) == expected


def test_a_verdict_does_not_depend_on_the_callers_stack() -> None:
    """A parser's own recursion limit counts the caller's frames; ours does not."""
    suspects = [event(more=',"x":' + "[" * depth + "]" * depth) for depth in (1, 62, 63, 64, 65, 900, 5_000)]
    shallow = [SCHEMA.decode(data) for data in suspects]
    assert at_depth(sys.getrecursionlimit() - 250, lambda: [SCHEMA.decode(data) for data in suspects]) == shallow


def at_depth(frames: int, ask: Callable[[], list[Any]]) -> list[Any]:
    return ask() if frames <= 0 else at_depth(frames - 1, ask)


JSON_TOKENS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b'"ride"',
        b'"ride_id"',
        b'"PULocationID"',
        b'"trip_distance"',
        b"0",
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\x00",
        b" ",
        kpl.MAGIC,
        b"\x1f\x8b",
        b"\x03\x00",
        ride_event(),
    ]
)


@given(st.binary() | st.lists(JSON_TOKENS, max_size=200).map(b"".join))
@example(b'"\\')
@example(b'"' * 70 + b"[" * 70)
def test_any_bytes_are_an_event_or_an_invalid_record_and_always_the_same(data: bytes) -> None:
    first = SCHEMA.decode(data)
    if isinstance(first, InvalidRecord):
        assert first.path.startswith("$")
        assert first.detail
    assert SCHEMA.decode(data) == first


@given(
    st.integers(1, 265),
    st.integers(1, 265),
    st.floats(0, 200),
    st.integers(-(2**63), 2**63 - 1) | st.text("aé🚕", min_size=1, max_size=256),
)
def test_every_event_within_the_bounds_decodes_to_its_values(
    pickup: int, dropoff: int, distance: float, ride_id: int | str
) -> None:
    assert values(SCHEMA, ride_event(ride_id, pickup, dropoff, distance)) == (pickup, dropoff, distance, ride_id)


EVERY_TYPE = EventSchema(
    [
        *(Column(name, name) for name in ("boolean", "integer", "long", "float", "double", "string")),
        *(Column(f"optional {name}", name, required=False) for name in ("boolean", "long", "double", "string")),
    ]
)
REQUIRED = b'"boolean":true,"integer":1,"long":2,"float":3,"double":4,"string":"five"'


@pytest.mark.parametrize(
    ("ride", "expected"),
    [
        (REQUIRED, (True, 1, 2, 3.0, 4.0, "five", None, None, None, None, 0)),
        (REQUIRED + b',"optional long":null', (True, 1, 2, 3.0, 4.0, "five", None, None, None, None, 0)),
        (
            REQUIRED + b',"optional string":"","optional boolean":false,"optional long":0,"optional double":0',
            (True, 1, 2, 3.0, 4.0, "five", False, 0, 0.0, "", 0),
        ),
    ],
    ids=["optional columns are missing", "an optional column is null", "optional columns are there"],
)
def test_the_signature_decides_which_columns_must_be_there(ride: bytes, expected: tuple[Any, ...]) -> None:
    assert values(EVERY_TYPE, b'{"ride":{%b},"ride_id":0}' % ride) == expected


@pytest.mark.parametrize(
    ("change", "path", "detail"),
    [
        ((b"true", b"1"), "$.ride.boolean", "Expected `bool`, got `int`"),
        ((b'"integer":1', b'"integer":2147483648'), "$.ride.integer", "Expected `int` <= 2147483647"),
        ((b'"float":3', b'"float":3.5e38'), "$.ride.float", "Expected `float` <= 3.4028234663852886e+38"),
        ((b'"five"', b"5"), "$.ride.string", "Expected `str`, got `int`"),
        ((b'"five"', b'"five","optional long":""'), "$.ride.optional long", "Expected `int | null`, got `str`"),
    ],
    ids=["boolean", "integer is 32 bits", "float is 32 bits", "string", "optional"],
)
def test_the_signature_decides_the_types(change: tuple[bytes, bytes], path: str, detail: str) -> None:
    """What does not fit the column's type is a fault of shape, whatever the bounds."""
    data = b'{"ride":{%b},"ride_id":0}' % REQUIRED.replace(*change)
    assert EVERY_TYPE.decode(data) == InvalidRecord(Reason.SCHEMA, path, detail)


def test_text_that_is_not_utf_8_is_refused_where_it_is_read() -> None:
    data = b'{"ride":{%b},"ride_id":0}' % REQUIRED.replace(b"five", b"\xff")
    assert EVERY_TYPE.decode(data) == InvalidRecord(
        Reason.UNDECODABLE, "$", "'utf-8' codec can't decode byte 0xff in position 76: invalid start byte"
    )


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("binary", b'"e30="', b"{}"), ("datetime", b'"2021-01-01T00:00:00Z"', "2021-01-01 00:00:00+00:00")],
)
def test_bytes_and_times_are_read_from_text(kind: str, text: bytes, value: object) -> None:
    [read, _] = values(EventSchema([Column("x", kind)]), b'{"ride":{"x":%b},"ride_id":0}' % text)
    assert read == value or str(read) == value


def test_a_declared_bound_wider_than_the_type_leaves_the_types_own() -> None:
    schema = EventSchema([Column("x", "integer", minimum=0, maximum=2**40)])
    assert schema.decode(b'{"ride":{"x":2147483648},"ride_id":0}') == InvalidRecord(
        Reason.SCHEMA, "$.ride.x", "Expected `int` <= 2147483647"
    )


@pytest.mark.parametrize(
    "columns",
    [
        [Column("x", "array")],
        [Column("x", "long", minimum=1.5)],
        [Column("x", "long", maximum=float("nan"))],
        [Column("x", "double", minimum=float("-inf"))],
        [Column("x", "long", minimum=2, maximum=1)],
        [Column("x", "integer", minimum=2**31)],
        [Column("x", "string", minimum=1)],
        [Column("x", "boolean", maximum=1)],
        [Column("x", "tensor", maximum=1)],
        [Column("x", "long"), Column("x", "long")],
        [Column("a\nb", "long")],
    ],
    ids=lambda columns: f"{columns[0].name!r} {columns[0].type} {columns[0].minimum} {columns[0].maximum}",
)
def test_columns_that_no_event_can_satisfy_are_the_models_fault(columns: list[Column]) -> None:
    """They are found when the model is loaded, not by dead-lettering every record."""
    with pytest.raises(ModelError, match="column"):
        EventSchema(columns)
