"""
The summary of a run, the commit mark of its results. Only this module writes and reads summaries.

The same input, model and options give the same summary, since no time and no random name is part of a summary.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from stream_consumer.contract import guarded_json
from stream_consumer.contract.record import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a run."""

    source: str
    """The identity of the source: the whole path or URL, or a database and a digest of the query."""
    source_version: str | None
    """The ETag of an object, the size and modification time of a file, or None for a query."""
    model: str
    model_version: str
    model_digest: str
    schema_digest: str | None = None
    """Digest of the :class:`EventSchema`, which also depends on settings. None in a summary of an earlier version."""
    id_column: str | None
    keep: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """The columns passed through. Unset if none, as in summaries of earlier versions."""
    rows: int
    predicted: int
    rejected: Mapping[Reason, int]
    sizes: Mapping[str, int]
    """Bytes of each committed file, by the ending of its name."""


def encode_summary(summary: Summary) -> bytes:
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def decode_summary(document: bytes) -> Summary | None:
    """Return the summary in *document*. None if no run of this version of the program wrote *document*."""
    try:
        return guarded_json.decode(document, Summary)
    except msgspec.DecodeError:
        return None
