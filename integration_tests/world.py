"""
What the suite needs of its surroundings: an AWS endpoint, consumers of the image, and what they are capable of.

The rule: a test asks for a capability by name and is skipped where it is missing; no assertion is weaker anywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from integration_tests.proxy import FaultProxy
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Counts, Tally
from stream_consumer.local.runtime.functions import Function
from stream_consumer.model import Model

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import RecordTypeDef
    from types_boto3_s3 import S3Client

# Nobody waits a second here for what a machine does in a millisecond.
PACE = Pace(poll_seconds=0.05, retry_seconds=0.1, retry_limit_seconds=1.0, discovery_seconds=0.2)


class Capability(Enum):
    """What some surroundings lack; the text completes «it cannot …»."""

    VOLUME = "take 10,000 rides in a test's time"
    RESHARDING = "split a shard and keep what the parent holds"
    FAULTS = "fail on demand: no proxy stands before it"


@dataclass(frozen=True, slots=True)
class Consumer:
    """The image with one model, publishing to one output stream."""

    function: Function
    model: Model
    output: str
    dead_letters: str
    """Bucket."""


class Endpoints(NamedTuple):
    """Where the services are; one URL for both, or not."""

    kinesis: str
    s3: str


class Proxies(NamedTuple):
    """What stands between the consumers and the services."""

    kinesis: FaultProxy
    s3: FaultProxy


@dataclass(frozen=True, slots=True)
class World:
    """One tier's surroundings, open."""

    name: str
    capabilities: frozenset[Capability]
    endpoints: Endpoints
    kinesis: "KinesisClient"
    s3: "S3Client"
    consumer: Consumer
    challenger: Consumer
    """On the same input, with another model and another output."""
    proxies: Proxies | None = None
    kill: Callable[[], None] = lambda: None
    """End the consumer's container, whatever it is at; with ``Capability.FAULTS``."""

    @property
    def faults(self) -> "Proxies":
        """The proxies, for tests that need ``Capability.FAULTS``."""
        assert self.proxies
        return self.proxies


def consume(world: World, stream: str, function: Function, batch_size: int = 100) -> Counts:
    """Run a mapping until everything on *stream* is consumed."""
    mapping, tally = mapping_of(world, stream, function, batch_size)
    mapping.drain()
    mapping.run()
    return tally.counts


def mapping_of(
    world: World, stream: str, function: Function, batch_size: int = 100
) -> tuple[EventSourceMapping, Tally]:
    tally = Tally()
    settings = MappingConfig(stream_name=stream, report_batch_item_failures=True, batch_size=batch_size)
    return EventSourceMapping(world.kinesis, function, settings, observer=tally, pace=PACE), tally


def create_stream(kinesis: "KinesisClient", name: str, shards: int = 1) -> str:
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return name


def put_all(kinesis: "KinesisClient", stream: str, entries: Sequence[tuple[str, bytes]]) -> None:
    """Put (partition key, data) pairs with PutRecords; nothing throttles producers here."""
    for first in range(0, len(entries), 500):
        chunk = entries[first : first + 500]
        answer = kinesis.put_records(
            StreamName=stream, Records=[{"PartitionKey": key, "Data": data} for key, data in chunk]
        )
        assert answer["FailedRecordCount"] == 0


def records_of(world: World, stream: str) -> Iterator["RecordTypeDef"]:
    """Yield what is on *stream*, shard by shard, in order."""
    kinesis = world.kinesis
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator: str | None = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            yield from page["Records"]
            at_tip = not page["Records"] and not page.get("MillisBehindLatest")
            iterator = None if at_tip else page.get("NextShardIterator")
