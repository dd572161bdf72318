"""The events of a mapping for its observer. The threads of the shards report a single event at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_consumer.local.runtime.functions import Invocation


@dataclass(frozen=True, slots=True)
class ShardStarted:
    shard_id: str


@dataclass(frozen=True, slots=True)
class ShardFinished:
    """A shard is closed by resharding, and all its records are settled."""

    shard_id: str


@dataclass(frozen=True, slots=True)
class Read:
    shard_id: str
    records: int
    millis_behind_latest: int


@dataclass(frozen=True, slots=True)
class ReadingFailed:
    shard_id: str
    reason: str
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Invoked:
    shard_id: str
    records: int
    invocation: "Invocation"
    seconds: float
    oldest_age_seconds: float
    """Age of the batch's first record at the end of the invocation. 0 without records."""


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The checkpoint moved past *records* records, settled or discarded, to *sequence_number*."""

    shard_id: str
    records: int
    sequence_number: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Records were discarded, and their document is in the on-failure destination, if the mapping has one."""

    shard_id: str
    records: int
    condition: str


@dataclass(frozen=True, slots=True)
class WindowLost:
    """The invocation that closes a tumbling window failed in all retries, and the state of the window was dropped."""

    shard_id: str
    start: int
    """Seconds since the epoch."""
    end: int
    condition: str


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """The on-failure destination did not accept a document. The records are kept."""

    shard_id: str
    reason: str
    wait_seconds: float


Event = (
    ShardStarted | ShardFinished | Read | ReadingFailed | Invoked | Checkpointed | GivenUp | WindowLost | DeliveryFailed
)

Observer = Callable[[Event], None]
"""Called under a lock of the mapping, so it must be quick. An exception of the observer ends the mapping."""


def unobserved(_: Event) -> None:
    """Ignore the events of a mapping."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The work of a mapping so far."""

    shards_started: int = 0
    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    records_settled: int = 0
    """Records before the checkpoint, discarded records included."""
    records_discarded: int = 0
    iterator_age_seconds: float = 0.0
    """Age of the last invocation's oldest record at the end of the invocation."""

    def after(self, event: Event) -> "Counts":
        more: dict[str, int] = {}
        age = self.iterator_age_seconds
        match event:
            case ShardStarted():
                more = {"shards_started": 1}
            case Checkpointed(records=records):
                more = {"records_settled": records}
            case GivenUp(records=records):
                more = {"records_discarded": records}
            case Invoked(invocation=invocation, oldest_age_seconds=age):
                more = {
                    "invocations": 1,
                    "errors": int(invocation.error is not None),
                    "throttles": int(invocation.throttled),
                }
        sums = {name: getattr(self, name) + count for name, count in more.items()}
        return replace(self, iterator_age_seconds=age, **sums)


class Tally:
    """An observer that counts. Any thread may read ``counts`` at any time."""

    def __init__(self) -> None:
        self.counts = Counts()

    def __call__(self, event: Event) -> None:
        self.counts = self.counts.after(event)
