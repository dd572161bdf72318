"""
Cost and capacity: from a workload to shards, factor, concurrency, iterator age and dollars a month.

The formulae are explained in docs/capacity.md, whose worked example is a test. They describe averages: hot
shards, cold starts and failing batches are not in them.
"""

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from stream_consumer.errors import UsageError

# Source: Amazon Kinesis Data Streams developer guide, "Quotas and limits": a shard takes 1,000 records/s and 1 MB/s,
# and is read at 2 MB/s by all standard readers together.
SHARD_RECORDS_IN = 1_000
SHARD_BYTES_IN = 1_000_000
SHARD_BYTES_OUT = 2_000_000

# Source: AWS Lambda developer guide, "Lambda quotas": 6 MB for an event, in which the data is base64 and each record
# has some 400 bytes of metadata; and "Polling and batching streams" for the factor and the poll.
EVENT_BYTES = 6_000_000
RECORD_METADATA_BYTES = 400
MAX_FACTOR = 10
POLL_SECONDS = 1.0

CATCH_UP = 2.0
"""Capacity asked for, in multiples of the average rate: an outage is then caught up in the time that it lasted."""

LARGEST = 10**9
"""More of anything than a workload has."""

HOURS_A_MONTH = 730
SECONDS_A_MONTH = HOURS_A_MONTH * 3600


