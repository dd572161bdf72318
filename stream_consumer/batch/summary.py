"""
The summary of a run, the commit mark of its results: written and read here alone.

The same input, model and options make the same summary: no time and no random name is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from stream_consumer.contract import guarded_json
from stream_consumer.contract.record import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run came to."""

    source: str
    """The identity of the source: the whole path or URL, or a database and a digest of the query."""
    source_version: str | None
    """The ETag of an object; the size and time of change of a file; None of a query."""
    model: str
    model_version: str
    model_digest: str
    schema_digest: str | None = None
    """That of :class:`EventSchema`, which the settings decide, too. None in a summary of an earlier version."""
    id_column: str | None
    keep: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """The columns that were passed through; unset without any, as in summaries of earlier versions."""
    rows: int
    predicted: int
    rejected: Mapping[Reason, int]
    sizes: Mapping[str, int]
    """Bytes of each file that was committed, by the ending of its name."""


def encode_summary(summary: Summary) -> bytes:
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def decode_summary(document: bytes) -> Summary | None:
    """Return the summary that *document* holds; None if no run of this version of the program wrote it."""
    try:
        return guarded_json.decode(document, Summary)
    except msgspec.DecodeError:
        return None
