"""
Cost and capacity: from a workload to shards, factor, concurrency, iterator age and dollars a month.

docs/capacity.md explains the formulae, and its worked example is a test. The formulae describe averages. Hot shards,
cold starts and failing batches are not in them.
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
# has some 400 bytes of metadata. The factor and the poll: "Polling and batching streams".
EVENT_BYTES = 6_000_000
RECORD_METADATA_BYTES = 400
MAX_FACTOR = 10
POLL_SECONDS = 1.0

CATCH_UP = 2.0
"""Wanted capacity as a multiple of the average rate. At 2, catching up takes as long as the outage lasted."""

LARGEST = 10**9
"""Upper bound of every field of a workload."""

HOURS_A_MONTH = 730
SECONDS_A_MONTH = HOURS_A_MONTH * 3600


class Prices(NamedTuple):
    """Dollars in us-east-1, November 2026. Source: AWS's price pages."""

    shard_hour: float = 0.015
    put_unit: float = 0.014 / 1e6
    """Per put unit of a provisioned stream. Each started 25 KB of a record is one unit."""
    on_demand_gigabyte: float = 0.08
    """Per GB put on an on-demand stream. Each record is rounded up to whole KB."""
    lambda_request: float = 0.20 / 1e6
    lambda_gigabyte_second: float = 0.0000133334
    """arm64."""
    on_demand_hour: float = 0.04
    """Per hour of an on-demand stream, even if idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    The incoming events and the time to score them. Take the two times from the benchmark or the dashboard.

    Raises:
        UsageError: At least one value is impossible. The message names all of them.
    """

    events_per_second: float
    """Average over the month."""
    peak_events_per_second: float | None = None
    """Rate in a burst. None means the average."""
    event_bytes: int = 120
    """Size of a record's data and partition key."""
    prediction_bytes: int = 250
    invocation_ms: float = 30.0
    """Time of an invocation with an empty batch: the runtime, a call of the model, a round trip to Kinesis."""
    record_us: float = 30.0
    """Additional time for each record of a batch."""
    batch_size: int = 1000
    window_seconds: float = 1.0
    memory_mb: int = 1769
    burst_minutes: float = 10.0
    outage_minutes: float = 60.0
    maximum_record_age_seconds: float = 86_400.0
    shards: int | None = None
    """Shards of the input stream. None means as many as needed."""
    parallelization_factor: int | None = None
    """Parallelization factor. None means as high as needed."""

    def __post_init__(self) -> None:
        positive = ("events_per_second", "event_bytes", "prediction_bytes", "invocation_ms", "batch_size", "memory_mb")
        faults = [
            f"{name} is {getattr(self, name)}, wanted more than 0" for name in positive if getattr(self, name) <= 0
        ]
        at_least_zero = ("record_us", "window_seconds", "burst_minutes", "outage_minutes")
        faults += [
            f"{name} is {getattr(self, name)}, wanted 0 or more" for name in at_least_zero if getattr(self, name) < 0
        ]
        # This comparison is false for nan, too.
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
        """Duration of an invocation with *records*, in seconds."""
        return self.invocation_ms / 1e3 + records * self.record_us / 1e6


@dataclass(frozen=True, slots=True)
class Backlog:
    """The delay after a disturbance and the time to catch up, in seconds."""

    iterator_age: float
    catch_up: float
    """Time to catch up. ``inf`` if the consumer never does."""


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
    """What the workload needs, and the performance that it gets."""

    input_shards: int
    output_shards: int
    parallelization_factor: int
    concurrency: int
    """Environments at work while the consumer catches up. Reserve this many."""
    records_per_batch: float
    """Average, while the consumer keeps up."""
    batch_ms: float
    capacity: float
    """Highest rate of consumption, in events/s."""
    iterator_age: float
    """Seconds, while the consumer keeps up."""
    burst: Backlog
    outage: Backlog
    given_up: bool
    """Whether the outage lasts until its first records are too old for the mapping."""
    cost: Cost


def estimate(workload: Workload, prices: Prices | None = None) -> Estimate:
    """Return the needs of *workload*, with its own shards and factor if it names them."""
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
    """Return the fewest shards that take the peak and catch up in time, and the least factor for them."""
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
    Return the average batch of a lane: the records that arrive in the batching window or during the batch before.

    A lane gets r records a second, and a batch of n records takes a + n·b. So n = r·(a + n·b) records arrive during
    the batch before, which gives n = r·a / (1 - r·b).
    """
    rate = workload.events_per_second / lanes
    spare = 1 - rate * workload.record_us / 1e6
    while_working = rate * workload.batch_seconds(0) / spare if spare > 0 else math.inf
    return min(workload.largest_batch, max(1.0, rate * _gathering(workload), while_working))


def _burst(workload: Workload, shards: int, capacity: float) -> Backlog:
    # If a burst exceeds the shards' write limit, the producers wait, and the consumer's backlog does not grow.
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
