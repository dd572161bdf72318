"""The profiles of windows, added up by day: ``<location>/yyyy-mm-dd/<shard>-<start>.json``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from operator import add

from stream_consumer.archive.layout import within
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import StreamConsumerError
from stream_consumer.monitor.profile_archive import WindowProfile
from stream_consumer.profiling.bins import Bins
from stream_consumer.profiling.profile import Profile


class ProfileUnreadable(StreamConsumerError):
    """An object is no profile of a window."""


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


def day_profile(stores: Stores, location: Location, day: date, bins: Sequence[Bins]) -> DayProfile:
    """
    Return the windows of *day* at *location*; those in other bins are of another model.

    Raises:
        StoreFailed: They cannot be read.
        ProfileUnreadable: An object is no profile.
    """
    folder = within(location, f"{day}")
    windows = [_window(stores, one) for one in stores.at(folder).list(folder) if one.text.endswith(".json")]
    counts = [(window, profile) for window, profile in windows if profile.bins == tuple(bins)]
    own = [window for window, _ in counts]
    return DayProfile(
        day=day,
        profile=reduce(add, (profile for _, profile in counts), Profile.empty(bins)),
        windows=len(own),
        records=sum(window.records for window in own),
        invalid=sum(window.invalid for window in own),
        skipped=sum(window.skipped for window in own),
        others=len(windows) - len(own),
    )


def days_to(last: date, count: int) -> list[date]:
    """Return *count* days, of which *last* is the last."""
    return [last - timedelta(days=back) for back in reversed(range(count))]


def _window(stores: Stores, location: Location) -> tuple[WindowProfile, Profile]:
    try:
        window = WindowProfile.decode(stores.at(location).read(location) or b"")
        return window, window.counts()
    except (ValueError, RecursionError) as error:
        raise ProfileUnreadable(f"{location} is no profile of a window: {error}; take it out of the folder") from None
