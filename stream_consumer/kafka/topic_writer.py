"""
Writing entries to a Kafka topic with an idempotent producer.

The rule: ``write`` returns the entries that were *not* written, by position. librdkafka retries until the caller's
deadline, keeps the order of a partition and writes nothing twice. Entries without an acknowledgement at the deadline
are purged. After this, as after any other failure, the producer is given up, and the next write makes a new producer.

A broker that refuses an entry as invalid refuses the entry's whole request. Refused entries are sent again one by one,
to find the entries at fault. The order among the entries of such a request is not promised. Before the topic has taken
its first entry, a fault of many entries is the deployment's fault, not theirs.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException

from stream_consumer.errors import TopicUnusable
from stream_consumer.kafka.connection import Connection
from stream_consumer.kafka.producer import (
    LONGEST_SECONDS,
    OUTPUT,
    Connect,
    Delivered,
    TopicProducer,
    TopicSession,
    TopicUse,
    connect,
)
from stream_consumer.sinks import NOT_SENT, Entry, TopicEntry, Unwritten, Written

EVENT_ID_HEADER = "event_id"
"""Header with the event id of a prediction. Readers can drop repetitions without parsing values."""

OUT_OF_TIME = "the deadline came before an answer"

_PURGING_SECONDS = 0.1
_MANY = 100
"""So many refused entries before the first accepted entry mean that the deployment is at fault."""
_FULL_QUEUE_SECONDS = 0.05

_INVALID = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.RECORD_LIST_TOO_LARGE})
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._MSG_TIMED_OUT})  # noqa: SLF001 (their names)


class _Failure(NamedTuple):
    """The reason why an entry was not written."""

    reason: str
    invalid: bool = False
    """Whether the topic refuses the content of the request."""
    at_fault: bool = False
    """Whether this entry itself is at fault."""


class PredictionTopic:
    """The output topic."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        use: TopicUse = OUTPUT,
        connect: Connect = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = TopicSession(connection, name, connect, clock, use=use)
        self._clock = clock
        self._accepted = False
        """Whether the topic has ever accepted an entry."""

    def check(self, seconds: float = 5.0) -> None:
        """
        Request the topic from the cluster, for up to *seconds*.

        Raises:
            TopicUnusable: No broker can be reached, or the client or the topic is refused.
        """
        self._session.check(seconds)

    def close(self) -> None:
        """Close the connections. The next write opens them again."""
        self._session.close()

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Write *items* to the topic until *deadline* (of the clock).

        Sending stops at an entry that is too large for the producer, and at the first known failure.
        """
        # At most half of the time, since an entry at fault must still become a dead letter.
        began = self._clock()
        isolating_until = began + (deadline - began) / 2
        failures, tried = self._send(items, range(len(items)), deadline)
        resent = 0
        if all(failure.invalid for failure in failures.values()):
            resent = self._isolate(items, failures, isolating_until)
        if not self._accepted and sum(why.at_fault for why in failures.values()) >= _MANY:
            failures = {at: why._replace(at_fault=False) for at, why in failures.items()}
        unwritten = [Unwritten(at, why.reason, refused=why.at_fault) for at, why in sorted(failures.items())]
        return Written([*unwritten, *(Unwritten(at, NOT_SENT) for at in range(tried, len(items)))], resent)

    def _isolate(self, items: Sequence[Entry], failures: dict[int, _Failure], deadline: float) -> int:
        """
        Send entries that were refused as invalid again, one by one, until another kind of failure.

        Removes written entries from *failures*, and marks the entries at fault there.

        Returns:
            The number of entries that were sent again.
        """
        resent = 0
        for at in sorted(failures):
            if failures[at].at_fault:
                continue
            if self._clock() >= deadline:
                break
            alone, _ = self._send(items, [at], deadline)
            resent += 1
            failures.pop(at)
            failures.update({at: why._replace(at_fault=why.invalid) for at, why in alone.items()})
            if not all(why.invalid for why in alone.values()):
                break
        return resent

    def _send(
        self, items: Sequence[Entry], positions: Sequence[int], deadline: float
    ) -> tuple[dict[int, _Failure], int]:
        """
        Send the entries at *positions*, and stop at an entry that the producer refuses.

        Returns:
            The failures by position, and how many of *positions* were tried.
        """
        if self._clock() >= deadline:
            return {at: _Failure(OUT_OF_TIME) for at in positions}, len(positions)
        try:
            producer = self._session.client()
        except TopicUnusable as error:  # temporary, since init had a client
            return {at: _Failure(str(error)) for at in positions}, len(positions)
        acknowledged: set[int] = set()
        failures: dict[int, _Failure] = {}
        delivered = partial(self._delivered, acknowledged, failures)
        tried = 0
        while tried < len(positions) and not failures:
            at = positions[tried]
            try:
                failure = self._produce(producer, items[at], partial(delivered, at))
            except BufferError:  # the queue is full: wait until part of it is written
                if self._clock() >= deadline:
                    break
                self._session.serve(partial(producer.poll, min(_FULL_QUEUE_SECONDS, self._left(deadline))))
                continue
            tried += 1
            if failure:
                failures[at] = failure
        self._session.serve(partial(producer.flush, self._left(deadline)))
        if len(acknowledged) + len(failures) < tried:
            self._session.serve(producer.purge)
            self._session.serve(partial(producer.flush, _PURGING_SECONDS))
        self._account_for(positions[:tried], acknowledged, failures, deadline)
        self._accepted = self._accepted or bool(acknowledged)
        return failures, tried

    def _account_for(
        self, positions: Sequence[int], acknowledged: set[int], failures: dict[int, _Failure], deadline: float
    ) -> None:
        """Add unacknowledged *positions* to *failures*. Close the producer after a failure."""
        # An entry without a report counts as unacknowledged. A failing producer loses reports.
        unknown = [at for at in positions if at not in acknowledged and at not in failures]
        failures.update({at: _Failure(self._unanswered(deadline)) for at in unknown})
        if not all(failure.invalid for failure in failures.values()):
            self._session.close()  # also drops the cached state of the topic

    def _produce(self, producer: TopicProducer, entry: Entry, delivered: Delivered) -> _Failure | None:
        """
        Hand *entry* to the producer. Return the failure if the producer refuses it.

        Raises:
            BufferError: The producer's queue is full.
        """
        headers: list[tuple[str, bytes | None]] = []
        if entry.event_id is not None:
            headers.append((EVENT_ID_HEADER, entry.event_id.encode()))
        key: bytes | None = entry.partition_key.encode()
        value: bytes | None = entry.data
        if isinstance(entry, TopicEntry):
            headers += entry.headers
            key, value = entry.key, None if entry.is_tombstone else value
        try:
            producer.produce(self._session.topic, key=key, value=value, headers=headers, on_delivery=delivered)
        except KafkaException as error:
            return self._failure(error.args[0])._replace(at_fault=error.args[0].code() in _INVALID)
        return None

    def _delivered(
        self,
        acknowledged: set[int],
        failures: dict[int, _Failure],
        at: int,
        error: KafkaError | None,
        _message: object,
    ) -> None:
        """Handle the report of the entry at the position *at*."""
        if error is None:
            acknowledged.add(at)
        elif error.code() not in _PURGED:
            failures[at] = self._failure(error)

    def _failure(self, error: KafkaError) -> _Failure:
        # Without the broker's message, which may quote a record.
        return _Failure(f"the topic was answered with {error.name()}", error.code() in _INVALID)

    def _unanswered(self, deadline: float) -> str:
        reason = OUT_OF_TIME if self._clock() >= deadline else "the producer failed before an answer"
        return f"{reason}; the last error is {self._session.trouble.name()}" if self._session.trouble else reason

    def _left(self, deadline: float) -> float:
        return min(max(0.0, deadline - self._clock()), LONGEST_SECONDS)
