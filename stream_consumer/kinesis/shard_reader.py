"""
List the shards of a stream, and read the records of a shard through iterator expiry, throttling and outages.

The rule: a reader gives each record once, in order, without a gap. A failure is ``ReadFailed`` if the same read may be
retried, and otherwise ``StreamUnreadable``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from stream_consumer.aws.retry import is_transient
from stream_consumer.contract.stream_arn import kinesis_stream, stream_name
from stream_consumer.errors import ReadFailed, StreamUnreadable

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import GetShardIteratorInputTypeDef, RecordTypeDef, ShardTypeDef

READ_LIMIT = 10_000
"""Largest number of records of a GetRecords call. Source: Amazon Kinesis Data Streams API reference, "GetRecords"."""

_NOT_OF_THE_STREAM = frozenset({"InvalidArgumentException", "ValidationException"})
"""Error codes for a sequence number from another stream. Source: the same reference, "GetShardIterator"."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin reading a shard: a named position, a time in Unix seconds, or at or after a sequence number."""

    position: str = "TRIM_HORIZON"
    timestamp: float | None = None
    after: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The result of a read."""

    records: "list[RecordTypeDef]"
    millis_behind_latest: int
    ended: bool
    """The shard is closed and this was its last page."""

    @property
    def at_tip(self) -> bool:
        """
        Whether the read reached the tip.

        An empty page alone is not enough: Kinesis returns some in the middle of a shard.
        """
        return self.ended or (not self.records and self.millis_behind_latest == 0)


class ShardReader:
    """Reads a shard from *start* on."""

    def __init__(
        self,
        kinesis: "KinesisClient",
        stream_arn: str,
        shard_id: str,
        start: Start,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._kinesis = kinesis
        self._stream_arn = stream_arn
        self._shard_id = shard_id
        self._start = start
        self._now = now
        self._iterator: str | None = None

    def read(self) -> Page:
        """
        Return the shard's next page.

        Raises:
            ReadFailed: Throttled, a fault of the service, or no connection.
            StreamUnreadable: The stream is gone, access is denied, or the position is not in the shard.
        """
        return answer(self._page, f"{self._shard_id} of {self._stream_arn}")

    def _page(self) -> Page:
        if self._iterator is None:
            asked = self._now()
            self._iterator = self._new_iterator()
            if self._start.position == "LATEST":
                # The present tip. A later iterator must not skip the records that arrive in between.
                self._start = Start("AT_TIMESTAMP", timestamp=asked)
        try:
            response = self._kinesis.get_records(
                ShardIterator=self._iterator, StreamARN=self._stream_arn, Limit=READ_LIMIT
            )
        except self._kinesis.exceptions.ExpiredIteratorException:
            self._iterator = None
            return self._page()
        records = response["Records"]
        if records:
            self._start = Start(after=records[-1]["SequenceNumber"])
        self._iterator = response.get("NextShardIterator")
        return Page(records, response.get("MillisBehindLatest", 0), ended=not self._iterator)

    def _new_iterator(self) -> str:
        try:
            return self._kinesis.get_shard_iterator(**self._iterator_request())["ShardIterator"]
        except ClientError as error:
            number = self._start.after or self._start.at
            if number is None or error.response["Error"].get("Code") not in _NOT_OF_THE_STREAM:
                raise
            raise StreamUnreadable(
                f"{self._shard_id} of {self._stream_arn} has no record {number}: {error}; if a checkpoint says so, "
                "it is of another stream, or of one that was deleted and made again: name another file or remove it"
            ) from error

    def _iterator_request(self) -> "GetShardIteratorInputTypeDef":
        request: GetShardIteratorInputTypeDef = {
            "StreamARN": self._stream_arn,
            "ShardId": self._shard_id,
            "ShardIteratorType": "TRIM_HORIZON",
        }
        if self._start.after is not None:
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER"
            request["StartingSequenceNumber"] = self._start.after
        elif self._start.at is not None:
            request["ShardIteratorType"] = "AT_SEQUENCE_NUMBER"
            request["StartingSequenceNumber"] = self._start.at
        elif self._start.timestamp is not None:
            request["ShardIteratorType"] = "AT_TIMESTAMP"
            request["Timestamp"] = datetime.fromtimestamp(self._start.timestamp, UTC)
        elif self._start.position == "LATEST":
            request["ShardIteratorType"] = "LATEST"
        return request


def stream_arn(kinesis: "KinesisClient", stream: str) -> str:
    """
    Return the ARN of *stream*, given by name or by ARN. A stream of another account needs the ARN.

    Raises:
        ReadFailed: As :meth:`ShardReader.read`.
        StreamUnreadable: As :meth:`ShardReader.read`, or the ARN belongs to no Kinesis stream or to a stream of another
            endpoint.
    """
    asked = kinesis_stream(stream)
    if asked is None and stream.startswith("arn:"):
        raise StreamUnreadable(f"{stream} is not the ARN of a Kinesis stream; wanted arn:aws:kinesis:…:stream/NAME")
    request: dict[str, Any] = {"StreamARN": asked.arn} if asked else {"StreamName": stream}
    summary = answer(lambda: kinesis.describe_stream_summary(**request), f"the stream {stream!r}")
    arn = summary["StreamDescriptionSummary"]["StreamARN"]
    if asked and arn != asked.arn:
        raise StreamUnreadable(f"{asked.arn} is not here: this endpoint has {arn}; pass --region or --profile")
    return arn


def is_absent(kinesis: "KinesisClient", stream: str) -> bool:
    """Whether *stream* is known not to exist. A client that may not describe the stream does not know."""
    try:
        stream_arn(kinesis, stream)
    except (ReadFailed, StreamUnreadable) as error:
        return isinstance(error.__cause__, kinesis.exceptions.ResourceNotFoundException)
    return False


def same_stream(kinesis: "KinesisClient", one: str, other: str) -> bool:
    """
    Return whether two names or ARNs belong to one stream.

    Raises:
        ReadFailed: As :func:`stream_arn`.
        StreamUnreadable: As :func:`stream_arn`.
    """
    if one == other or stream_name(one) != stream_name(other):
        return one == other
    return stream_arn(kinesis, one) == stream_arn(kinesis, other)


def list_shards(kinesis: "KinesisClient", arn: str) -> "list[ShardTypeDef]":
    """
    Return every shard of the stream, closed shards included, through all pages.

    Raises:
        ReadFailed, StreamUnreadable: As :meth:`ShardReader.read`.
    """
    shards: list[ShardTypeDef] = []
    request: dict[str, Any] = {"StreamARN": arn}
    while request:
        page = answer(lambda: kinesis.list_shards(**request), f"the shards of {arn}")  # noqa: B023 (called at once)
        shards += page["Shards"]
        token = page.get("NextToken")
        request = {"NextToken": token} if token else {}
    return shards


def answer(call: Callable[[], Answer], what: str) -> Answer:
    """Call the service. Sort its errors into those that a retry may mend and the rest."""
    try:
        return call()
    except ClientError as error:
        failure = ReadFailed if is_transient(error) else StreamUnreadable
        raise failure(f"{what}: {error}") from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise StreamUnreadable(f"{what}: {' '.join(str(error).splitlines())}") from error
    except BotoCoreError as error:
        raise ReadFailed(f"{what}: {error}") from error
