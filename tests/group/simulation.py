"""
Members of a consumer group and the services they call, in simulated time: a schedule in, a run out.

The rule: no threads, no real time, no chance. The members, their consumers and sinks are the real ones; what is
imitated is what they ask: the group, the topics, S3, time, the thread of a batch, and the process that may die.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from stream_consumer.consumer import BatchResult, Consumer
from stream_consumer.contract.kafka_event import records_from_kafka
from stream_consumer.contract.record import Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.group.member import Member, Pace
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.inference import Decider
from stream_consumer.kafka.topic_writer import PredictionTopic
from tests.fakes import HANGS, HOPELESS_FAULTS, TRANSIENT_FAULTS, FakeS3, FakeTime
from tests.fakes import Fault as S3Fault
from tests.faults.ingredients import AGGREGATES, BAD, GOOD, INGREDIENTS, REFUSED_ID, minutes_or_refusal
from tests.group.fakes import CommitFault, FakeClient, FakeGroup, FakeMessage
from tests.kafka.fakes import CONNECTION, FAULTS, FakeTopic, Fault
from tests.kafka.simulation import TOMBSTONE, Died, Run
from tests.rides import FakeModel, kafka_event

MEMBERS = 3
MOST_STEPS = 2_000
TIMEOUT_SECONDS = 10.0
BROKERS = "localhost:9092"

STEP, KILL, LEAVE, JOIN, LOSE, REBALANCE = "step", "kill", "leave", "join", "lose", "rebalance"
KINDS = (STEP, STEP, STEP, STEP, KILL, LEAVE, JOIN, JOIN, LOSE, REBALANCE)


@dataclass(frozen=True, slots=True)
class Action:
    """What happens, and to which member."""

    kind: str
    member: int = 0


@dataclass(frozen=True, slots=True)
class AtWork:
    """How a batch is at work."""

    early: bool = True
    """Whether what it does is done when it is first waited for, and not when it ends."""
    meanwhile: tuple[Action, ...] = ()
    """What happens in its midst, in the slices in which the member polls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The defaults are one member without any fault."""

    records: tuple[tuple[int, str], ...]
    """Partition of the input and name of the ingredient of each."""
    actions: tuple[Action, ...] = ()
    """What happens until one member is left to finish."""
    batches: tuple[AtWork, ...] = ()
    """How the first batches are at work; the others end at once."""
    batch_size: int = 1_000
    partitions: int = 2
    """Of the output."""
    topic: tuple[Fault | None, ...] = ()
    """What the requests of the producers meet, in turn."""
    s3: tuple[S3Fault | None, ...] = ()
    commits: tuple[CommitFault | None, ...] = ()
    deaths: frozenset[int] = frozenset()
    """Before which of all requests of the producers their process is killed."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happens that may make anything come twice; rebalances do not."""
        kinds = {action.kind for action in self.actions}
        kinds |= {action.kind for batch in self.batches for action in batch.meanwhile}
        faults = any(self.topic) or any(self.s3) or any(self.commits) or self.deaths
        return not faults and not kinds & {KILL, LOSE}


class Heard:
    """Keeps what a member tells of faults and of its partitions."""

    def __init__(self) -> None:
        self.failures: list[tuple[Exception, int]] = []
        self.warnings: list[tuple[str, dict[str, object]]] = []
        self.changes: list[str] = []

    def decided(self, result: BatchResult, seconds: float) -> None: ...

    def failed(self, error: Exception, records: Sequence[Record], seconds: float) -> None:
        del seconds
        self.failures.append((error, len(records)))

    def moved(self, change: str, keys: Sequence[PartitionKey], owned: int) -> None:
        del keys, owned
        self.changes.append(change)

    def behind(self, lags: Any) -> None: ...

    def warned(self, message: str, **fields: object) -> None:
        self.warnings.append((message, fields))


class _Work:
    """A batch at work, as its schedule has it."""

    def __init__(self, world: "World", call: Callable[[], BatchResult], plan: AtWork) -> None:
        self._world = world
        self._call = call
        self._early = plan.early
        self._meanwhile = list(plan.meanwhile)
        self._result: BatchResult | Exception | None = None

    def wait(self, seconds: float) -> bool:
        if self._early or not self._meanwhile:
            self._do()
        if not self._meanwhile:
            return True
        self._world.time.now += seconds
        self._world.act(self._meanwhile.pop(0))
        return False

    def result(self) -> BatchResult:
        assert self._result is not None
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def _do(self) -> None:
        if self._result is None:
            try:
                self._result = self._call()
            except Exception as error:  # noqa: BLE001 (as the thread does)
                self._result = error


@dataclass(slots=True)
class _Process:
    """A process with a member."""

    member: Member
    client: FakeClient
    busy: bool = False
    """Whether it is in the midst of a step: it can then be killed, and do nothing else."""


