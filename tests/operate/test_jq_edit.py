"""Mending data by a jq program: what is left alone stays as it was, to the digit."""

import pytest

from stream_consumer.contract import kpl
from stream_consumer.errors import UsageError
from stream_consumer.operate.jq_edit import Edit, NotEdited

EDITS = {
    "text to number": (
        ".ride.trip_distance |= tonumber",
        '{"ride":{"trip_distance":"3.66"},"ride_id":1}',
        '{"ride":{"trip_distance":3.66},"ride_id":1}',
    ),
    "every digit stays": (".", '{"ride_id":9223372036854775807,"x":1.0}', '{"ride_id":9223372036854775807,"x":1.0}'),
    "text stays text": (".", '{"ride_id":"é\\u0000\\u001b"}', '{"ride_id":"é\\u0000\\u001b"}'),
    "renamed": (
        ".ride.PULocationID = .ride.pickup | del(.ride.pickup)",
        '{"ride":{"pickup":130}}',
        '{"ride":{"PULocationID":130}}',
    ),
    "clamped": (".d |= ([., 200] | min)", '{"d":244152}', '{"d":200}'),
    "NaN, which jq takes for JSON": (".d |= if isnan then 0 else . end", '{"d":NaN}', '{"d":0}'),
    "a comment at the end": (". # as it is", "{}", "{}"),
    "a comment that ends in a backslash": (". # as it is \\", "{}", "{}"),
    "brackets in text": ('.a = ")]}[\\\\/" | .b = "(#"', "{}", '{"a":")]}[\\\\/","b":"(#"}'),
    "a format": ("@base64d | fromjson", '"e30="', "{}"),
    "letters of any alphabet": ('.["é"] = "🚕" | .["\\u001b"] = 1', "{}", '{"é":"🚕","\\u001b":1}'),
}


@pytest.mark.parametrize(("program", "data", "expected"), EDITS.values(), ids=EDITS)
def test_a_program_makes_one_value_of_one_value(program: str, data: str, expected: str) -> None:
    assert Edit(program)(data.encode()) == [expected.encode()]


SEVERAL = {
    "two values": (".a, .b", b'{"a":1,"b":2}', [b"1", b"2"]),
    "two JSON values": (".", b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
    "two JSON values without anything between": (".a", b'{"a":1}{"a":2}', [b"1", b"2"]),
    "an array": (".[]", b'[{"a":1},{"a":2}]', [b'{"a":1}', b'{"a":2}']),
    "an array that is one event": ("{x: .[0]}", b"[1,2]", [b'{"x":1}']),
    "as many as are allowed": ("range(500)", b"0", [b"%d" % number for number in range(500)]),
}


@pytest.mark.parametrize(("program", "data", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_a_program_may_give_several_values(program: str, data: bytes, expected: list[bytes]) -> None:
    assert Edit(program)(data) == expected


REFUSED = {
    "no value": ("empty", b"{}", "the jq program gives no value; wanted at least one"),
    "values without end": ("repeat(.)", b"{}", "the jq program gives more than 500 values"),
    "one of two values": (
        "select(.a == 1)",
        b'{"a":1} {"a":2}',
        "the jq program drops events: JSON value 2 of 2 holds 1, and it gives 0",
    ),
    "stopped at the second of two": (
        "if .a == 2 then halt else . end",
        b'{"a":1} {"a":2}',
        "the jq program drops events: JSON value 2 of 2 holds 1, and it gives 0",
    ),
    "one of two events of an array": (
        ".[0]",
        b'[{"a":1},{"a":2}]',
        "the jq program drops events: JSON value 1 of 1 holds 2, and it gives 1",
    ),
    "no data": (".", b"", "the jq program gives no value; wanted at least one"),
    "stopped": ("halt", b"{}", "the jq program gives no value; wanted at least one"),
    "not JSON": (
        ".",
        b'{"ride',
        r"jq: parse error: Unfinished .*; correct the program for such data, or leave it out with",
    ),
    "an error of the program": (
        ".a.b",
        b'{"a":1}',
        r'jq: Cannot index number with string \("b"\); correct the program',
    ),
    "not UTF-8": (".", b"\xff", r"the data is not UTF-8 text, .*; leave it out with --reason"),
    "an aggregate": (
        ".",
        kpl.fold([kpl.SubRecord("a", b"{}")]),
        "a KPL aggregate cannot be edited as a whole: redrive",
    ),
}


@pytest.mark.parametrize(("program", "data", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_edited_is_refused_with_the_remedy(program: str, data: bytes, why: str) -> None:
    with pytest.raises(NotEdited, match=why):
        Edit(program)(data)


@pytest.mark.parametrize("program", [".a |", "nosuch", ". \x00 | .", "\udcff", 'import "x" as x; .', ""])
def test_what_is_no_program_is_refused_before_anything_is_read(program: str) -> None:
    with pytest.raises(UsageError, match="is no jq program: "):
        Edit(program)
