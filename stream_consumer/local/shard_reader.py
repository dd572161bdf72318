"""
One shard's iterator: reading on through expiry, throttling and outages, from where the last read ended.

The rule: a read gives records once, in order, without a gap; if it went wrong it is ``ReadFailed``, and the same read
may be tried again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from stream_consumer.errors import LocalPlatformError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import GetShardIteratorInputTypeDef

    from stream_consumer.local.clock import Clock
    from stream_consumer.local.records import ShardSource, StreamRecord

READ_LIMIT = 10_000
"""Records of one GetRecords call. Source: Amazon Kinesis Data Streams API reference, "GetRecords"."""

RETRYABLE = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)
SERVER_FAULT = 500


class ReadFailed(Exception):
    """Nothing was read, and trying again may help."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins: a named position, a time in seconds since the epoch, or after a sequence number."""

    position: str = "TRIM_HORIZON"
    timestamp: float | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    records: "list[StreamRecord]"
    millis_behind_latest: int
    ended: bool
    """The shard is closed and this was its last page."""

    @property
    def at_tip(self) -> bool:
        """Nothing more was there. Kinesis may give an empty page in the middle of a shard, so both count."""
        return self.ended or (not self.records and self.millis_behind_latest == 0)


class ShardReader:
    def __init__(self, kinesis: "KinesisClient", source: "ShardSource", start: Start, clock: "Clock") -> None:
        self._kinesis = kinesis
        self._source = source
        self._start = start
        self._clock = clock
        self._iterator: str | None = None

    def read(self) -> Page:
        """
        The shard's next page.

        Raises:
            ReadFailed: Throttled, a fault of the service, or no connection.
            LocalPlatformError: The stream is gone, access is denied, or the position is not in the shard.
        """
        try:
            return self._page()
        except ClientError as error:
            if not retryable(error):
                raise LocalPlatformError(f"{self._source.shard_id} of {self._source.stream_arn}: {error}") from error
            raise ReadFailed(str(error)) from error
        except (BotoCoreError, HTTPClientError) as error:
            raise ReadFailed(str(error)) from error

    def _page(self) -> Page:
        if self._iterator is None:
            asked = self._clock.now()
            self._iterator = self._kinesis.get_shard_iterator(**self._iterator_request())["ShardIterator"]
            if (
                self._start.position == "LATEST"
            ):  # the tip of now; an iterator got later must not skip what came between
                self._start = Start(timestamp=asked)
        try:
            response = self._kinesis.get_records(
                ShardIterator=self._iterator, StreamARN=self._source.stream_arn, Limit=READ_LIMIT
            )
        except self._kinesis.exceptions.ExpiredIteratorException:
            self._iterator = None
            return self._page()
        records = [self._source.record(record) for record in response["Records"]]
        if records:
            self._start = Start(after=records[-1].sequence_number)
        self._iterator = response.get("NextShardIterator")
        return Page(records, response.get("MillisBehindLatest", 0), ended=not self._iterator)

    def _iterator_request(self) -> "GetShardIteratorInputTypeDef":
        request: GetShardIteratorInputTypeDef = {
            "StreamARN": self._source.stream_arn,
            "ShardId": self._source.shard_id,
            "ShardIteratorType": "TRIM_HORIZON",
        }
        if self._start.after is not None:
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER"
            request["StartingSequenceNumber"] = self._start.after
        elif self._start.timestamp is not None:
            request["ShardIteratorType"] = "AT_TIMESTAMP"
            request["Timestamp"] = datetime.fromtimestamp(self._start.timestamp, UTC)
        elif self._start.position == "LATEST":
            request["ShardIteratorType"] = "LATEST"
        return request


def retryable(error: ClientError) -> bool:
    """Whether the service itself says that the same request may succeed later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code") in RETRYABLE or status >= SERVER_FAULT