@dataclass(slots=True)
class World:
    """Plays one schedule."""

    schedule: Schedule
    time: FakeTime = field(default_factory=FakeTime)
    run: Run = field(init=False)
    group: FakeGroup = field(init=False)
    steps: int = 0
    settled_too_early: list[tuple[PartitionKey, int]] = field(default_factory=list)
    """Offsets that were committed before all that is in front of them was acknowledged."""
    _processes: dict[int, _Process] = field(default_factory=dict)
    _requests: int = 0
    _batches: int = 0

    def __post_init__(self) -> None:
        plan = self.schedule
        topic = FakeTopic(self.time, plan.topic, plan.partitions, [REFUSED_ID.encode()])
        topic.before_request = self._before_request
        values: dict[int, list[bytes | None]] = {}
        for partition, name in plan.records:
            values.setdefault(partition, []).append(None if name == TOMBSTONE else INGREDIENTS[name].data)
        records = records_from_kafka(kafka_event(values))
        self.run = Run(plan, records, topic, FakeS3(self.time, plan.s3))  # type: ignore[arg-type] # of records alone
        log: dict[PartitionKey, list[FakeMessage]] = {}
        for record in records:
            origin = record.kafka
            assert origin is not None
            message = FakeMessage(origin, None if origin.null_value else record.data)
            log.setdefault(PartitionKey(origin.topic, origin.partition), []).append(message)
        self.group = FakeGroup(self.time, log, plan.commits, self._committed)

    def play(self) -> Run:
        """Have everything happen, and then those who are left settle the rest."""
        self.act(Action(JOIN, 0))
        for action in self.schedule.actions:
            self.act(action)
        self.act(Action(JOIN, 0))
        while not self._is_settled():
            assert self.steps < MOST_STEPS, "the partitions do not advance"
            for number in list(self._processes):  # one may join in the midst of a batch
                self.act(Action(STEP, number))
            self.act(Action(JOIN, 0))  # if it has died
        self.run.topic.land()
        return self.run

    def act(self, action: Action) -> None:
        number = action.member
        process = self._processes.get(number)
        match action.kind:
            case "join" if process is None:
                self._processes[number] = self._process()
            case "rebalance":
                self.group.rebalance()
            case "kill" if process:
                self._kill(number)
            case "lose" if process:
                self.group.lose(process.client)
            case "leave" if process and not process.busy:
                self._try(number, process.client.close)
                self._processes.pop(number, None)
            case "step" if process and not process.busy:
                self._try(number, process.member.step)
            case _:
                pass

    def _try(self, number: int, call: Callable[[], object]) -> None:
        self.steps += 1
        process = self._processes[number]
        process.busy = True
        try:
            call()
        except Died:
            if self._processes.get(number) is process:
                self._kill(number)
        process.busy = False

    def _kill(self, number: int) -> None:
        process = self._processes.pop(number)
        self.group.remove(process.client)

    def _process(self) -> _Process:
        time = self.time
        consumer = Consumer(
            Decider(FakeModel(minutes_or_refusal), time.clock),
            predictions=PredictionTopic(
                CONNECTION, "ride_predictions", connect=self.run.topic.connect, clock=time.clock
            ),
            dead_letters=DeadLetters(self.run.s3.client, "dead-letters-bucket", "dead-letters", retry=time.retry()),
            clock=time.clock,
        )
        pace = Pace(batch_size=self.schedule.batch_size, timeout_seconds=TIMEOUT_SECONDS)
        member = Member(consumer, BROKERS, pace, Heard(), start=self._start, clock=time.clock, uniform=max)
        client = FakeClient(self.group, member)
        member.joins(client)
        self.group.join(client)
        return _Process(member, client)

    def _start(self, call: Callable[[], BatchResult]) -> _Work:
        number, self._batches = self._batches, self._batches + 1
        plan = self.schedule.batches[number] if number < len(self.schedule.batches) else AtWork()
        return _Work(self, call, plan)

    def _before_request(self) -> None:
        number, self._requests = self._requests, self._requests + 1
        if number in self.schedule.deaths:
            raise Died

    def _committed(self, key: PartitionKey, offset: int) -> None:
        kept = {entry.event_id for entry in self.run.topic.records} | self.run.letters.keys()
        front = [f"{key.topic}-{key.number}:{at}" for at in range(offset)]
        if not kept.issuperset(front):
            self.settled_too_early.append((key, offset))

    def _is_settled(self) -> bool:
        return all(self.group.committed.get(key, 0) == len(log) for key, log in self.group.log.items())


_records = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from((*GOOD, *GOOD, *GOOD, *BAD, TOMBSTONE, next(iter(AGGREGATES))))),
    min_size=1,
    max_size=30,
).map(tuple)
_actions = st.builds(Action, st.sampled_from(KINDS), st.integers(0, MEMBERS - 1))


def _script(*faults: Any, most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from((None, None, *faults)), max_size=most).map(tuple)


def _tuples(of: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


def schedules() -> st.SearchStrategy[Schedule]:
    """Any schedule of finite faults; one in two of nothing but rebalances."""
    quiet = {
        "records": _records,
        "actions": _tuples(_actions, 30),
        "batches": _tuples(st.builds(AtWork, st.booleans(), _tuples(_actions, 4)), 8),
        "batch_size": st.sampled_from((1, 2, 5, 13, 40)),
        "partitions": st.integers(1, 3),
    }
    faulty = st.builds(
        Schedule,
        **quiet,
        topic=_script(*FAULTS, most=16),
        s3=_script(*TRANSIENT_FAULTS, *HANGS, *HOPELESS_FAULTS, most=6),
        commits=_script(*CommitFault, most=12),
        deaths=st.frozensets(st.integers(0, 30), max_size=3),
    )
    return faulty | st.builds(Schedule, **quiet)
