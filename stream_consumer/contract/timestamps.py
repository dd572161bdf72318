"""
Times in ISO 8601, read and written.

The rule: a time that was read can be written, compared and asked of AWS, in UTC and whatever is added to it in passing.
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
    Return the time that *text* means, in UTC. A time without a zone is UTC's.

    Raises:
        UsageError: It is no ISO 8601 time, which *refusal* says, or the year is not 1970 to 9998.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(refusal) from None
    moment = read if read.tzinfo else read.replace(tzinfo=UTC)
    if not _FIRST <= moment < _END:
        raise UsageError(f"{text!r} is out of range; wanted a time in the years 1970 to 9998")
    return moment.astimezone(UTC)