class Prices(NamedTuple):
    """Dollars; us-east-1, November 2026, from AWS's price pages."""

    shard_hour: float = 0.015
    put_unit: float = 0.014 / 1e6
    """A record is billed by the started 25 KB, on provisioned streams."""
    on_demand_gigabyte: float = 0.08
    """A record is billed by the started 1 KB, on on-demand streams."""
    lambda_request: float = 0.20 / 1e6
    lambda_gigabyte_second: float = 0.0000133334
    """arm64."""
    on_demand_hour: float = 0.04
    """Of an on-demand stream, idle or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    What comes in and what it costs to score; the two times are measured, by the benchmark or off the dashboard.

    Raises:
        UsageError: Values that make no sense; the message names every one of them.
    """

    events_per_second: float
    """On average, over the month."""
    peak_events_per_second: float | None = None
    """In a burst; None: the average."""
    event_bytes: int = 120
    """Of a record's data and partition key."""
    prediction_bytes: int = 250
    invocation_ms: float = 30.0
    """Of an invocation, whatever its size: the runtime, a call of the model, a round trip to Kinesis."""
    record_us: float = 30.0
    """Of a record more in a batch."""
    batch_size: int = 1000
    window_seconds: float = 1.0
    memory_mb: int = 1769
    burst_minutes: float = 10.0
    outage_minutes: float = 60.0
    maximum_record_age_seconds: float = 86_400.0
    shards: int | None = None
    """Of the input stream; None: as many as it takes."""
    parallelization_factor: int | None = None
    """None: as many as it takes."""

    def __post_init__(self) -> None:
        positive = ("events_per_second", "event_bytes", "prediction_bytes", "invocation_ms", "batch_size", "memory_mb")
        faults = [
            f"{name} is {getattr(self, name)}, wanted more than 0" for name in positive if getattr(self, name) <= 0
        ]
        at_least_zero = ("record_us", "window_seconds", "burst_minutes", "outage_minutes")
        faults += [
            f"{name} is {getattr(self, name)}, wanted 0 or more" for name in at_least_zero if getattr(self, name) < 0
        ]
        # nan is at most nothing.
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        faults += [
            f"{name} is {value}, wanted at most {LARGEST:,}"
            for name, value in given
            if value is not None and not value <= LARGEST
        ]
        if self.peak < self.events_per_second:
            faults.append(f"peak_events_per_second is {self.peak:g}, below the average of {self.events_per_second:g}")
        if self.shards is not None and self.shards < 1:
            faults.append(f"shards is {self.shards}, wanted 1 or more")
        if self.parallelization_factor is not None and not 1 <= self.parallelization_factor <= MAX_FACTOR:
            faults.append(f"parallelization_factor is {self.parallelization_factor}, wanted 1 to {MAX_FACTOR}")
        if faults:
            raise UsageError("capacity cannot be estimated: " + "; ".join(faults))

    @property
    def peak(self) -> float:
        return self.events_per_second if self.peak_events_per_second is None else self.peak_events_per_second

    @property
    def largest_batch(self) -> int:
        """Records that fit an invocation's event, at most the batch size."""
        in_event = self.event_bytes * 4 / 3 + RECORD_METADATA_BYTES
        return max(1, min(self.batch_size, int(EVENT_BYTES / in_event)))

    def batch_seconds(self, records: float) -> float:
        """How long the function takes for a batch."""
        return self.invocation_ms / 1e3 + records * self.record_us / 1e6


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a disturbance leaves, and how long it lasts; all seconds."""

    iterator_age: float
    catch_up: float
    """``inf`` if the consumer never catches up."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars a month."""

    function: float
    provisioned_streams: float
    on_demand_streams: float

    @property
    def total(self) -> float:
        """With the cheaper kind of streams."""
        return self.function + min(self.provisioned_streams, self.on_demand_streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the workload needs and what it gets."""

    input_shards: int
    output_shards: int
    parallelization_factor: int
    concurrency: int
    """Environments at work when the consumer is behind: reserve as many."""
    records_per_batch: float
    """On average, when the consumer keeps up."""
    batch_ms: float
    capacity: float
    """Events/s that can be consumed."""
    iterator_age: float
    """Seconds, when the consumer keeps up."""
    burst: Backlog
    outage: Backlog
    given_up: bool
    """Whether the outage ends after the first records were too old for the mapping."""
    cost: Cost


def estimate(workload: Workload, prices: Prices | None = None) -> Estimate:
    """Return what *workload* needs; where shards or factor are given, what it gets with them."""
    shards, factor = _size(workload)
    capacity = _capacity(workload, shards, factor)
    lanes = shards * factor
    batch = _batch(workload, lanes)
    output_shards = _shards_for(workload.peak, workload.prediction_bytes)
    return Estimate(
        input_shards=shards,
        output_shards=output_shards,
        parallelization_factor=factor,
        concurrency=lanes,
        records_per_batch=batch,
        batch_ms=workload.batch_seconds(batch) * 1e3,
        capacity=capacity,
        iterator_age=min(_gathering(workload), batch * lanes / workload.events_per_second)
        + workload.batch_seconds(batch),
        burst=_burst(workload, shards, capacity),
        outage=_outage(workload, capacity),
        given_up=workload.outage_minutes * 60 >= workload.maximum_record_age_seconds,
        cost=_cost(workload, batch, (shards, output_shards), prices or Prices()),
    )


def _shards_for(rate: float, record_bytes: int) -> int:
    return max(1, math.ceil(rate / SHARD_RECORDS_IN), math.ceil(rate * record_bytes / SHARD_BYTES_IN))


def _size(workload: Workload) -> tuple[int, int]:
    """Return the fewest shards, and for them the least factor, that take the peak and catch up in time."""
    wanted = max(workload.peak, CATCH_UP * workload.events_per_second)
    least, most = (workload.parallelization_factor or bound for bound in (1, MAX_FACTOR))
    needed = math.ceil(wanted / _capacity(workload, 1, most))
    shards = workload.shards or max(needed, _shards_for(workload.peak, workload.event_bytes))
    factors = (factor for factor in range(least, most) if _capacity(workload, shards, factor) >= wanted)
    return shards, next(factors, most)


def _capacity(workload: Workload, shards: int, factor: int) -> float:
    batch = workload.largest_batch
    scored = factor * batch / workload.batch_seconds(batch)
    read = SHARD_BYTES_OUT / workload.event_bytes
    return shards * min(scored, read)


def _gathering(workload: Workload) -> float:
    return max(POLL_SECONDS, workload.window_seconds)


def _batch(workload: Workload, lanes: int) -> float:
    """
    Return the average batch of a lane: what arrives while it gathers, or while the batch before is at work.

    With a rate r a lane and a batch of n taking a + n·b, the second is n = r·(a + n·b), so n = r·a / (1 - r·b).
    """
    rate = workload.events_per_second / lanes
    spare = 1 - rate * workload.record_us / 1e6
    while_working = rate * workload.batch_seconds(0) / spare if spare > 0 else math.inf
    return min(workload.largest_batch, max(1.0, rate * _gathering(workload), while_working))


def _burst(workload: Workload, shards: int, capacity: float) -> Backlog:
    # Beyond what the shards take the producers wait, not the consumer.
    accepted = min(workload.peak, shards * SHARD_RECORDS_IN, shards * SHARD_BYTES_IN / workload.event_bytes)
    seconds = workload.burst_minutes * 60
    age = max(0.0, seconds * (1 - capacity / accepted))
    return Backlog(age, _catch_up(workload, capacity, seconds * max(0.0, accepted - capacity)))


def _outage(workload: Workload, capacity: float) -> Backlog:
    seconds = workload.outage_minutes * 60
    return Backlog(seconds, _catch_up(workload, capacity, seconds * workload.events_per_second))


def _catch_up(workload: Workload, capacity: float, records: float) -> float:
    if records == 0:
        return 0.0
    spare = capacity - workload.events_per_second
    return records / spare if spare > 0 else math.inf


def _cost(workload: Workload, batch: float, shards: tuple[int, int], prices: Prices) -> Cost:
    events = workload.events_per_second * SECONDS_A_MONTH
    invocations = events / batch
    gigabyte_seconds = invocations * workload.batch_seconds(batch) * workload.memory_mb / 1024
    function = invocations * prices.lambda_request + gigabyte_seconds * prices.lambda_gigabyte_second
    sizes = (workload.event_bytes, workload.prediction_bytes)
    units = sum(math.ceil(size / 25_000) for size in sizes)
    kilobytes = sum(math.ceil(size / 1_000) for size in sizes)
    return Cost(
        function=function,
        provisioned_streams=sum(shards) * HOURS_A_MONTH * prices.shard_hour + events * units * prices.put_unit,
        on_demand_streams=len(sizes) * HOURS_A_MONTH * prices.on_demand_hour
        + events * kilobytes / 1e6 * prices.on_demand_gigabyte,
    )
