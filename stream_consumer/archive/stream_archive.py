"""
``archive``: a stream's records into files of the hour in which they arrived.

The rule: no record is lost, and none is there twice, wherever a run ends. An object is named for its first record, and
how far a shard has come is kept only when its objects are there. A run that ended between the two makes the same
objects again, over those that are there. One run at a time writes the archive of a stream.
"""

import gzip
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream_consumer.archive.layout import hour_of, within
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.stream_arn import stream_name
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Page
from stream_consumer.kinesis.stream_pages import Positions, unfolded

if TYPE_CHECKING:
    from types_boto3_kinesis.type_defs import RecordTypeDef

CHECKPOINTS = "checkpoints"
"""The folder, beside the years, that says how far each stream has been archived."""

_MOST_RECORDS = 20_000
_MOST_BYTES = 32 << 20


class _Kept(msgspec.Struct):
    stream_arn: str
    shards: dict[str, str]


@dataclass(slots=True)
class _Waiting:
    """What is not yet in the archive, of one shard."""

    since: float
    records: "list[RecordTypeDef]" = field(default_factory=list)
    bytes: int = 0

    def add(self, records: "Iterable[RecordTypeDef]") -> None:
        for record in records:
            self.records.append(record)
            self.bytes += len(record["Data"])

    def is_due(self, now: float, seconds: float) -> bool:
        return len(self.records) >= _MOST_RECORDS or self.bytes >= _MOST_BYTES or now - self.since >= seconds


class StreamArchive:
    """Writes one stream's records to an archive."""

    def __init__(
        self,
        stores: Stores,
        archive: Location,
        stream: str,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Look how far *stream*, a name or ARN, has been archived.

        Args:
            stores: Where the archive is.
            archive: Its location.
            stream: The stream.
            seconds: How long a record waits for others of its object.
            clock: Seconds that never go back.

        Raises:
            UsageError: What is kept of that cannot be read.
            StoreFailed: The archive cannot be read.
        """
        self.records = 0
        """Records that are in the archive, aggregates unfolded."""
        self.objects = 0
        self._stores = stores
        self._archive = archive
        self._name = stream_name(stream)
        self._seconds = seconds
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._checkpoint = within(archive, CHECKPOINTS, f"{self._name}.json")
        self.positions = self._kept()
        """How far each shard is in the archive."""

    def _kept(self) -> Positions:
        content = self._stores.at(self._checkpoint).read(self._checkpoint)
        if content is None:
            return Positions()
        try:
            kept = msgspec.json.decode(content, type=_Kept)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{self._checkpoint} is no checkpoint of an archive: {error}; remove it") from None
        return Positions(kept.shards, kept.stream_arn)

    def take(self, shard_id: str, page: Page) -> None:
        """Take the next *page* of a shard, and write what is due."""
        now = self._clock()
        if page.records:
            self._waiting.setdefault(shard_id, _Waiting(now)).add(page.records)
        for shard, waiting in list(self._waiting.items()):
            if waiting.is_due(now, self._seconds):
                self._write(shard)

    def flush(self) -> None:
        """Write all that waits."""
        for shard_id in list(self._waiting):
            self._write(shard_id)

    def _write(self, shard_id: str) -> None:
        records = self._waiting[shard_id].records
        for hour, group in itertools.groupby(records, lambda record: hour_of(record["ApproximateArrivalTimestamp"])):
            self._put(hour, shard_id, list(group))
        self.positions.shards[shard_id] = records[-1]["SequenceNumber"]
        kept = _Kept(self.positions.stream_arn or "", self.positions.shards)
        self._put_content(self._checkpoint, msgspec.json.encode(kept))
        del self._waiting[shard_id]

    def _put(self, hour: str, shard_id: str, records: "list[RecordTypeDef]") -> None:
        name = f"{self._name}-{shard_id}-{records[0]['SequenceNumber']}.gz"
        parts = [part for record in records for part in unfolded(record["Data"])]
        # Without a time in it, so that the same records are the same bytes.
        self._put_content(within(self._archive, hour, name), gzip.compress(b"".join(map(_line, parts)), mtime=0))
        self.records += len(parts)
        self.objects += 1

    def _put_content(self, location: Location, content: bytes) -> None:
        with self._stores.scratch() as scratch:
            file = Path(scratch) / "object"
            file.write_bytes(content)
            self._stores.at(location).put(file, location)


def _line(data: bytes) -> bytes:
    """Return *data* as a line. JSON has line ends only where a space means the same."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
