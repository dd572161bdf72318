"""Lines of JSON as events to put: each as it stands, under its own identifier."""

import pytest

from stream_consumer.operate.event_lines import event_entries
from stream_consumer.sinks import Entry


def test_a_line_is_an_event_under_its_own_identifier() -> None:
    lines = [b'{"ride":{},"ride_id":7}\n', b'{"ride_id": "a \xc3\xa9"}\r\n', b"\n", b'{"ride_id":8}']
    assert list(event_entries(lines, "ride_id")) == [
        Entry("7", b'{"ride":{},"ride_id":7}'),
        Entry("a \N{LATIN SMALL LETTER E WITH ACUTE}", b'{"ride_id": "a \xc3\xa9"}'),
        Entry("8", b'{"ride_id":8}'),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"\xff",
        b"[1]",
        b"[" * 5_000,
        b'{"other":1}',
        b'{"ride_id":null}',
        b'{"ride_id":1.5}',
        b'{"ride_id":""}',
        b'{"ride_id":"%s"}' % (b"x" * 257),
        b'{"ride_id":"\\ud800"}',
    ],
)
def test_what_has_no_identifier_is_put_under_the_number_of_its_line(line: bytes) -> None:
    assert list(event_entries([b"\n", line], "ride_id")) == [Entry("event-2", line)]
