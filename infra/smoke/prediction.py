"""
Wait for the prediction of one event by one consumer.

The rule: a prediction is recognised by its ``event_id``, the name of the put record. This also works with models
without an id, with KPL aggregates, and with others' records on the output stream.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from infra.clients import Aws
from infra.smoke.example import Example
from infra.smoke.wait import SmokeTestFailed, TimeUp, Wait
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters
from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.timestamps import iso_milliseconds
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.reader import PredictionReader
from stream_consumer.settings import Settings

_NEW = timedelta(minutes=15)
_POLL_SECONDS = 1.0  # all readers of a shard share five reads a second
_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class SmokeEvent:
    """An event and its event ids at the consumers: one id for each put."""

    data: bytes
    identifier: str
    ids: set[str] = field(default_factory=set)
    put_at: float = 0.0

    def put(self, kinesis: Any, stream: str, now: float) -> None:
        record = kinesis.put_record(StreamName=stream, Data=self.data, PartitionKey=self.identifier)
        self.ids.add(f"{record['ShardId']}:{record['SequenceNumber']}")
        self.put_at = now


@dataclass(frozen=True, slots=True)
class Consumer:
    """A deployed consumer, and an example of its model."""

    name: str
    applied: Mapping[str, Any]
    """The output ``consumers`` of modules/system."""
    input_stream: str
    settings: Settings
    mapping: Mapping[str, Any]
    example: Example

    @property
    def is_new(self) -> bool:
        """Return whether the mapping was just made or changed. Its start takes minutes."""
        changed: datetime | None = self.mapping.get("LastModified")
        return changed is None or datetime.now(UTC) - changed < _NEW


@dataclass(frozen=True, slots=True)
class Watch:
    """Waits for the prediction of one consumer."""

    aws: Aws
    consumer: Consumer
    event: SmokeEvent
    since: float
    wait: Wait

    def prediction(self) -> Prediction:
        """
        Return the prediction of the event.

        Raises:
            SmokeTestFailed: The event became a dead letter, or no prediction came in time.
        """
        stream = self.consumer.applied["output_stream"]
        reader = PredictionReader(
            self.aws("kinesis"),
            stream,
            start=Start(timestamp=self.since),
            envelope=self.consumer.example.schema.envelope,
            poll_seconds=_POLL_SECONDS,
            sleep=self._pause,
        )
        try:
            for received in reader:
                if received.prediction.event_id in self.event.ids:
                    return received.prediction
                self._pause(0)
        except TimeUp:
            raise SmokeTestFailed(self._where_to_look(stream, reader.foreign)) from None
        raise SmokeTestFailed(f"the stream {stream} has no open shard to read a prediction from: it is being deleted")

    def _pause(self, seconds: float) -> None:
        self.wait.pause(seconds, self._look)

    def _look(self) -> str:
        """Return the state of the wait. Put the event again if a new mapping began behind it."""
        self._refuse_dead_letter()
        mapping = self._mapping()
        begins_late = mapping.get("StartingPosition") == "LATEST"
        if begins_late and self.wait.clock() - self.event.put_at >= _AGAIN_SECONDS:
            self.event.put(self.aws("kinesis"), self.consumer.input_stream, self.wait.clock())
        return f"waiting for the prediction of {self.consumer.name}, whose event source mapping is {mapping['State']}"

    def _mapping(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.aws("lambda").get_event_source_mapping(UUID=self.consumer.applied["mapping_id"])
        return found

    def _refuse_dead_letter(self) -> None:
        """
        Look for the event among the dead letters. Only the first dead letter of a batch is found.

        Raises:
            SmokeTestFailed: The event is a dead letter.
        """
        for event_id in self.event.ids if self.consumer.settings.dead_letter_bucket else ():
            for location, letter in self._dead_letters(event_id):
                raise SmokeTestFailed(
                    f"{self.consumer.name} refuses the smoke event {event_id}: {letter.reason} at {letter.path}: "
                    f"{letter.detail}. The dead letter is {location}. The event is the model's own example, so another "
                    "model runs, or this one does not predict its example: log it again"
                )

    def _dead_letters(self, event_id: str) -> Iterator[tuple[str, DeadLetter]]:
        shard, _, number = event_id.partition(":")
        bucket = str(self.consumer.settings.dead_letter_bucket)
        prefix = f"{self.consumer.settings.dead_letter_prefix}/{self.consumer.input_stream}/{shard}/{number}-"
        s3 = self.aws("s3")
        with contextlib.suppress(ClientError):  # a deployer may lack the permission to read dead letters
            for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
                for letter in decode_dead_letters(body):
                    if letter.event_id == event_id:
                        yield f"s3://{bucket}/{found['Key']}", letter

    def _where_to_look(self, stream: str, foreign: int) -> str:
        mapping, settings = self._mapping(), self.consumer.settings
        others = f" ({foreign} records there are no predictions of its envelope)" if foreign else ""
        filters = ", and has filter_patterns that may have dropped the event" if mapping.get("FilterCriteria") else ""
        return (
            f"no prediction of the smoke event {' or '.join(sorted(self.event.ids))} came on {stream}{others} within "
            f"{self.wait.seconds:.0f} s. The event source mapping {self.consumer.applied['mapping_id']} is "
            f"{mapping['State']}, its last result {mapping.get('LastProcessingResult', 'unknown')!r}{filters}. Look at "
            f"the function's log: aws logs tail /aws/lambda/{self.consumer.applied['function_name']} --since 15m; "
            f"at the dead letters: stream-consumer dead-letters list --bucket {settings.dead_letter_bucket} "
            f"--prefix {settings.dead_letter_prefix} --since {iso_milliseconds(self.since)}"
        )
