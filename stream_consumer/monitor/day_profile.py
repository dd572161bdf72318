"""
The windows of a day → one profile, and the limits that it is judged by.

The rule: only windows of one model are added. Those of others are counted. The first few hours of a model, or of a day
that is not over, are no day: rides of a night differ from those of a noon without any drift, so they do not ring.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import add

from stream_consumer.monitor.drift import DAY, NO_LIMITS, WEEK, Limits
from stream_consumer.monitor.profile_archive import WindowProfile
from stream_consumer.profiling.bins import Bins
from stream_consumer.profiling.profile import Profile

DAYS_OF_A_WEEK = 7

LEAST_SPAN = timedelta(hours=18)
"""
From the start of a day's first window to the end of its last one.

Of the TLC's green taxis, 12 hours in a row ring in 18 of 1,077 cases by the limits of a day, 16 hours in 1 of 1,285,
and 18 hours in none.
"""


@dataclass(frozen=True, slots=True)
class DayProfile:
    """The windows of one day."""

    day: date
    profile: Profile
    """Of the windows that one model has counted."""
    windows: int = 0
    records: int = 0
    invalid: int = 0
    skipped: int = 0
    others: int = 0
    """Windows of other models. They cannot be added."""
    span: timedelta = timedelta()
    """From the start of the first window to the end of the last one."""

    @classmethod
    def of(cls, day: date, windows: Iterable[WindowProfile], bins: Sequence[Bins], digest: str = "") -> "DayProfile":
        """
        Add up those of *windows* that the model with the *digest*, or any if it is empty, has counted in *bins*.

        Raises:
            ValueError: A window of the model has no profile.
        """
        windows = list(windows)
        of_model = [(window, window.counts()) for window in windows if digest in {"", window.digest}]
        counts = [(window, profile) for window, profile in of_model if profile.bins == tuple(bins)]
        own = [window for window, _ in counts]
        return cls(
            day=day,
            profile=reduce(add, (profile for _, profile in counts), Profile.empty(bins)),
            windows=len(own),
            records=sum(window.records for window in own),
            invalid=sum(window.invalid for window in own),
            skipped=sum(window.skipped for window in own),
            others=len(windows) - len(own),
            span=max(window.end for window in own) - min(window.start for window in own) if own else timedelta(),
        )


def are_a_week(days: Sequence[DayProfile]) -> bool:
    """Whether seven of *days* have windows; fewer are judged as a day is."""
    return sum(one.windows > 0 for one in days) >= DAYS_OF_A_WEEK


def ends_whole(days: Sequence[DayProfile], today: date) -> bool:
    """
    Whether the last of *days* is whole, however long the stream was silent.

    It is over *today*, and the model has windows of an earlier day.
    """
    *earlier, last = days
    return last.day < today and any(one.windows for one in earlier)


def limits_of(days: Sequence[DayProfile], *, whole: bool) -> Limits:
    """
    Return the limits that ring an alarm for the sum of *days*.

    Days that are not known to be *whole* do not ring before their windows span enough hours.
    """
    if are_a_week(days):
        return WEEK
    whole = whole or sum((one.span for one in days), timedelta()) >= LEAST_SPAN
    return DAY if whole else NO_LIMITS


def days_to(last: date, count: int) -> list[date]:
    """Return *count* days, of which *last* is the last."""
    return [last - timedelta(days=back) for back in reversed(range(count))]
