"""Reading the profiles of windows: ``<location>/yyyy-mm-dd/<shard>-<start>.json``."""

from collections.abc import Sequence
from datetime import date

from stream_consumer.archive.layout import within
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.monitor.day_profile import DayProfile
from stream_consumer.monitor.profile_archive import WindowProfile, window_of
from stream_consumer.profiling.bins import Bins


def day_profile(stores: Stores, location: Location, day: date, bins: Sequence[Bins], digest: str = "") -> DayProfile:
    """
    Return the windows of *day* at *location*. Windows of one model are added up, as in :meth:`DayProfile.of`.

    Raises:
        StoreFailed: The location cannot be read.
        ProfileUnreadable: An object is not a profile.
    """
    folder = within(location, f"{day}")
    windows = [_window(stores, one) for one in stores.at(folder).list(folder) if one.text.endswith(".json")]
    return DayProfile.of(day, windows, bins, digest)


def _window(stores: Stores, location: Location) -> WindowProfile:
    return window_of(f"{location}", stores.at(location).read(location) or b"")
