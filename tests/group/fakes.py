"""
A consumer group's coordinator and its clients, in simulated time.

The rule: the fake behaves as librdkafka does with the cooperative protocol. What is taken away is given to another
member only after the old one has been told, in a poll of its own. A member that is lost is told later than the new one.
A paused partition stays paused when it is taken away and comes back.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream_consumer.contract.record import KafkaOrigin
from stream_consumer.group.member import Member
from stream_consumer.group.partitions import PartitionKey
from tests.fakes import FakeTime


class CommitFault(Enum):
    """What becomes of a commit that the client asks for."""

    REFUSED = auto()
    """The group does not take it, and says so."""
    UNANSWERED = auto()
    """The group takes it, and the answer is lost."""


@dataclass(frozen=True, slots=True)
class FakeMessage:
    """A message of a topic, or the client's notice *failure*."""

    origin: KafkaOrigin
    data: bytes | None = None
    failure: KafkaError | None = None

    def error(self) -> KafkaError | None:
        return self.failure

    def topic(self) -> str:
        return self.origin.topic

    def partition(self) -> int:
        return self.origin.partition

    def offset(self) -> int:
        return self.origin.offset

    def key(self) -> bytes | None:
        return self.origin.key

    def value(self) -> bytes | None:
        return self.data

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return [(one.name, one.value) for one in self.origin.headers] or None

    def timestamp(self) -> tuple[int, int]:
        return (0, -1) if self.origin.timestamp is None else (1, self.origin.timestamp)


@dataclass(slots=True)
class FakeGroup:
    """The topic, and which client has which of its partitions."""

    time: FakeTime
    log: dict[PartitionKey, list[FakeMessage]]
    commit_faults: Iterable[CommitFault | None] = ()
    on_commit: Callable[[PartitionKey, int], None] = lambda _key, _offset: None
    """Told of each offset that the group takes."""
    committed: dict[PartitionKey, int] = field(default_factory=dict)
    clients: list["FakeClient"] = field(default_factory=list)
    owners: dict[PartitionKey, "FakeClient"] = field(default_factory=dict)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.commit_faults = iter(self.commit_faults)

    def join(self, client: "FakeClient") -> None:
        self.clients.append(client)
        self.rebalance()

    def rebalance(self) -> None:
        """Share the partitions out anew: each time another member gets the first one."""
        self._turn += 1
        for number, key in enumerate(sorted(self.log)):
            target = self.clients[(number + self._turn) % len(self.clients)] if self.clients else None
            owner = self.owners.get(key)
            if owner is target:
                continue
            if owner in self.clients and owner is not None:
                owner.told.append(("revoked", key))
            elif target:
                self.give(key, target)

    def give(self, key: PartitionKey, client: "FakeClient") -> None:
        self.owners[key] = client
        client.told.append(("assigned", key))

    def release(self, key: PartitionKey, client: "FakeClient") -> None:
        """Take *key* from *client*, and give it to whoever has fewest."""
        if self.owners.get(key) is client:
            del self.owners[key]
            others = [one for one in self.clients if one is not client] or self.clients
            if others:  # and otherwise nobody is left
                self.give(key, min(others, key=lambda one: sum(owner is one for owner in self.owners.values())))

    def lose(self, client: "FakeClient") -> None:
        """Give away what *client* has: it has been silent, and does not know yet."""
        mine = [key for key, owner in self.owners.items() if owner is client]
        client.told.extend(("lost", key) for key in mine)
        for key in mine:
            self.release(key, client)

    def remove(self, client: "FakeClient") -> None:
        if client in self.clients:
            self.clients.remove(client)
        for key in [key for key, owner in self.owners.items() if owner is client]:
            del self.owners[key]
        self.rebalance()

    def commit(self, client: "FakeClient", offsets: Sequence[TopicPartition]) -> KafkaError | None:
        fault = next(iter(self.commit_faults), None)
        keys = [PartitionKey(one.topic, one.partition) for one in offsets]
        if any(self.owners.get(key) is not client for key in keys):
            return KafkaError(KafkaError.ILLEGAL_GENERATION)
        if fault is CommitFault.REFUSED:
            return KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
        for key, one in zip(keys, offsets, strict=True):
            self.on_commit(key, one.offset)
            self.committed[key] = one.offset
        return KafkaError(KafkaError.REQUEST_TIMED_OUT) if fault else None


class FakeClient:
    """The client of one member."""

    def __init__(self, group: FakeGroup, member: Member) -> None:
        self.told: deque[tuple[str, PartitionKey]] = deque()
        """What its next polls tell the member."""
        self.commits = 0
        self._group = group
        self._member = member
        self._positions: dict[PartitionKey, int] = {}
        self._ended: set[PartitionKey] = set()
        self._paused: set[PartitionKey] = set()
        self._answers: deque[tuple[KafkaError | None, list[TopicPartition]]] = deque()

    def consume(self, num_messages: int, timeout: float) -> list[FakeMessage]:
        self._serve()
        found: list[FakeMessage] = []
        for key in sorted(self._positions):
            if key in self._paused:
                continue
            log, at = self._group.log[key], self._positions[key]
            taken = log[at : at + num_messages - len(found)]
            self._positions[key] += len(taken)
            found += taken
            if len(found) < num_messages and self._positions[key] == len(log) and key not in self._ended:
                self._ended.add(key)
                end = KafkaError(KafkaError._PARTITION_EOF)  # noqa: SLF001 (its name)
                found.append(FakeMessage(KafkaOrigin(key.topic, key.number, len(log)), failure=end))
        if not found:
            self._group.time.now += timeout
        return found

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.commits += 1
        error = self._group.commit(self, offsets)
        if asynchronous:
            self._answers.append((error, offsets))
        elif error:
            raise KafkaException(error)

    def seek(self, partition: TopicPartition) -> None:
        key = PartitionKey(partition.topic, partition.partition)
        if key not in self._positions:
            raise KafkaException(KafkaError(KafkaError._STATE))  # noqa: SLF001 (its name)
        self._positions[key] = partition.offset
        self._ended.discard(key)

    def pause(self, partitions: list[TopicPartition]) -> None:
        self._paused |= {PartitionKey(one.topic, one.partition) for one in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._paused -= {PartitionKey(one.topic, one.partition) for one in partitions}

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached, "asking the cluster takes time"
        return 0, len(self._group.log[PartitionKey(partition.topic, partition.partition)])

    def close(self) -> None:
        """Leave: whatever the client has is taken away first."""
        self._serve()
        for key in sorted(self._positions):
            self._tell("revoked", key)
        self._group.remove(self)

    def _serve(self) -> None:
        while self._answers:
            error, offsets = self._answers.popleft()
            self._member.on_commit(error, offsets)
        while self.told:
            self._tell(*self.told.popleft())

    def _tell(self, change: str, key: PartitionKey) -> None:
        where: Any = [TopicPartition(*key)]
        if change == "assigned":
            self._positions[key] = self._group.committed.get(key, 0)
            self._ended.discard(key)
            self._member.on_assign(self, where)
        elif key in self._positions:
            (self._member.on_revoke if change == "revoked" else self._member.on_lost)(self, where)
            self._positions.pop(key, None)
            # A member that was lost in its callback has nothing more to give: what it is told next is newer.
            if change == "revoked" and ("lost", key) not in self.told:
                self._group.release(key, self)
