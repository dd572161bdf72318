"""What a mapping tells whoever watches it: one value an event, handed over one at a time from the shards' threads."""

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
    """Closed by resharding, and everything in it is settled."""

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
    """Age of the batch's first record when the invocation ended; 0 when it has none."""


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The checkpoint moved over so many records, settled or discarded, to *sequence_number*."""

    shard_id: str
    records: int
    sequence_number: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Records were discarded, and the on-failure destination, if there is one, has their document."""

    shard_id: str
    records: int
    condition: str


@dataclass(frozen=True, slots=True)
class WindowLost:
    """The invocation that closes a tumbling window failed beyond the retries, and the window's state was dropped."""

    shard_id: str
    start: int
    """Seconds since the epoch."""
    end: int
    condition: str


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """The on-failure destination did not take a document; the records are kept."""

    shard_id: str
    reason: str
    wait_seconds: float


Event = (
    ShardStarted | ShardFinished | Read | ReadingFailed | Invoked | Checkpointed | GivenUp | WindowLost | DeliveryFailed
)

Observer = Callable[[Event], None]
"""Called under a lock of the mapping: be quick. What it raises ends the mapping."""


def unobserved(_: Event) -> None:
    """The observer of a mapping that nobody watches."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A mapping's work so far."""

    shards_started: int = 0
    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    records_settled: int = 0
    """The checkpoint is past them; the discarded ones are among them."""
    records_discarded: int = 0
    iterator_age_seconds: float = 0.0
    """Age of the oldest record of the last invocation when it ended."""

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
    """An observer that counts; ``counts`` may be read from any thread at any time."""

    def __init__(self) -> None:
        self.counts = Counts()

    def __call__(self, event: Event) -> None:
        self.counts = self.counts.after(event)
