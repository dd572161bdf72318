"""
The loop of a member: steps, until it is asked to stop or everything is settled that was there at the start.

The rule: whatever ends the loop, what is settled is committed, and the member leaves its group.
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
    """The end of a group's work: where each partition ended when it was looked at."""

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
            ends: Where each partition ends, without those that are empty.
            committed: Asks the cluster what the group has committed.
            fetched_end: Says where a partition ends by what was fetched of it.
            clock: The time in seconds.
            every_seconds: How often the cluster is asked.
        """
        self._ends = dict(ends)
        self._looked: set[PartitionKey] = set()
        self._committed = committed
        self._fetched_end = fetched_end
        self._clock = clock
        self._every_seconds = every_seconds
        self._ask_at = clock()

    def is_over(self, member: Member) -> bool:
        """Whether the group has settled everything, by *member* or by another one."""
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
        except TopicUnusable:  # for now: a group that is being formed does not answer
            return False
        return all(committed.get(key, -1) >= self._ends[key] for key in others)

    def _looked_at(self, key: PartitionKey) -> int:
        """
        Return the end of *key*, looked at once more, since a broker may have told the beginning of the last request.

        Source: seen with Tansu 0.6.0, whose ListOffsets does.
        """
        if key not in self._looked:
            self._looked.add(key)
            self._ends[key] = max(self._ends[key], self._fetched_end(key))
        return self._ends[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a member reads."""

    connection: Connection
    group: str
    topics: Sequence[str]
    start: StartOfGroup = FROM_THE_OLDEST
    drain: bool = False
    """Whether to end when everything is settled that is there at the start."""
    session_seconds: float = 45.0
    """How long after its death the group waits for a member."""
    poll_seconds: float = 300.0
    """How long a member may not poll; no session may be longer."""


def consume(asked: Subscription, member: Member, stop: Stop, on_error: Callable[[KafkaError], None]) -> None:
    """
    Join the group and take steps until *stop* is asked, or everything is drained.

    Raises:
        TopicUnusable: The cluster cannot be asked, or does not let this client read.
    """
    # What is there by now stays, as in the function.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
    # A client of its own asks, since a group's answers wait until a member that joins has joined.
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
        client.close()  # which has the member commit, as of everything that is taken away
        asking.close()


def _session(asked: Subscription) -> dict[str, int]:
    session = int(asked.session_seconds * 1000)
    return {
        "session.timeout.ms": session,
        # Several in a session, and no further apart than by default.
        "heartbeat.interval.ms": min(3_000, session // 10),
        "max.poll.interval.ms": max(int(asked.poll_seconds * 1000), session),
    }
