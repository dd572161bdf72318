"""
What a service can do to a client, and how fast a shard is: the values that the proxy acts on.

The rule: a fault says what the client meets; whether the service acted all the same is part of the fault, since that is
what makes duplicates.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

THROTTLED = "ProvisionedThroughputExceededException"
RETIRED = "InternalFailure"


class Fault(Enum):
    """One thing that happens to one request."""

    SERVER_ERROR = "500, and the service did nothing"
    UNAVAILABLE = "503, and the service did nothing"
    THROTTLED = "the whole call is throttled"
    DENIED = "access denied"
    RESET_BEFORE = "connection reset, and the service did nothing"
    RESET_AFTER = "connection reset after the service did it"
    SLOW = "the answer takes a second"
    HANGING = "the service did it and never answers"
    TRUNCATED = "the service did it and half of the answer comes"

    @property
    def reaches_the_service(self) -> bool:
        return self in {Fault.RESET_AFTER, Fault.SLOW, Fault.HANGING, Fault.TRUNCATED}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A fault of PutRecords alone: the entries at these positions are not accepted, the others are."""

    positions: tuple[int, ...]
    code: str = THROTTLED


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a rate, up to one second's worth."""

    rate: float
    tokens: float
    at: float

    def take(self, cost: float, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True


@dataclass(frozen=True, slots=True)
class HashRange:
    """A shard's part of the hash keys, both ends included."""

    shard_id: str
    first: int
    last: int


@dataclass(slots=True)
class Throughput:
    """
    The limits of each shard of a stream, which no emulator has.

    Source: Kinesis developer guide, "Quotas and limits".

    Args:
        records_per_second: Lower than Kinesis' own, so that a test need not put thousands.
        bytes_per_second: Data and partition keys.
    """

    clock: Callable[[], float]
    records_per_second: float = 1000
    bytes_per_second: float = 2**20
    _buckets: dict[str, tuple[Bucket, Bucket]] = field(default_factory=dict)

    def admits(self, shard_id: str, size: int) -> bool:
        now = self.clock()
        records, volume = self._buckets.setdefault(
            shard_id,
            (
                Bucket(self.records_per_second, self.records_per_second, now),
                Bucket(self.bytes_per_second, self.bytes_per_second, now),
            ),
        )
        if not records.take(1, now):
            return False
        return volume.take(size, now)


def shard_of(partition_key: str, explicit_hash_key: str | None, shards: Sequence[HashRange]) -> str:
    """Return the shard that a record goes to. Source: Kinesis API reference, "PutRecords": MD5 of the partition key."""
    key = int(explicit_hash_key) if explicit_hash_key else int(hashlib.md5(partition_key.encode()).hexdigest(), 16)  # noqa: S324
    return next(shard.shard_id for shard in shards if shard.first <= key <= shard.last)


def open_shards(listed: Sequence[Mapping[str, object]]) -> list[HashRange]:
    """Return the ranges of the shards of a ListShards answer that are not closed."""
    ranges = []
    for shard in listed:
        numbers, keys = shard["SequenceNumberRange"], shard["HashKeyRange"]
        assert isinstance(numbers, Mapping)
        assert isinstance(keys, Mapping)
        if not numbers.get("EndingSequenceNumber"):
            ranges.append(HashRange(str(shard["ShardId"]), int(keys["StartingHashKey"]), int(keys["EndingHashKey"])))
    return ranges
