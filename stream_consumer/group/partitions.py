"""
The position of each partition of a member.

The rule: a partition with an unsettled record goes back to that record. Until then its messages are ignored, and the
other partitions continue.
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
    A partition while the member owns it.

    A partition that was given away and comes back is a new object, so an older batch cannot settle its records.
    """

    key: PartitionKey
    settled: int | None = None
    """The offset behind the last settled record. None until the member settles a record."""
    asked: int | None = None
    """The offset of the last requested commit."""
    committed: int | None = None
    """The offset of the last acknowledged commit."""
    reached: int | None = None
    """The end of the partition, if everything before was delivered."""
    failures: int = 0
    """Failures in a row for the same record."""
    back_to: int | None = None
    """The offset of the record to go back to, or None."""
    back_at: float = 0.0
    """The time to go back."""

    def settle(self, offset: int) -> None:
        """Record that everything before *offset* is settled."""
        self.settled, self.failures = offset, 0

    def fail(self, first: int, unsettled: int) -> None:
        """Record a failure: of the batch from the offset *first*, only records before *unsettled* are settled."""
        if unsettled > first:
            self.settle(unsettled)
        self.failures += 1
        self.back_to = unsettled
        self.reached = None

    def is_settled_to(self, end: int) -> bool:
        """Whether every record before the offset *end* is settled. Transaction markers do not count as records."""
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
        """Whether *partition* was not given away meanwhile."""
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
