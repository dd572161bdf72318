"""
Malformed ride events of every kind, each with its expected verdict.

They are typical mistakes of producers. ``demo --malformed`` adds them to the rides.
"""

import gzip
import random
from collections.abc import Mapping, Sequence

from stream_consumer.contract.record import Reason
from stream_consumer.sinks import Entry

_PLAIN = b'{"ride":{"PULocationID":130,"DOLocationID":205,"trip_distance":3.66},"ride_id":"malformed"}'


def _with(old: bytes, new: bytes) -> bytes:
    return _PLAIN.replace(old, new)


KINDS: dict[str, tuple[bytes, Reason]] = {
    "not JSON": (b"ride 130 205 3.66", Reason.UNDECODABLE),
    "broken off": (_PLAIN[:40], Reason.UNDECODABLE),
    "not UTF-8": (_with(b"malformed", b"\xff\xfe"), Reason.UNDECODABLE),
    "NaN": (_with(b"3.66", b"NaN"), Reason.UNDECODABLE),
    "gzip": (gzip.compress(_PLAIN, mtime=0), Reason.UNDECODABLE),
    "Glue header": (b"\x03\x00" + bytes(16) + _PLAIN, Reason.UNDECODABLE),
    "corrupt KPL aggregate": (b"\xf3\x89\x9a\xc2" + _PLAIN + bytes(16), Reason.UNDECODABLE),
    "deep nesting": (_with(b'"malformed"', b"[" * 200 + b"]" * 200), Reason.UNDECODABLE),
    "an array": (b"[" + _PLAIN + b"]", Reason.SCHEMA),
    "no ride": (b'{"ride_id":"malformed"}', Reason.SCHEMA),
    "no ride_id": (_with(b',"ride_id":"malformed"', b""), Reason.SCHEMA),
    "no distance": (_with(b',"trip_distance":3.66', b""), Reason.SCHEMA),
    "null zone": (_with(b"130", b"null"), Reason.SCHEMA),
    "zone as text": (_with(b"130", b'"130"'), Reason.SCHEMA),
    "true for a zone": (_with(b"130", b"true"), Reason.SCHEMA),
    "distance as text": (_with(b"3.66", b'"3.66"'), Reason.SCHEMA),
    "infinite distance": (_with(b"3.66", b"1e999"), Reason.SCHEMA),
    "empty ride_id": (_with(b"malformed", b""), Reason.SCHEMA),
    "ride_id too long": (_with(b"malformed", b"x" * 257), Reason.SCHEMA),
    "ride_id too large": (_with(b'"malformed"', b"9223372036854775808"), Reason.SCHEMA),
    "zone 0": (_with(b"130", b"0"), Reason.BOUNDS),
    "zone 266": (_with(b"205", b"266"), Reason.BOUNDS),
    "negative distance": (_with(b"3.66", b"-3.66"), Reason.BOUNDS),
    "absurd distance": (_with(b"3.66", b"244152"), Reason.BOUNDS),
}


UNDECODABLE = {name: kind for name, kind in KINDS.items() if kind[1] is Reason.UNDECODABLE}
"""The kinds that are malformed for any format of events."""


def mixed_in(
    entries: Sequence[Entry], share: float, seed: int, kinds: Mapping[str, tuple[bytes, Reason]] = KINDS
) -> tuple[list[Entry], dict[Reason, int]]:
    """
    Add malformed entries at random positions until they are *share* (0 to less than 1) of all.

    Returns:
        All entries, the good ones in their order, and the number of bad ones by expected verdict.
    """
    dice = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    count = round(len(entries) * share / (1 - share))
    names = list(kinds)
    bad = [kinds[names[index % len(names)]] for index in range(count)]
    places = sorted(dice.choices(range(len(entries) + 1), k=count))
    mixed: list[Entry] = []
    expected = dict.fromkeys(Reason, 0)
    at = 0
    for index, ((data, reason), place) in enumerate(zip(bad, places, strict=True)):
        mixed += entries[at:place]
        mixed.append(Entry(f"malformed-{index}", data))
        expected[reason] += 1
        at = place
    return mixed + list(entries[at:]), expected
