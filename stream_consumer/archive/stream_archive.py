"""
``archive``: writing a stream's records to files by their hour of arrival.

The rule: the archive has every record once, even if a run ends early. An object is named after its first record. The
position of a shard is saved only after its objects. If a run ends between the two, the next run writes the same objects
again, over the old ones. Only one run at a time may write the archive of a stream.
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
"""The folder beside the years with the archived position of each stream."""

_MOST_RECORDS = 20_000
_MOST_BYTES = 32 << 20


class _Kept(msgspec.Struct):
    stream_arn: str
    shards: dict[str, str]


@dataclass(slots=True)
class _Waiting:
    """Records of one shard that are not in the archive yet."""

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
        Read the archived positions of *stream*.

        Args:
            stores: Has the store of the archive.
            archive: Location of the archive.
            stream: Name or ARN of the stream.
            seconds: Time that a record waits for further records of its object.
            clock: Seconds that never go back.

        Raises:
            UsageError: The saved positions cannot be read.
            StoreFailed: The archive cannot be read.
        """
        self.records = 0
        """Number of archived records, aggregates unfolded."""
        self.objects = 0
        self._stores = stores
        self._archive = archive
        self._name = stream_name(stream)
        self._seconds = seconds
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._checkpoint = within(archive, CHECKPOINTS, f"{self._name}.json")
        self.positions = self._kept()
        """The archived position of each shard."""

    def _kept(self) -> Positions:
        content = self._stores.at(self._checkpoint).read(self._checkpoint)
        if content is None:
            return Positions()
        try:
            kept = msgspec.json.decode(content, type=_Kept)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{self._checkpoint} is not a checkpoint of an archive: {error}; remove it") from None
        return Positions(kept.shards, kept.stream_arn)

    def take(self, shard_id: str, page: Page) -> None:
        """Take the next *page* of a shard, and write due records."""
        now = self._clock()
        if page.records:
            self._waiting.setdefault(shard_id, _Waiting(now)).add(page.records)
        for shard, waiting in list(self._waiting.items()):
            if waiting.is_due(now, self._seconds):
                self._write(shard)

    def flush(self) -> None:
        """Write all waiting records."""
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
        # Without a timestamp, so that equal records give equal bytes.
        self._put_content(within(self._archive, hour, name), gzip.compress(b"".join(map(_line, parts)), mtime=0))
        self.records += len(parts)
        self.objects += 1

    def _put_content(self, location: Location, content: bytes) -> None:
        with self._stores.scratch() as scratch:
            file = Path(scratch) / "object"
            file.write_bytes(content)
            self._stores.at(location).put(file, location)


def _line(data: bytes) -> bytes:
    """Return *data* as a line. In JSON, a space can replace any line break."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
