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
}


@pytest.mark.parametrize(("program", "data", "expected"), EDITS.values(), ids=EDITS)
def test_a_program_makes_one_value_of_one_value(program: str, data: str, expected: str) -> None:
    assert Edit(program)(data.encode()).decode() == expected


REFUSED = {
    "no value": ("empty", b"{}", "the jq program gives no value; wanted one"),
    "two values": (".a, .b", b'{"a":1,"b":2}', "the jq program gives more than one value; wanted one"),
    "values without end": ("repeat(.)", b"{}", "the jq program gives more than one value; wanted one"),
    "two documents": (".", b"{} {}", "the jq program gives more than one value; wanted one"),
    "no data": (".", b"", "the jq program gives no value; wanted one"),
    "stopped": ("halt", b"{}", "the jq program gives no value; wanted one"),
    "not JSON": (
        ".",
        b'{"ride',
        r"jq: parse error: Unfinished .*; mend the program for this kind, or leave it out, by",
    ),
    "an error of the program": (".a.b", b'{"a":1}', r'jq: Cannot index number with string \("b"\); mend the program'),
    "not UTF-8": (".", b"\xff", r"it is not text in UTF-8, .*; leave it out, by --reason"),
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


@pytest.mark.parametrize("program", [".a |", "nosuch", 'import "x" as x; .', ""])
def test_what_is_no_program_is_refused_before_anything_is_read(program: str) -> None:
    with pytest.raises(UsageError, match="is no jq program: "):
        Edit(program)
