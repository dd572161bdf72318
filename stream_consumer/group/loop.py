"""
The loop of a member: steps until a request to stop, or until all records of the start are settled.

The rule: however the loop ends, settled records are committed, and the member leaves its group.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
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


class Stop(Protocol):
    """A request to stop."""

    @property
    def asked(self) -> bool: ...


class Drain:
    """The end of a group's work: the end of each partition at the start."""

    def __init__(
        self,
        ends: Mapping[PartitionKey, int],
        committed: Callable[[list[PartitionKey]], Mapping[PartitionKey, int]],
        fetched_end: Callable[[PartitionKey], int],
        clock: Callable[[], float] = time.monotonic,
        every_seconds: float = 1.0,
    ) -> None:
        """
        Make the end.

        Args:
            ends: The end of each partition, without empty partitions.
            committed: Requests the group's committed offsets from the cluster.
            fetched_end: Returns the end of a partition by its last fetch.
            clock: The time in seconds.
            every_seconds: Seconds between two requests.
        """
        self._ends = dict(ends)
        self._looked: set[PartitionKey] = set()
        self._committed = committed
        self._fetched_end = fetched_end
        self._clock = clock
        self._every_seconds = every_seconds
        self._ask_at = clock()

    def is_over(self, member: Member) -> bool:
        """Whether the group has settled everything, by *member* or by other members."""
        if not member.is_idle:
            return False
        others = []
        for key, end in self._ends.items():
            partition = member.partitions.get(key)
            if partition is None:
                others.append(key)
            elif not partition.is_settled_to(end) or not partition.is_settled_to(self._looked_at(key)):
                return False
        if not others:
            return True
        if self._clock() < self._ask_at:
            return False
        self._ask_at = self._clock() + self._every_seconds
        try:
            committed = self._committed(others)
        except TopicUnusable:  # a group does not answer while it forms; the next request decides
            return False
        return all(committed.get(key, -1) >= self._ends[key] for key in others)

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


def consume(asked: Subscription, member: Member, stop: Stop, on_error: Callable[[KafkaError], None]) -> None:
    """
    Join the group and take steps until *stop* is asked, or until everything is drained.

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
        drain = Drain(ends_of(asking, keys), *known) if asked.drain else None
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
