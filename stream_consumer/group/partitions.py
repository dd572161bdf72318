"""
How far each partition of a member is.

The rule: a partition whose record could not be settled goes back to that record. Until it is there, nothing that comes
from it is looked at, and the other partitions go on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class PartitionKey(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(slots=True, eq=False)
class Partition:
    """
    A partition for as long as the member owns it.

    One that comes back after it was given away is another object, so an older batch cannot settle anything of it.
    """

    key: PartitionKey
    settled: int | None = None
    """The offset behind the last settled record; None while the member has settled nothing."""
    asked: int | None = None
    """The offset of the last commit that was asked for."""
    committed: int | None = None
    """The offset of the last commit that the broker has acknowledged."""
    reached: int | None = None
    """The end of the partition, if everything before it has been delivered."""
    failures: int = 0
    """How often in a row the same record could not be settled."""
    back_to: int | None = None
    """The offset of the record to go back to; None while there is none."""
    back_at: float = 0.0
    """When to go back to it."""

    def settle(self, offset: int) -> None:
        """Everything before *offset* is settled."""
        self.settled, self.failures = offset, 0

    def fail(self, first: int, unsettled: int) -> None:
        """Of what was delivered from the offset *first* on, everything before the offset *unsettled* is settled."""
        if unsettled > first:
            self.settle(unsettled)
        self.failures += 1
        self.back_to = unsettled
        self.reached = None

    def is_settled_to(self, end: int) -> bool:
        """Whether every record before the offset *end* is settled; markers of transactions are no records."""
        if self.back_to is not None:
            return False
        return max(self.settled or 0, self.reached or 0) >= end


class Partitions:
    """The partitions that a member owns."""

    def __init__(self) -> None:
        self._owned: dict[PartitionKey, Partition] = {}

    def __len__(self) -> int:
        return len(self._owned)

    def __iter__(self) -> Iterator[Partition]:
        return iter(list(self._owned.values()))

    def get(self, key: PartitionKey) -> Partition | None:
        return self._owned.get(key)

    def owns(self, partition: Partition) -> bool:
        """Whether *partition* is owned still, and was not given away meanwhile."""
        return self._owned.get(partition.key) is partition

    def take(self, keys: Iterable[PartitionKey]) -> None:
        self._owned |= {key: Partition(key) for key in keys}

    def give_up(self, keys: Iterable[PartitionKey]) -> None:
        for key in keys:
            self._owned.pop(key, None)

    def to_commit(self) -> list[Partition]:
        return [one for one in self if one.settled is not None and one.settled != one.asked]

    def to_send_back(self, now: float) -> list[Partition]:
        return [one for one in self if one.back_to is not None and one.back_at <= now]

    def returning(self) -> list[Partition]:
        """Return the partitions that wait to go back to a record."""
        return [one for one in self if one.back_to is not None]
