"""Times that are read can be written, whatever end of the calendar they are at."""

from datetime import timedelta

import pytest

from stream_consumer.contract.timestamps import iso_milliseconds, parse_time
from stream_consumer.errors import UsageError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_222_923.456, "2026-11-21T01:02:03.456Z"),
        (1_795_222_923.0, "2026-11-21T01:02:03.000Z"),
        (1_795_222_923, "2026-11-21T01:02:03.000Z"),
    ],
)
def test_arrival_is_iso_8601_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso_milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-21", "2026-11-21T00:00:00.000Z"),
        ("2026-11-21T01:02:03+14:00", "2026-11-20T11:02:03.000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("9998-12-31T23:59:59", "9998-12-31T23:59:59.000Z"),
        ("9999-01-01T00:00:00+14:00", "9998-12-31T10:00:00.000Z"),
    ],
)
def test_a_time_is_read_in_utc(text: str, read: str) -> None:
    moment = parse_time(text, "is no time")
    assert iso_milliseconds(moment.timestamp()) == read
    assert moment.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59-00:00",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.999999",
        "9999-12-31T23:59:59-14:00",
        "9998-12-31T23:59:59-14:00",
    ],
)
def test_a_time_at_an_end_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_time(text, "is no time")
    assert str(refused.value) == f"{text!r} is out of range; wanted a time in the years 1970 to 9998"


@pytest.mark.parametrize("text", ["", "noon", "2026-02-30", "\0", "2026-11-21T24:00:01"])
def test_what_is_no_time_is_refused_in_the_words_of_who_asked(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_time(text, "this is no time; wanted another")
    assert str(refused.value) == "this is no time; wanted another"
