"""
Intervals of scheduled runs, and the names of their inputs and outputs.

The rule: an interval always has the same names, whenever and however often it is run.
"""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stream_consumer.contract.timestamps import parse_time
from stream_consumer.errors import UsageError

DEFAULT_INPUT = "s3://{bucket}/rides/{date:%Y-%m}.parquet"
DEFAULT_OUTPUT = "s3://{bucket}/predictions/{date:%Y-%m}.parquet"


class Interval(StrEnum):
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"

    def begin(self, moment: datetime) -> datetime:
        """Return the beginning of the interval around *moment*."""
        hour = moment.replace(minute=0, second=0, microsecond=0)
        match self:
            case Interval.HOUR:
                return hour
            case Interval.DAY:
                return hour.replace(hour=0)
            case Interval.MONTH:
                return hour.replace(day=1, hour=0)

    def ended(self, now: datetime) -> datetime:
        """Return the beginning of the last interval that ended by *now*."""
        return self.begin(self.begin(now) - timedelta(microseconds=1))


def moment_of(text: str) -> datetime:
    """
    Return the time in *text*, in UTC if *text* has no zone.

    Raises:
        UsageError: *text* is neither a month (2021-03), a date nor an ISO 8601 time.
    """
    day = f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text
    return parse_time(day, f"{text!r} is no date; wanted 2021-03-01, 2021-03 or 2021-03-01T05:00:00Z")


@dataclass(frozen=True, slots=True)
class Names:
    """The values for templates."""

    date: datetime
    """The beginning of the interval."""
    bucket: str | None

    def fill(self, template: str) -> str:
        """
        Return *template* with ``{date:…}`` (strftime's format) and ``{bucket}`` filled in.

        Raises:
            UsageError: *template* has an unknown field, or ``{bucket}`` when no bucket was named.
        """
        known = {"date": self.date, "bucket": self.bucket}
        try:
            asked = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
            unknown = sorted(asked - set(known))
            if unknown:
                wanted = "{bucket} and {date:%Y-%m-%d}; a brace itself is written twice"
                raise UsageError(
                    f"{template!r} asks for {', '.join(f'{{{one}}}' for one in unknown)}; there are {wanted}"
                )
            if "bucket" in asked and not self.bucket:
                raise UsageError(f"{template!r} asks for a bucket; name it with --bucket or BUCKET")
            return template.format(**known)
        except (ValueError, KeyError, IndexError) as error:
            raise UsageError(f"{template!r} is no template: {error}") from None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The settings of a scheduled run."""

    source: str
    target: str
    names: Names

    @classmethod
    def of(  # noqa: PLR0913 (each may come from the command line)
        cls,
        environ: Mapping[str, str],
        now: datetime,
        *,
        date: str | None = None,
        scheduled_time: str | None = None,
        bucket: str | None = None,
        interval: str | None = None,
    ) -> "Schedule":
        """
        Read *environ*. The arguments take precedence.

        The interval is the interval of DATE, else the last to end by SCHEDULED_TIME, else the last to end by *now*.

        Raises:
            UsageError: A date or an interval is invalid.
        """
        given = {name: value for name, value in environ.items() if value}
        name = interval or given.get("BATCH_INTERVAL", Interval.MONTH)
        if name not in set(Interval):
            raise UsageError(f"{name!r} is no interval; wanted {', '.join(Interval)}")
        each = Interval(name)
        date = date or (None if scheduled_time else given.get("DATE"))
        scheduled_time = scheduled_time or given.get("SCHEDULED_TIME")
        begin = (
            each.begin(moment_of(date)) if date else each.ended(moment_of(scheduled_time) if scheduled_time else now)
        )
        return cls(
            given.get("BATCH_INPUT", DEFAULT_INPUT),
            given.get("BATCH_OUTPUT", DEFAULT_OUTPUT),
            Names(begin, bucket or given.get("BUCKET")),
        )
