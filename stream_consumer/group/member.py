"""
A member of a consumer group polls, has the consumer settle batches, and commits behind settled records.

The rule: the member commits only offsets behind settled records, and only of partitions that it owns. A batch has
records of all owned partitions and takes one call of the model. Each partition is settled by itself. A partition with
an unsettled record goes back to that record after a wait, while the other partitions continue.

A batch is at work in another thread. The member's own thread makes every call of the client, and goes on polling while
the model is slow. So the member stays in its group and notices a rebalance during a batch. A revoked partition is
committed once its batch is settled. A lost partition is not, since another member may own it already.

Source: librdkafka, "INTRODUCTION.md", "Consumer groups" and "Incremental rebalance". A pause would discard fetched
messages, so the member does not pause partitions for a batch at work.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream_consumer.consumer import BatchResult
from stream_consumer.contract.record import Record
from stream_consumer.errors import DeploymentAtFault, ModelError, TopicUnusable
from stream_consumer.group.batches import Batch, key_of, make_batch
from stream_consumer.group.partitions import Partition, PartitionKey, Partitions
from stream_consumer.group.work import Start, Work, WorkThread
from stream_consumer.kafka.messages import Message

_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 (its name)
    }
)
"""Errors for which a retry cannot help."""


OUT_OF_RANGE = "offset out of range"
"""The warning to a watcher that records may be lost."""


class Client(Protocol):
    """The part of librdkafka's consumer that a member uses."""

    def consume(self, num_messages: int, timeout: float) -> Sequence[Message]: ...

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> Any: ...

    def seek(self, partition: TopicPartition) -> None: ...

    def pause(self, partitions: list[TopicPartition]) -> None: ...

    def resume(self, partitions: list[TopicPartition]) -> None: ...

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int]: ...


class Decides(Protocol):
    """The part of the consumer that a member uses."""

    def process(self, records: Sequence[Record], deadline: float) -> BatchResult: ...


