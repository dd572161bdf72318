"""
What a batch's invocation means and what is delivered next: the rules of the mapping, without I/O, threads or a clock.

One rule holds the rest together: every record of a batch ends exactly once, settled or discarded, in order.
docs/event-source-mapping.md states each rule as a sentence with its source, and tests/local/test_delivery_rules.py
tests it.

Sources: AWS Lambda developer guide, "Configuring partial batch response with Kinesis Data Streams and Lambda" and
"Retain discarded batch records for a Kinesis Data Streams event source in Lambda".
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
    """Why records were given up, in the words of the on-failure document."""

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are handed to the function together, with what happened to them so far."""

    records: "tuple[StreamRecord, ...]"
    retries: int = 0
    """Retry attempts used up; splits, throttles and whatever moved the checkpoint are free."""
    last: "Invocation | None" = None
    """The last invocation since the checkpoint moved that reached the function, with these records or among others."""
    invocations: int = 0
    """How many did."""
    closing: "Closing | None" = None
    """The batch has no records: it takes the state of its tumbling window away."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """Records given up: they go to the on-failure destination, and only then is the shard past them."""

    batch: Batch
    condition: Condition


Work = Batch | Discarded


@dataclass(frozen=True, slots=True)
class Next:
    """What follows an invocation: first records settled, then work in order, all of it before anything newer."""

    settled: int
    work: tuple[Work, ...] = ()
    wait: bool = False
    """A retry comes next, so the mapping backs off first; splits go on at once."""


def after(batch: Batch, invocation: "Invocation", config: "MappingConfig") -> Next:
    """What follows from *invocation*, the outcome of handing *batch* to the function."""
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
        # Recorded: the invocation that moves the checkpoint is not charged. The recordings do not tell whether the
        # count begins anew with it. A count that does gives up the least.
        rest = Batch(batch.records[failed:])
        return Next(settled=failed, work=(rest,), wait=not config.bisect_batch_on_function_error)
    return _retry(tried, config)


def expire(batch: Batch, now: float, config: "MappingConfig") -> "tuple[Work, ...]":
    """*batch* itself, or, if its first records exceed the maximum age, those discarded and then the rest of it."""
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
    Where the records begin that a partial batch response asks for again.

    Returns:
        ``None`` for complete success, 0 for complete failure, else the position of the lowest sequence number reported.
        *sequence_numbers* ascend, so the lowest number is the first position, whatever the length of its digits.
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
    """The reported sequence number; an empty string, which no record has, for everything that is none."""
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
