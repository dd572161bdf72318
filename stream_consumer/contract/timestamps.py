"""
Read and write times in ISO 8601.

The rule: an accepted time can be written, compared, passed to AWS in UTC, and moved by small amounts without overflow.
"""

from datetime import UTC, datetime

from stream_consumer.errors import UsageError

_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def iso_milliseconds(seconds: float) -> str:
    """Return Unix *seconds* as ``2026-11-21T01:02:03.456Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(seconds: int) -> str:
    """Return Unix *seconds* as ``2026-11-21T01:02:03Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str, refusal: str) -> datetime:
    """
    Return the time in *text*, in UTC. A time without a zone counts as UTC.

    Raises:
        UsageError: *text* is not an ISO 8601 time, with *refusal* as the message, or the year is not in 1970 to 9998.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(refusal) from None
    moment = read if read.tzinfo else read.replace(tzinfo=UTC)
    if not _FIRST <= moment < _END:
        raise UsageError(f"{text!r} is out of range; wanted a time in the years 1970 to 9998")
    return moment.astimezone(UTC)
