"""
Lines of JSON → entries to put. The data is the unchanged line, and the partition key is the event's identifier.

The rule: every line is put. The consumer sorts out invalid events.
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

    The key is the event's *id_field*. If the event has no usable identifier, the key is the line number.
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
