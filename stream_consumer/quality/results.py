"""The results of days in a folder or under a prefix: ``<location>/yyyy-mm-dd.json``."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from stream_consumer.archive.layout import within
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.quality.result import DayQuality, decode_day

_DAY = timedelta(days=1)


class Results:
    """The results at one location."""

    def __init__(self, stores: Stores, location: Location) -> None:
        self._stores = stores
        self._location = location

    def of(self, day: date) -> DayQuality | None:
        """
        Return the result of *day*, or None.

        Raises:
            ResultUnreadable: The file of the day is not a result.
            StoreFailed: The file cannot be read.
        """
        file = self._file(day)
        content = self._stores.at(file).read(file)
        return None if content is None else decode_day(content, file)

    def between(self, first: date, last: date) -> Iterator[DayQuality]:
        """Give the results of the days from *first* to *last*."""
        for number in range((last - first).days + 1):
            if result := self.of(first + number * _DAY):
                yield result

    def keep(self, result: DayQuality) -> Location:
        """Write *result* over an older result of its day, and return its location."""
        file = self._file(result.day)
        with self._stores.scratch() as scratch:
            made = Path(scratch) / "result.json"
            made.write_bytes(result.encode())
            self._stores.at(file).put(made, file)
        return file

    def _file(self, day: date) -> Location:
        return within(self._location, f"{day}.json")
