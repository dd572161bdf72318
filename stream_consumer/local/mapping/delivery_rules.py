"""
The delivery rules of the mapping: from the outcome of an invocation to the next deliveries. No I/O, threads or clock.

The rule: every record of a batch is settled or discarded, exactly once and in order.

docs/event-source-mapping.md states each rule as a sentence with its source, and tests/local/test_delivery_rules.py
tests the rules. Sources: AWS Lambda developer guide, "Configuring partial batch response with Kinesis Data Streams and
Lambda" and "Retain discarded batch records for a Kinesis Data Streams event source in Lambda".
"""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_consumer.local.mapping.config import MappingConfig
    from stream_consumer.local.mapping.lambda_records import StreamRecord
    from stream_consumer.local.mapping.tumbling_windows import Closing
    from stream_consumer.local.runtime.functions import Invocation

UNLIMITED = -1


class Condition(StrEnum):
    """Why records were discarded, in the words of the on-failure document."""

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to hand to the function together, with their history."""

    records: "tuple[StreamRecord, ...]"
    retries: int = 0
    """Number of retry attempts used. Splits, throttles and invocations that move the checkpoint do not count."""
    last: "Invocation | None" = None
    """
    The last invocation with these records to reach the function since the checkpoint moved.

    More records may have been in it.
    """
    invocations: int = 0
    """Number of invocations that reached the function since the checkpoint moved."""
    closing: "Closing | None" = None
    """Set if the batch has no records and ends or terminates a tumbling window."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """Discarded records. The shard moves past them only after the on-failure destination has them."""

    batch: Batch
    condition: Condition


Work = Batch | Discarded


@dataclass(frozen=True, slots=True)
class Next:
    """The consequence of an invocation: records settled first, then work in order, all before any newer record."""

    settled: int
    work: tuple[Work, ...] = ()
    wait: bool = False
    """Whether the mapping backs off first, because a retry comes next. Splits go on at once."""


def after(batch: Batch, invocation: "Invocation", config: "MappingConfig") -> Next:
    """Return the consequence of *invocation*, the outcome of handing *batch* to the function."""
    if invocation.throttled:
        return Next(settled=0, work=(batch,), wait=True)
    tried = replace(batch, last=invocation, invocations=batch.invocations + 1)
    if invocation.error is not None:
        halves = _halves(tried) if config.bisect_batch_on_function_error else ()
        return Next(settled=0, work=halves) if halves else _retry(tried, config)
    if not config.report_batch_item_failures:
        return Next(settled=len(batch.records))
    failed = first_failed(invocation.payload, [record.sequence_number for record in batch.records])
    if failed is None:
        return Next(settled=len(batch.records))
    if failed:
        # Recorded against AWS: the invocation that moves the checkpoint is not charged. The recordings do not show
        # whether the count then restarts. With a restart, the fewest records are discarded.
        rest = Batch(batch.records[failed:])
        return Next(settled=failed, work=(rest,), wait=not config.bisect_batch_on_function_error)
    return _retry(tried, config)


def expire(batch: Batch, now: float, config: "MappingConfig") -> "tuple[Work, ...]":
    """Return the work for *batch*: the leading records above the maximum age as discarded, then the rest."""
    limit = config.maximum_record_age_in_seconds
    if limit == UNLIMITED:
        return (batch,)
    young = (place for place, record in enumerate(batch.records) if now - record.arrived <= limit)
    expired = next(young, len(batch.records))
    if not expired:
        return (batch,)
    old = Discarded(replace(batch, records=batch.records[:expired]), Condition.RECORD_AGE_EXCEEDED)
    rest = replace(batch, records=batch.records[expired:])
    return (old, rest) if rest.records else (old,)


def first_failed(payload: bytes, sequence_numbers: "Sequence[str]") -> int | None:
    """
    Return the position from which a partial batch response asks for records again.

    Returns:
        ``None`` for complete success, 0 for complete failure, else the position of the lowest reported sequence number.
        *sequence_numbers* ascend, so the lowest number is the first position, whatever its number of digits.
    """
    try:
        response = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return 0
    failures = response.get("batchItemFailures") if isinstance(response, dict) else None
    if not isinstance(failures, list) or not failures:
        return None
    places = {number: place for place, number in enumerate(sequence_numbers)}
    reported = [places.get(_identifier(failure)) for failure in failures]
    known = [place for place in reported if place is not None]
    return min(known) if len(known) == len(reported) else 0


def _identifier(failure: object) -> str:
    """Return the reported sequence number. An invalid item gives an empty string, and no record has such a number."""
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return identifier if isinstance(identifier, str) else ""


def _halves(batch: Batch) -> tuple[Batch, ...]:
    middle = len(batch.records) // 2
    if not middle:
        return ()
    return replace(batch, records=batch.records[:middle]), replace(batch, records=batch.records[middle:])


def _retry(tried: Batch, config: "MappingConfig") -> Next:
    if config.maximum_retry_attempts != UNLIMITED and tried.retries >= config.maximum_retry_attempts:
        return Next(0, (Discarded(tried, Condition.RETRY_ATTEMPTS_EXHAUSTED),))
    return Next(0, (replace(tried, retries=tried.retries + 1),), wait=True)
