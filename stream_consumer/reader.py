"""
Reading downstream: the typed predictions of a stream, the first of each ``event_id``.

The rule: at least once in, first of each out, in bounded memory. Identifiers are forgotten oldest first, so a duplicate
is recognised as long as no more than ``remember`` predictions lie between it and the first.
"""

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.prediction import Prediction, decode_prediction
from stream_consumer.contract.printable import printable
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Page, Start
from stream_consumer.kinesis.stream_pages import Positions, StreamPages, unfolded
from stream_consumer.whole_file import read_whole, write_whole

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """A prediction and where it stood."""

    prediction: Prediction
    shard_id: str
    sequence_number: str
    arrival: datetime


@dataclass(slots=True)
class _Memory:
    """The identifiers of the last ``remember`` predictions."""

    remember: int
    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def is_new(self, event_id: str | None) -> bool:
        """Whether this is the first time; a direct invocation's prediction (None) always is."""
        if event_id is None:
            return True
        if event_id in self.seen:
            return False
        self.seen[event_id] = None
        if len(self.seen) > self.remember:
            self.seen.popitem(last=False)
        return True


class PredictionReader:
    """
    Iterate the predictions of a stream: ``for received in PredictionReader(kinesis, "ride_predictions"): …``.

    Shards take turns; children of a resharded shard are read after their parents. Records that are not predictions are
    passed over with a warning in the log. KPL aggregates are unfolded. Not thread-safe.
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
        Prepare to read; nothing is asked of the stream before the iteration begins.

        Args:
            kinesis: The client.
            stream_name: The stream of predictions, by name or ARN.
            start: Where to begin in shards that *checkpoint* does not know; by default at the oldest record.
            follow: Go on for ever; else stop when every shard has been read to its tip.
            envelope: The names of a prediction's fields, where they are not those of rides:
                ``Envelope(id="customer_id", prediction="churned")``. The environment is not asked.
            remember: How many identifiers to keep, some 100 bytes each.
            checkpoint: What :meth:`checkpoint` returned earlier; reading goes on behind it. Iterating raises UsageError
                if it is of another stream.
            poll_seconds: The wait when there is nothing new. After a failed read it is random, and grows to 2 s.
            sleep: How to wait.
        """
        self.duplicates = 0
        """Predictions left out because their event had been seen."""
        self.foreign = 0
        """Records left out because they are not predictions."""
        self._envelope = envelope
        known = checkpoint or {"shards": {}, "event_ids": []}
        self._pages = StreamPages(
            kinesis,
            stream_name,
            Positions(dict(known["shards"]), known.get("stream_arn")),
            start=start or Start(),
            follow=follow,
            poll_seconds=poll_seconds,
            sleep=sleep,
        )
        self._positions = self._pages.positions
        self._memory = _Memory(remember, OrderedDict.fromkeys(known["event_ids"]))

    def checkpoint(self) -> dict[str, Any]:
        """Return what a later reader needs to go on behind the last prediction that was taken (JSON)."""
        return {
            "shards": dict(self._positions.shards),
            "event_ids": list(self._memory.seen),
            **({"stream_arn": self._positions.stream_arn} if self._positions.stream_arn else {}),
        }

    def __iter__(self) -> Iterator[Received]:
        for shard_id, page in self._pages:
            yield from self._received(shard_id, page)

    def _received(self, shard_id: str, page: Page) -> Iterator[Received]:
        for record in page.records:
            number = record["SequenceNumber"]
            for prediction in self._predictions(record["Data"], f"{number} of {shard_id}"):
                if self._memory.is_new(prediction.event_id):
                    yield Received(prediction, shard_id, number, record["ApproximateArrivalTimestamp"])
                else:
                    self.duplicates += 1
            # Only now: a checkpoint made while the caller still works on a prediction must not be past it.
            self._positions.shards[shard_id] = number

    def _predictions(self, data: bytes, place: str) -> Iterator[Prediction]:
        """Yield the predictions of one record: one, or those of a KPL aggregate."""
        for part in unfolded(data):
            try:
                yield decode_prediction(part, self._envelope)
            except (ValueError, RecursionError) as error:
                self.foreign += 1
                _LOGGER.warning("%s is not a prediction: %s", place, printable(str(error)))


class _Checkpoint(msgspec.Struct, omit_defaults=True):
    shards: dict[str, str]
    event_ids: list[str]
    stream_arn: str | None = None
    """None in a checkpoint that was kept before it said so."""


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """
    Return the checkpoint kept in *path*, None if there is none yet.

    Raises:
        UsageError: The file cannot be read, or is no checkpoint of a reader.
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
    """Keep *checkpoint* in *path*, all of it or none."""
    write_whole(path, json.dumps(checkpoint).encode())
