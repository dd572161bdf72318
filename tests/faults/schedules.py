"""
Schedules: what is put on the stream, how the mapping is configured, and everything that goes wrong on the way.

The rule: a schedule is a value drawn beforehand, and finite; playing it needs no further choice. So it can be printed,
played again, and shrunk by hypothesis to the faults that matter.
"""

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from stream_consumer.local.mapping.config import MappingConfig
from tests.fakes import ENTRY_FAULTS, HANGS, HOPELESS_FAULTS, TRANSIENT_FAULTS, Fault, rejecting, slow
from tests.faults.ingredients import AGGREGATES, BAD, GOOD

TIMEOUT_SECONDS = 10.0
"""Of the function."""
LONGEST_BACKOFF_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Throttled:
    """Lambda has no room: the function is not reached."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The model's call finds no memory."""


@dataclass(frozen=True, slots=True)
class SlowModel:
    """The model takes so long; for longer than the timeout, the environment is killed in it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Die:
    """
    The environment is killed while its calls number *round* are in flight, of which those in *landed* are carried out.

    Calls go out in rounds, the dead letters' first. Without so many rounds it dies after the last, before it answers.
    """

    round: int
    landed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Again:
    """
    Another poller takes the shard over and delivers from its checkpoint, *size* records, while a batch is worked on.

    That delivery runs from start to end at one point of the first: before call *place* of its round *round*, or before
    the first call behind that.
    """

    round: int
    place: int
    size: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The mapping loses what it knew during the invocation, its outcome included, and begins anew at the checkpoint."""


Trouble = Throttled | OutOfMemory | SlowModel | Die | Again | Restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The defaults are a run without any fault, in one batch."""

    records: tuple[tuple[str, str], ...]
    """Partition key and name of the ingredient of each."""
    pages: tuple[int, ...] = ()
    """How many records each read finds; the last one all that are left."""
    mapping: MappingConfig = field(
        default=MappingConfig(stream_name="ride_events", batch_size=10_000, report_batch_item_failures=True)
    )
    in_flight: int = 4
    backwards: bool = False
    """Whether the calls in flight together arrive in reverse."""
    request_entries: int = 500
    """Of the output: Kinesis' limit on the real thing, scaled down so that few records make many requests."""
    aggregate_keys: int = 0
    """PUBLISH_AGGREGATE_KEYS: predictions are folded under so many keys."""
    margin_ms: int = 1000
    model_seconds: float = 0.0
    """Of each call of the model."""
    bucket: bool = True
    """Whether there is one for dead letters."""
    kinesis: tuple[Fault | None, ...] = ()
    """What the calls meet, in turn."""
    s3: tuple[Fault | None, ...] = ()
    destination: tuple[Fault | None, ...] = ()
    """Of the S3 calls of the on-failure destination."""
    landings: frozenset[int] = frozenset()
    """Before which of all calls the writes land that were still on their way; the others land at the end."""
    troubles: tuple[Trouble | None, ...] = ()
    """What the invocations meet, in turn."""

    @property
    def deadline_seconds(self) -> float:
        """After its begin, when an invocation starts nothing more."""
        return TIMEOUT_SECONDS - self.margin_ms / 1000

    @property
    def gives_up(self) -> bool:
        """Whether the mapping may discard records."""
        return self.mapping.maximum_retry_attempts >= 0 or self.mapping.maximum_record_age_in_seconds >= 0

    def faultless(self) -> "Schedule":
        """The run that every other one is compared with."""
        return Schedule(records=self.records)


_rejections = (*ENTRY_FAULTS, rejecting(0, 1), rejecting(2), rejecting(1, code="InternalFailure"))
_SOON, _TOO_LATE = slow(0.5), slow(3 * TIMEOUT_SECONDS)
PASSING_FAULTS = (*_rejections, *TRANSIENT_FAULTS, _SOON)
"""After which another try helps, if there is time for one."""
_service = (*TRANSIENT_FAULTS, *HANGS, *HOPELESS_FAULTS, _SOON, _TOO_LATE)


def _script(*faults: Fault, most: int) -> st.SearchStrategy[tuple[Fault | None, ...]]:
    return st.lists(st.sampled_from((None, None, *faults)), max_size=most).map(tuple)


_rounds = st.sampled_from((0, 0, 1, 1, 2, 3, 5))
_trouble: st.SearchStrategy[Trouble | None] = st.one_of(
    st.none(),
    st.builds(Die, _rounds, st.frozensets(st.integers(0, 3), max_size=4)),
    st.builds(Again, _rounds, st.sampled_from((0, 0, 1, 2)), st.integers(1, 60)),
    st.sampled_from(
        (Restart(), Throttled(), OutOfMemory(), SlowModel(0.5), SlowModel(9.5), SlowModel(2 * TIMEOUT_SECONDS))
    ),
)
# Half of the events are good rides; keys are few, so that some are hot.
_record = st.tuples(
    st.sampled_from(("a", "b", "c", "hot", "hot")), st.sampled_from((*GOOD, *GOOD, *GOOD, *GOOD, *AGGREGATES, *BAD))
)
_records = st.integers(1, 40).flatmap(lambda count: st.lists(_record, min_size=count, max_size=count)).map(tuple)


@st.composite
def _mappings(draw: st.DrawFn) -> MappingConfig:
    gives_up = draw(st.booleans())
    return MappingConfig(
        stream_name="ride_events",
        batch_size=draw(st.sampled_from((1, 2, 3, 5, 8, 13, 40))),
        parallelization_factor=draw(st.sampled_from((1, 1, 2, 3))),
        maximum_retry_attempts=draw(st.sampled_from((0, 1, 3))) if gives_up else -1,
        maximum_record_age_in_seconds=draw(st.sampled_from((-1, -1, 60))) if gives_up else -1,
        bisect_batch_on_function_error=draw(st.booleans()),
        report_batch_item_failures=True,
    )


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule of finite faults."""
    plan = Schedule(
        records=draw(_records),
        pages=tuple(draw(st.lists(st.integers(1, 20), max_size=4))),
        mapping=draw(_mappings()),
        in_flight=draw(st.sampled_from((1, 2, 4))),
        backwards=draw(st.booleans()),
        request_entries=draw(st.sampled_from((1, 2, 3, 5))),
        aggregate_keys=draw(st.sampled_from((0, 0, 1, 3))),
        margin_ms=draw(st.sampled_from((1000, 1000, 0))),
        kinesis=draw(_script(*_service, *_rejections, *_rejections, *_rejections, most=16)),
        s3=draw(_script(*_service, most=6)),
        destination=draw(_script(*_service, most=4)),
        landings=draw(st.frozensets(st.integers(0, 30), max_size=4)),
        troubles=tuple(draw(st.lists(_trouble, max_size=10))),
    )
    # Without a bucket an invalid record can only end at the on-failure destination.
    return replace(plan, bucket=draw(st.integers(0, 4)) > 0) if plan.mapping.maximum_retry_attempts >= 0 else plan
