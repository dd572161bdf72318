"""
The loop of a member: steps until a request to stop, or until all records of the start are settled.

The rule: however the loop ends, settled records are committed, and the member leaves its group.
"""

import contextlib
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from confluent_kafka import KafkaError

from stream_consumer.consumer import ALLOCATIONS_BETWEEN_COLLECTIONS
from stream_consumer.errors import TopicUnusable
from stream_consumer.group.client import (
    FROM_THE_OLDEST,
    StartOfGroup,
    begin,
    committed_of,
    connect,
    ends_of,
    fetched_end,
    partitions_of,
)
from stream_consumer.group.member import Member
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.kafka.connection import Connection

_START_SECONDS = 3.0
"""How long the start waits for the offsets that it tells of."""


class Stop(Protocol):
    """A request to stop."""

    @property
    def asked(self) -> bool: ...


class Drain:
    """The end of a group's work: the end of each partition at the start."""

    def __init__(  # noqa: PLR0913 (what it asks, each named at the one place that composes them)
        self,
        ends: Mapping[PartitionKey, int],
        committed: Callable[[list[PartitionKey]], Mapping[PartitionKey, int]],
        fetched_end: Callable[[PartitionKey], int],
        *,
        there: Callable[[], Iterable[PartitionKey]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        every_seconds: float = 1.0,
    ) -> None:
        """
        Make the end.

        Args:
            ends: The end of each partition, without empty partitions.
            committed: Requests the group's committed offsets from the cluster.
            fetched_end: Returns the end of a partition by its last fetch.
            there: Requests the present partitions of the topics from the cluster. The default is those of *ends*.
            clock: The time in seconds.
            every_seconds: Seconds between two requests.
        """
        self._ends = dict(ends)
        self._looked: set[PartitionKey] = set()
        self._committed = committed
        self._fetched_end = fetched_end
        self._there = there or (lambda: ends)
        self._missing: set[PartitionKey] = set()
        self._clock = clock
        self._every_seconds = every_seconds
        self._ask_at = clock()

    def is_over(self, member: Member) -> bool:
        """
        Whether the group has settled everything, by *member* or by other members.

        Raises:
            TopicUnusable: A topic was deleted, so its records can no longer be settled.
        """
        if not member.is_idle:
            return False
        others = [key for key in self._ends if member.partitions.get(key) is None]
        is_own_settled = self._is_own_settled(member)
        if is_own_settled and not others:
            return True
        if self._clock() < self._ask_at:
            return False
        self._ask_at = self._clock() + self._every_seconds
        if is_own_settled and self._has_committed(others):
            return True
        self._check_topics()
        return False

    def _is_own_settled(self, member: Member) -> bool:
        for key, end in self._ends.items():
            partition = member.partitions.get(key)
            if partition and not (partition.is_settled_to(end) and partition.is_settled_to(self._looked_at(key))):
                return False
        return True

    def _has_committed(self, others: list[PartitionKey]) -> bool:
        try:
            committed = self._committed(others)
        except TopicUnusable:  # a group does not answer while it forms; the next request decides
            return False
        return all(committed.get(key, -1) >= self._ends[key] for key in others)

    def _check_topics(self) -> None:
        """Refuse to wait for partitions that were missing twice, since a broker may learn of a topic late."""
        try:
            missing = self._ends.keys() - set(self._there())
        except TopicUnusable:  # for now: the cluster does not answer
            return
        if gone := sorted({key.topic for key in missing & self._missing}):
            raise TopicUnusable(
                f"{', '.join(gone)}: the topic was deleted before all its records were consumed; create it again or "
                "leave out its --topic"
            )
        self._missing = missing

    def _looked_at(self, key: PartitionKey) -> int:
        """
        Return the end of *key* after a second look, since a broker may give the start of the last produce request.

        Source: seen with ListOffsets of Tansu 0.6.0.
        """
        if key not in self._looked:
            self._looked.add(key)
            self._ends[key] = max(self._ends[key], self._fetched_end(key))
        return self._ends[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The topics and limits of a member."""

    connection: Connection
    group: str
    topics: Sequence[str]
    start: StartOfGroup = FROM_THE_OLDEST
    drain: bool = False
    """Whether to stop once all records of the start are settled."""
    session_seconds: float = 45.0
    """Seconds without a heartbeat after which the group counts a member as dead."""
    poll_seconds: float = 300.0
    """Longest time between two polls. A session may not be longer."""


def consume(
    asked: Subscription,
    member: Member,
    stop: Stop,
    on_error: Callable[[KafkaError], None],
    on_start: Callable[[int, int], object] = lambda _partitions, _committed: None,
) -> None:
    """
    Join the group and take steps until *stop* is asked, or until everything is drained.

    *on_start* is told how many partitions the topics have, and of how many the group has committed an offset before.

    Raises:
        TopicUnusable: The cluster does not answer, or refuses this client.
    """
    # Objects that exist by now stay forever, as in the function.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
    # A separate client asks, since the client of a joining member gets no answers until it has joined.
    asking = connect(asked.connection, asked.group, {"error_cb": on_error}, member.on_reset)
    callbacks = {"error_cb": on_error, "on_commit": member.on_commit}
    client: Any = connect(asked.connection, asked.group, {**callbacks, **_session(asked)}, member.on_reset)
    try:
        keys = partitions_of(asking, asked.topics)
        known = partial(committed_of, asking), partial(fetched_end, client)
        there = partial(partitions_of, asking, asked.topics)
        drain = Drain(ends_of(asking, keys), *known, there=there) if asked.drain else None
        with contextlib.suppress(TopicUnusable):  # a group that is being formed may not answer
            on_start(len(keys), len(committed_of(asking, keys, _START_SECONDS)))
        begin(asking, keys, asked.start)
        client.subscribe(
            list(asked.topics), on_assign=member.on_assign, on_revoke=member.on_revoke, on_lost=member.on_lost
        )
        member.joins(client)
        while not stop.asked and not (drain and drain.is_over(member)):
            member.step()
    finally:
        client.close()  # revokes all partitions, so the member commits
        asking.close()


def _session(asked: Subscription) -> dict[str, int]:
    session = int(asked.session_seconds * 1000)
    return {
        "session.timeout.ms": session,
        # Several heartbeats in a session, and no further apart than by default.
        "heartbeat.interval.ms": min(3_000, session // 10),
        "max.poll.interval.ms": max(int(asked.poll_seconds * 1000), session),
    }
