"""
The windows of a day → one profile, and the limits to judge it by.

The rule: only windows of one model are added up. Windows of other models are counted. The first hours of a model, or of
an unfinished day, never ring: rides at night differ from rides at noon, without any drift.
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
Least span of a day, from the start of its first window to the end of its last.

Of the TLC's green taxis, 12 hours in a row ring in 18 of 1,077 cases by the limits of a day, 16 hours in 1 of 1,285,
and 18 hours in none.
"""


@dataclass(frozen=True, slots=True)
class DayProfile:
    """The windows of one day."""

    day: date
    profile: Profile
    """Sum of the windows of one model."""
    windows: int = 0
    records: int = 0
    invalid: int = 0
    skipped: int = 0
    others: int = 0
    """Number of windows of other models, which cannot be added."""
    span: timedelta = timedelta()
    """From the start of the first window to the end of the last."""

    @classmethod
    def of(cls, day: date, windows: Iterable[WindowProfile], bins: Sequence[Bins], digest: str = "") -> "DayProfile":
        """
        Add up the *windows* that have the *bins* and the model's *digest*. An empty *digest* matches any model.

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
    """Whether seven of *days* have windows. Fewer are judged by the limits of a day."""
    return sum(one.windows > 0 for one in days) >= DAYS_OF_A_WEEK


def ends_whole(days: Sequence[DayProfile], today: date) -> bool:
    """
    Whether the last of *days* is whole, even if the stream was silent for hours.

    A day is whole if it is over *today* and the model has windows of an earlier day.
    """
    *earlier, last = days
    return last.day < today and any(one.windows for one in earlier)


def limits_of(days: Sequence[DayProfile], *, whole: bool) -> Limits:
    """
    Return the limits that ring an alarm for the sum of *days*.

    Without *whole*, the days ring only if their windows span enough hours.
    """
    if are_a_week(days):
        return WEEK
    whole = whole or sum((one.span for one in days), timedelta()) >= LEAST_SPAN
    return DAY if whole else NO_LIMITS


def days_to(last: date, count: int) -> list[date]:
    """Return *count* days up to and including *last*."""
    return [last - timedelta(days=back) for back in reversed(range(count))]
