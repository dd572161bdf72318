"""
Lines of JSON → events to put, each as it stands, under the key that a ride's event has: its own identifier.

The rule: a line is put whatever it holds. The consumer sorts out what is invalid.
"""

from collections.abc import Iterable, Iterator

import msgspec

from stream_consumer.contract.record import LONGEST_ID
from stream_consumer.sinks import Entry

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_identifier = msgspec.json.Decoder(int | str).decode


def event_entries(lines: Iterable[bytes], id_field: str) -> Iterator[Entry]:
    """
    Yield an entry for each line that is not blank.

    Its key is the event's *id_field*. Where the event has none that can be a key, it is the number of the line.
    """
    for number, line in enumerate(lines, start=1):
        data = line.strip(b"\r\n")
        if data.strip():
            yield Entry(_key(data, id_field) or f"event-{number}", data)


def _key(data: bytes, id_field: str) -> str | None:
    try:
        key = str(_identifier(_members(data)[id_field]))
        key.encode()
    except (KeyError, ValueError, RecursionError):
        return None
    return key if 1 <= len(key) <= LONGEST_ID else None
