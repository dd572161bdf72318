"""
Read the typed predictions of a stream, the first of each ``event_id``.

The rule: records arrive at least once, the caller gets the first of each event, and memory is bounded. The reader
forgets the oldest identifiers first. A duplicate is recognised if at most ``remember`` predictions lie between the
first copy and the duplicate.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.prediction import Prediction
from stream_consumer.deduplication import CheckpointedReader, FirstOfEach
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Page, Start
from stream_consumer.kinesis.stream_pages import Positions, StreamPages, unfolded
from stream_consumer.whole_file import read_whole, write_whole

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient


@dataclass(frozen=True, slots=True)
class Received:
    """A prediction, its shard, its sequence number and its time of arrival."""

    prediction: Prediction
    shard_id: str
    sequence_number: str
    arrival: datetime


class PredictionReader(CheckpointedReader):
    """
    Iterate the predictions of a stream.

    Shards take turns. The children of a resharded shard are read after their parents. A record that is not a prediction
    is skipped with a warning in the log. KPL aggregates are unfolded. Not thread-safe.

    With ``kinesis = boto3.client("kinesis")`` and a stream of three records, of which the second repeats the first:

        >>> reader = PredictionReader(kinesis, "ride_predictions", follow=False)
        >>> [(received.prediction.id, received.prediction.value) for received in reader]
        [(256, 21.5), (257, 8.0)]
        >>> reader.duplicates
        1
        >>> later = PredictionReader(kinesis, "ride_predictions", follow=False, checkpoint=reader.checkpoint())
        >>> list(later)
        []
    """

    def __init__(  # noqa: PLR0913 (each has a default that fits)
        self,
        kinesis: "KinesisClient",
        stream_name: str,
        *,
        start: Start | None = None,
        follow: bool = True,
        envelope: Envelope = Envelope(),  # noqa: B008 (frozen)
        remember: int = 200_000,
        checkpoint: Mapping[str, Any] | None = None,
        poll_seconds: float = 0.25,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Prepare to read. The first request goes out when the iteration begins.

        Args:
            kinesis: The client.
            stream_name: The stream of predictions, by name or ARN.
            start: Where to begin without a checkpoint. The default is the oldest record. With a checkpoint, shards
                without a position begin where the first reader began.
            follow: Go on forever. If False, stop when every shard has been read to its tip.
            envelope: The names of a prediction's fields if they differ from those of rides:
                ``Envelope(id="customer_id", prediction="churned")``. The environment is not read.
            remember: Number of identifiers to keep, some 100 bytes each.
            checkpoint: An earlier return value of :meth:`checkpoint`. Reading goes on behind the checkpoint. Iterating
                raises UsageError if the checkpoint belongs to another stream.
            poll_seconds: The wait after a poll without new records. After a failed read the wait is random and grows to
                2 s.
            sleep: Waits for a number of seconds.
        """
        known = checkpoint or {"shards": {}, "event_ids": []}
        self._pages = StreamPages(
            kinesis,
            stream_name,
            Positions(dict(known["shards"]), known.get("stream_arn"), known.get("begun")),
            start=start or Start(),
            follow=follow,
            poll_seconds=poll_seconds,
            sleep=sleep,
        )
        super().__init__(self._pages.positions, FirstOfEach(envelope, remember, known["event_ids"]))

    def __iter__(self) -> Iterator[Received]:
        for shard_id, page in self._pages:
            yield from self._received(shard_id, page)

    def _received(self, shard_id: str, page: Page) -> Iterator[Received]:
        for record in page.records:
            number = record["SequenceNumber"]
            for part in unfolded(record["Data"]):
                prediction = self._first.take(part, f"{number} of {shard_id}")
                if prediction is not None:
                    yield Received(prediction, shard_id, number, record["ApproximateArrivalTimestamp"])
            # Only now: while the caller still works on a prediction, a checkpoint must not be past its record.
            self._positions.shards[shard_id] = number


class _Checkpoint(msgspec.Struct, omit_defaults=True):
    shards: dict[str, str]
    event_ids: list[str]
    stream_arn: str | None = None
    """None in a checkpoint from before this field existed."""
    begun: float | None = None
    """As in :class:`Positions`. None in a checkpoint of a topic, and in one from before this field existed."""


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """
    Return the checkpoint in the file *path*, or None if the file does not exist.

        >>> load_checkpoint(Path("no-checkpoint-yet.json")) is None
        True

    Raises:
        UsageError: The file cannot be read or is not a checkpoint of a reader.
    """
    if not path.exists():
        return None
    try:
        kept: dict[str, Any] = msgspec.to_builtins(msgspec.json.decode(read_whole(path), type=_Checkpoint))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no checkpoint of a reader of predictions: {error}; name another file or remove it"
        ) from None
    return kept


def save_checkpoint(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """
    Write *checkpoint* to the file *path*, whole or not at all.

        >>> save_checkpoint(folder / "read.json", {"shards": {"shardId-000000000000": "4963"}, "event_ids": []})
        >>> load_checkpoint(folder / "read.json")
        {'shards': {'shardId-000000000000': '4963'}, 'event_ids': []}
    """
    write_whole(path, json.dumps(checkpoint).encode())