class Watcher(Protocol):
    """Receives the events of a member."""

    def decided(self, result: BatchResult, seconds: float, /) -> None: ...

    def failed(self, error: Exception, records: Sequence[Record], seconds: float) -> None: ...

    def moved(self, change: str, keys: Sequence[PartitionKey], owned: int) -> None:
        """Partitions were ``assigned``, ``revoked`` or ``lost``. *owned* is the new number of partitions."""

    def behind(self, lags: Mapping[PartitionKey, int]) -> None:
        """Called once a second with the number of unsettled records of each partition."""

    def warned(self, message: str, **fields: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The size of batches and the waits of a member."""

    batch_size: int = 100
    window_seconds: float = 0.0
    """Seconds to gather a batch after its first record."""
    timeout_seconds: float = 60.0
    """Deadline to settle a batch, in seconds."""
    poll_seconds: float = 0.5
    """Seconds that a poll waits for a record. Signals to stop are checked as often."""
    slice_seconds: float = 1.0
    """Seconds between two polls while a batch is at work."""
    longest_seconds: float = 900.0
    """Longest time for a batch. Then the member stops polling, and the group gives its partitions away."""
    backoff_seconds: float = 0.5
    backoff_cap_seconds: float = 30.0
    commit_again_seconds: float = 1.0
    """Seconds between a failed commit and the next try."""

    @property
    def silence_seconds(self) -> float:
        """Longest time without a poll. A rebalance waits for the batch at work."""
        return max(300.0, self.window_seconds + self.timeout_seconds)


class Member:
    """
    One member of a group. Its ``on_…`` methods are the client's callbacks.

    One thread calls ``step``, which does one batch, again and again.
    """

    def __init__(  # noqa: PLR0913 (its parts, each named where they are composed)
        self,
        consumer: Decides,
        brokers: str,
        pace: Pace,
        watcher: Watcher,
        *,
        start: Start | None = None,
        is_asked: Callable[[], bool] = lambda: False,
        is_overdue: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """
        Make a member.

        Args:
            consumer: Settles batches.
            brokers: The cluster.
            pace: The size of batches and the waits.
            watcher: Receives the events of the member.
            start: Starts a batch, by default in a thread.
            is_asked: Returns whether the member shall stop after the messages that are gathered by then.
            is_overdue: Returns whether to give up the batch at work.
            clock: The time in seconds. The same clock as the *consumer*'s.
            uniform: Chooses a wait between two bounds.
        """
        self.partitions = Partitions()
        self.assigned = False
        """Whether the group has ever assigned partitions to this member, even an empty set."""
        self.ticked = clock()
        """Last sign of life of the loop."""
        self._consumer = consumer
        self._brokers = brokers
        self.pace = pace
        self._watcher = watcher
        self._start = start or WorkThread().start
        self._is_asked = is_asked
        self._is_overdue = is_overdue
        self._clock = clock
        self._uniform = uniform
        self._client: Client | None = None
        self._pending: list[Message] = []
        """Messages for the next batch. Callbacks remove some during a poll, so the list is changed in place."""
        self._at_work: _AtWork | None = None
        self._commit_after = 0.0
        self._measure_at = 0.0

    def joins(self, client: Client) -> None:
        self._client = client

    @property
    def is_idle(self) -> bool:
        """Whether no delivered message waits for a batch."""
        return not self._pending and not self.partitions.returning()

    def step(self) -> int:
        """
        Gather a batch, have it settled, and commit. Return its number of records.

        Raises:
            TopicUnusable: The cluster refuses the client.
        """
        self._tick()
        self._send_back()
        batch = make_batch(self._gather(), self.partitions, self._brokers)
        if batch.records:
            self._settle(batch)
        self._commit()
        if self._clock() >= self._measure_at:
            self._measure_at = self._clock() + self.pace.slice_seconds
            self._try("lag", lambda client: self._watcher.behind(self._lags(client)))
        return len(batch.records)

    # The client calls these methods during a poll.

    def on_assign(self, _client: object, assigned: list[TopicPartition]) -> None:
        self.assigned = True
        self.partitions.take(_keys(assigned))
        self._watcher.moved("assigned", _keys(assigned), len(self.partitions))

    def on_revoke(self, _client: object, revoked: list[TopicPartition]) -> None:
        keys = _keys(revoked)
        if self._at_work and any(one.partition.key in keys for one in self._at_work.batch.ranges):
            self._wait_for(self._at_work)
        owned = [one for key in keys if (one := self.partitions.get(key))]
        self._commit_now([one for one in owned if one.settled is not None and one.settled != one.committed])
        self._drop(keys)
        self._watcher.moved("revoked", keys, len(self.partitions))

    def on_lost(self, _client: object, lost: list[TopicPartition]) -> None:
        self._drop(_keys(lost))
        self._watcher.moved("lost", _keys(lost), len(self.partitions))

    def on_commit(self, error: KafkaError | None, committed: list[TopicPartition]) -> None:
        for one in committed:
            partition = self.partitions.get(PartitionKey(one.topic, one.partition))
            if partition is None:
                continue
            failure = error or one.error
            if failure is None:
                partition.committed = one.offset
            elif partition.asked == one.offset:  # otherwise a later commit is in flight
                partition.asked = partition.committed
                self._commit_after = self._clock() + self.pace.commit_again_seconds
                self._watcher.warned("commit failed", error=failure.name(), partition=f"{one.topic}-{one.partition}")

    def on_reset(self, what: str) -> None:
        """Learn that a partition does not have the wanted offset, and is read from its oldest record."""
        self._watcher.warned(OUT_OF_RANGE, what=what)

    def _gather(self) -> list[Message]:
        """Return messages for one batch."""
        size, pace, pending = self.pace.batch_size, self.pace, self._pending
        if not pending:
            pending.extend(self._poll(size, 0.0) or self._poll(1, pace.poll_seconds))
        until = self._clock() + pace.window_seconds
        while pending and len(pending) < size:
            left = until - self._clock()
            pending.extend(self._poll(size - len(pending), max(0.0, min(left, pace.poll_seconds))))
            self._tick()
            if left <= 0 or self._is_asked():
                break
        gathered = pending[:size]
        del pending[:size]
        return gathered

    def _poll(self, most: int, seconds: float) -> list[Message]:
        found: Sequence[Message] = ()

        def consume(client: Client) -> None:
            nonlocal found
            found = client.consume(most, seconds)

        self._try("poll", consume)
        messages = [message for message in found if message.error() is None]
        if len(messages) < len(found):
            for message in found:
                self._heed(message)
        return messages

    def _heed(self, message: Message) -> None:
        """Handle a *message* that is an error or an event of the client."""
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its name)
            partition = self.partitions.get(key_of(message))
            if partition and partition.back_to is None:
                partition.reached = max(partition.reached or 0, message.offset() or 0)
            return
        self._refuse(error)
        self._watcher.warned("poll failed", error=f"{error.name()}: {error.str()}")  # the text names the topic

    def _refuse(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _REFUSED:
            raise TopicUnusable(
                f"the cluster at {self._brokers} refuses this member of the group: {error.name()}: {error.str()}; "
                "allow the client to read from the topic and to join the group"
            )

    def _settle(self, batch: Batch) -> None:
        began = self._clock()
        deadline = began + self.pace.timeout_seconds
        work = self._start(partial(self._consumer.process, batch.records, deadline))
        self._at_work = at_work = _AtWork(batch, work, began, deadline)
        while not work.wait(self.pace.slice_seconds):
            if self._is_overdue():
                self._at_work = None
                return
            if self._clock() - began < self.pace.longest_seconds:
                self._tick()
                self._pending.extend(self._poll(1, 0.0))
        self._apply(at_work)

    def _wait_for(self, at_work: "_AtWork") -> None:
        """Wait until its deadline for a batch with revoked partitions."""
        while not self._is_overdue():
            left = max(0.0, at_work.deadline - self._clock())
            if at_work.work.wait(min(left, self.pace.slice_seconds)):
                self._apply(at_work)
                return
            if not left:
                return

    def _apply(self, at_work: "_AtWork") -> None:
        """Settle the partitions of a finished batch, once."""
        if self._at_work is not at_work:
            return
        self._at_work = None
        batch, seconds = at_work.batch, self._clock() - at_work.began
        try:
            result = at_work.work.result()
        except (ModelError, DeploymentAtFault) as error:
            self._watcher.failed(error, batch.records, seconds)
            for one in batch.ranges:
                self._fail(one.partition, one.first, one.first)
            return
        stops = {
            PartitionKey(origin.topic, origin.partition): origin.offset
            for record in result.first_unsettled
            if (origin := record.kafka)
        }
        for one in batch.ranges:
            if one.partition.key in stops:
                self._fail(one.partition, one.first, stops[one.partition.key])
            elif self.partitions.owns(one.partition):
                one.partition.settle(one.last + 1)
        self._watcher.decided(result, seconds)

    def _fail(self, partition: Partition, first: int, unsettled: int) -> None:
        """Have *partition* go back to the offset *unsettled* after a wait, and pause it until then."""
        if not self.partitions.owns(partition):
            return
        partition.fail(first, unsettled)
        longest = min(self.pace.backoff_cap_seconds, self.pace.backoff_seconds * 2.0 ** min(partition.failures, 16))
        partition.back_at = self._clock() + self._uniform(0, longest)
        self._pending[:] = [message for message in self._pending if key_of(message) != partition.key]
        self._try("pause", lambda client: client.pause([_at(partition)]))

    def _send_back(self) -> None:
        for partition in self.partitions.to_send_back(self._clock()):
            # The seek drops messages that were fetched after the resume.
            there = _at(partition, partition.back_to)
            resumed = self._try("resume", lambda client, there=there: client.resume([there]))  # type: ignore[misc]
            if resumed and self._try("seek", lambda client, there=there: client.seek(there)):  # type: ignore[misc]
                partition.back_to = None
            else:
                partition.back_at = self._clock() + self.pace.backoff_seconds

    def _try(self, what: str, call: Callable[[Client], object]) -> bool:
        try:
            assert self._client, "the member has joined no group"  # noqa: S101 (a mistake of ours)
            call(self._client)
        except KafkaException as error:
            self._refuse(error.args[0])
            self._watcher.warned(f"{what} failed", error=error.args[0].name())
            return False
        return True

    def _commit(self) -> None:
        """Request the commit of settled offsets. The answer comes in a later poll."""
        due = self.partitions.to_commit() if self._clock() >= self._commit_after else []
        if due and self._try("commit", lambda client: client.commit(offsets=_settled(due), asynchronous=True)):
            for one in due:
                one.asked = one.settled

    def _commit_now(self, due: Sequence[Partition]) -> None:
        """Commit settled offsets, and wait for the answer."""
        if due and self._try("commit", lambda client: client.commit(offsets=_settled(due), asynchronous=False)):
            for one in due:
                one.asked = one.committed = one.settled

    def _lags(self, client: Client) -> dict[PartitionKey, int]:
        lags = {}
        for one in self.partitions:
            at = max(one.settled or 0, one.reached or 0)
            _, end = client.get_watermark_offsets(_at(one), cached=True)
            if at and end >= 0:
                lags[one.key] = max(0, end - at)
        return lags

    def _drop(self, keys: Sequence[PartitionKey]) -> None:
        paused = [_at(one) for one in self.partitions.returning() if one.key in keys]
        self.partitions.give_up(keys)
        self._pending[:] = [message for message in self._pending if key_of(message) not in keys]
        if paused:  # librdkafka keeps a pause, so a partition that comes back would never be read again
            self._try("resume", lambda client: client.resume(paused))

    def _tick(self) -> None:
        self.ticked = self._clock()


@dataclass(frozen=True, slots=True)
class _AtWork:
    batch: Batch
    work: Work
    began: float
    deadline: float


def _keys(partitions: Sequence[TopicPartition]) -> list[PartitionKey]:
    return [PartitionKey(one.topic, one.partition) for one in partitions]


def _at(partition: Partition, offset: int | None = None) -> TopicPartition:
    where = (partition.key.topic, partition.key.number)
    return TopicPartition(*where) if offset is None else TopicPartition(*where, offset)


def _settled(partitions: Sequence[Partition]) -> list[TopicPartition]:
    return [_at(one, one.settled) for one in partitions]
