"""Tumbling windows: which records the function gets together, the state between its invocations, and the final one."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.kinesis.shard_reader import ShardReader, Start
from stream_consumer.local.mapping.checkpoints import Checkpoints, FileCheckpoints, MemoryCheckpoints
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.delivery_rules import Batch
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Event, GivenUp, Invoked, Observer, WindowLost, unobserved
from stream_consumer.local.mapping.lambda_records import PAYLOAD_LIMIT, ShardSource
from stream_consumer.local.mapping.shard_consumer import ShardConsumer, Surroundings
from stream_consumer.local.mapping.shard_queue import Lane, ShardQueue
from stream_consumer.local.mapping.tumbling_windows import STATE_LIMIT, Closing
from stream_consumer.local.runtime.functions import Invocation
from tests.local.fakes import (
    START,
    STREAM_ARN,
    FakeClock,
    FakeDestination,
    FakeKinesis,
    Inline,
    ScriptedFunction,
    fail,
    respond,
    shard_name,
    stream_records,
    throttle,
)

SIZE = 60
OPENED = 1_699_999_980
"""The start of the window that START is in, 20 s after it."""

POLL = 10.0

Answer = Callable[[dict[str, Any]], Invocation]


def gather(event: dict[str, Any]) -> Invocation:
    """Append the batch's records to the state, as a function that aggregates does."""
    return respond({"state": {"seen": seen_by(event) + given_to(event)}})


def seen_by(event: dict[str, Any]) -> list[str]:
    state = event["state"]
    return list(state.get("seen", [])) if isinstance(state, dict) else []


def given_to(event: dict[str, Any]) -> list[str]:
    return [record["kinesis"]["sequenceNumber"] for record in event["Records"]]


class Gathering:
    """A function that answers in order as *answers* say, and then gathers its records in the state."""

    arn = ScriptedFunction.arn

    def __init__(self, *answers: Invocation | Answer, ever_after: Answer = gather) -> None:
        self._answers = list(answers)
        self._ever_after = ever_after
        self.events: list[dict[str, Any]] = []

    def invoke(self, payload: bytes) -> Invocation:
        event = json.loads(payload)
        self.events.append(event)
        answer = self._answers.pop(0) if self._answers else self._ever_after
        return answer if isinstance(answer, Invocation) else answer(event)

    @property
    def batches(self) -> list[list[str]]:
        return list(map(given_to, self.events))

    @property
    def finals(self) -> list[tuple[str, Any]]:
        """The start and the state of each final invocation."""
        finals = [event for event in self.events if event["isFinalInvokeForWindow"]]
        return [(event["window"]["start"], seen_by(event)) for event in finals]


def mapping_of(
    kinesis: FakeKinesis,
    function: Gathering,
    *,
    observer: Observer = unobserved,
    checkpoints: Checkpoints | None = None,
    on_failure: FakeDestination | None = None,
    **config: Any,
) -> EventSourceMapping:
    return EventSourceMapping(
        cast("Any", kinesis),
        function,
        MappingConfig(stream_name="rides", tumbling_window_in_seconds=SIZE, **config),
        on_failure=on_failure,
        observer=observer,
        checkpoints=checkpoints,
        clock=kinesis.clock,
    )


def consume(kinesis: FakeKinesis, function: Gathering, **options: Any) -> None:
    """Run a mapping until nothing is left."""
    mapping = mapping_of(kinesis, function, **options)
    mapping.drain()
    mapping.run()


# What the function gets


def test_the_event_is_lambdas() -> None:
    """The names and values beside ``Records`` are those of AWS's example, in its order."""
    kinesis, payloads = FakeKinesis(), list[bytes]()
    kinesis.put("a")

    class Recording(Gathering):
        def invoke(self, payload: bytes) -> Invocation:
            payloads.append(payload)
            return super().invoke(payload)

    consume(kinesis, Recording(lambda _: respond({"state": {"count": 1}})))

    batch, final = (payload.partition(b"]")[2] for payload in payloads)
    window = b',"window":{"start":"2023-11-14T22:13:00Z","end":"2023-11-14T22:14:00Z"}'
    origin = f',"shardId":"shardId-000000000000","eventSourceARN":"{STREAM_ARN}"'.encode()
    assert batch == (
        window + b',"state":{}' + origin + b',"isFinalInvokeForWindow":false,"isWindowTerminatedEarly":false}'
    )
    assert final == (
        window + b',"state":{"count":1}' + origin + b',"isFinalInvokeForWindow":true,"isWindowTerminatedEarly":false}'
    )
    assert payloads[1].startswith(b'{"Records":[],')


def test_each_invocation_gets_the_state_that_the_one_before_returned() -> None:
    kinesis, function = FakeKinesis(), Gathering()
    numbers = kinesis.put(*"abc")

    consume(kinesis, function, batch_size=1)

    assert function.batches == [*([number] for number in numbers), []]
    assert [seen_by(event) for event in function.events] == [[], numbers[:1], numbers[:2], numbers]


def test_the_state_is_any_json_value() -> None:
    kinesis = FakeKinesis()
    kinesis.put("a")
    function = Gathering(lambda _: respond({"state": None}))

    consume(kinesis, function)

    assert [event["state"] for event in function.events] == [{}, None]


def test_a_batch_never_spans_windows_and_each_window_has_one_final_invocation() -> None:
    """The batches and the final invocation of a window come before anything of the next one."""
    kinesis, function = FakeKinesis(), Gathering()
    early = kinesis.put(*"ab")
    late = kinesis.put("c", age=-40)
    later = kinesis.put("d", age=-100)

    consume(kinesis, function)

    assert function.batches == [early, [], late, [], later, []]
    assert function.finals == [
        ("2023-11-14T22:13:00Z", early),
        ("2023-11-14T22:14:00Z", late),
        ("2023-11-14T22:15:00Z", later),
    ]


def test_a_record_at_the_end_of_a_window_belongs_to_the_next() -> None:
    kinesis, function = FakeKinesis(), Gathering()
    last = kinesis.put("a", age=-39.999)
    first = kinesis.put("b", age=-40)

    consume(kinesis, function)

    assert function.batches == [last, [], first, []]


def test_a_window_without_records_has_no_invocation() -> None:
    kinesis, function = FakeKinesis(), Gathering()
    kinesis.put("a")
    kinesis.put("b", age=-10_000)

    consume(kinesis, function)

    assert len(function.finals) == 2


def test_a_record_that_arrived_before_the_open_window_is_counted_in_it() -> None:
    """Arrival times are approximate, and a window that opened again would be finalised twice."""
    kinesis, function = FakeKinesis(), Gathering()
    first = kinesis.put("a", age=-40)
    late = kinesis.put("b")

    consume(kinesis, function)

    assert function.batches == [first + late, []]
    assert function.finals == [("2023-11-14T22:14:00Z", first + late)]


def test_a_record_that_arrived_before_a_closed_window_ended_is_counted_in_the_next() -> None:
    kinesis, function, done = FakeKinesis(), Gathering(), list[str]()
    kinesis.put("a")

    def observe(event: Event) -> None:
        if isinstance(event, Invoked) and not event.records and not done:
            done.extend(kinesis.put("b", age=kinesis.clock.now() - START))
            mapping.drain()

    mapping = mapping_of(kinesis, function, observer=observe)
    mapping.run()

    assert function.finals[1] == ("2023-11-14T22:14:00Z", done)


def test_a_batch_leaves_room_for_the_largest_state() -> None:
    """The event has at most 6 MB with a state of 1 MB, also if the state grew while the batch waited for a retry."""
    kinesis, events = FakeKinesis(), list[Event]()
    kinesis.put(*"abcdefg", data=bytes(900_000))
    large = respond({"state": "x" * (STATE_LIMIT - 2)})

    consume(kinesis, Gathering(ever_after=lambda _: large), observer=events.append)

    invoked = [event for event in events if isinstance(event, Invoked)]
    assert [event.records for event in invoked] == [4, 3, 0]
    assert all(event.invocation.error is None for event in invoked)
    assert 4 * 1_200_000 + STATE_LIMIT < PAYLOAD_LIMIT < 5 * 1_200_000 + STATE_LIMIT


# The end of a window


def queue_with(*arrivals: float) -> tuple[ShardQueue, Lane]:
    """A queue after the first batch of the records that arrived so many seconds after START was settled."""
    queue = ShardQueue(MappingConfig(stream_name="rides", tumbling_window_in_seconds=SIZE), Pace())
    for number, arrived in enumerate(arrivals, 1):
        queue.add(stream_records([number], arrived=START + arrived), START)
    [(lane, batch)] = queue.take(START)
    assert isinstance(batch, Batch)
    queue.invoked(lane, batch, respond({"state": {}}), START)
    return queue, lane


def closing(queue: ShardQueue, now: float) -> Closing | None:
    """What the work that may begin now takes away."""
    taken = [work for _, work in queue.take(now)]
    return taken[0].closing if taken and isinstance(taken[0], Batch) else None


def test_without_a_later_record_a_window_is_over_once_the_shard_was_read_two_minutes_after_its_end() -> None:
    """Only a read tells that nothing more arrived: the passing of time alone does not."""
    over = OPENED + SIZE + 120
    queue, _ = queue_with(0)

    assert queue.take(over + 100) == []
    queue.read_up_to(over - 0.1)
    assert (queue.wait(over + 100), queue.take(over + 100)) == (None, [])
    queue.read_up_to(over)
    assert queue.wait(over) == 0.0
    assert closing(queue, over) is Closing.FINAL


def test_a_later_record_ends_the_window_at_once() -> None:
    queue, _ = queue_with(0, SIZE)

    assert queue.wait(START) == 0.0
    assert closing(queue, START) is Closing.FINAL


def test_a_batching_window_does_not_hold_up_the_end_of_a_window() -> None:
    config = MappingConfig(stream_name="rides", tumbling_window_in_seconds=SIZE, maximum_batching_window_in_seconds=300)
    queue = ShardQueue(config, Pace())
    queue.add(stream_records([1], arrived=START), START)
    assert queue.take(START + 10) == []
    queue.add(stream_records([2], arrived=START + SIZE), START + 10)

    [(lane, batch)] = queue.take(START + 10)
    assert isinstance(batch, Batch)
    queue.invoked(lane, batch, respond({"state": {}}), START + 10)

    assert closing(queue, START + 10) is Closing.FINAL


def test_the_checkpoint_waits_for_the_final_invocation() -> None:
    queue, lane = queue_with(0, SIZE)
    assert queue.checkpoint() is None
    [(_, final)] = queue.take(START)
    assert isinstance(final, Batch)

    queue.invoked(lane, final, respond({"state": {}}), START)

    assert queue.checkpoint() == (1, "1")
    assert not queue.empty


def test_a_shard_that_is_behind_is_read_to_its_tip_before_a_window_is_over() -> None:
    """However old the records are, a window gets all of its records."""
    kinesis, function = FakeKinesis(page=1), Gathering()
    numbers = kinesis.put(*"abcde", age=3600)

    consume(kinesis, function)

    assert function.finals[0][1] == numbers


def test_the_end_of_a_shard_ends_the_window_and_its_children_begin_with_a_fresh_state() -> None:
    kinesis, function = FakeKinesis(), Gathering()
    parent = kinesis.put("a")
    left, _ = kinesis.split(0)
    child = kinesis.put("b", shard=left)

    consume(kinesis, function)

    assert function.batches == [parent, [], child, []]
    assert function.events[2]["state"] == {}
    assert [event["shardId"] for event in function.events] == [shard_name(0)] * 2 + [shard_name(left)] * 2


def test_shards_have_windows_of_their_own() -> None:
    kinesis, function = FakeKinesis(2), Gathering()
    put = [kinesis.put("a", shard=shard) for shard in range(2)]

    consume(kinesis, function)

    assert sorted(seen for _, seen in function.finals) == sorted(put)


# A state that is too large


def test_a_state_of_over_one_megabyte_terminates_the_window_early_and_the_same_window_goes_on() -> None:
    """The early invocation takes the state as it is; what follows in the window begins with a fresh state."""
    kinesis = FakeKinesis()
    first, second = kinesis.put(*"ab")
    large = "x" * (STATE_LIMIT - 1)  # and two quotation marks
    function = Gathering(lambda _: respond({"state": large}))

    consume(kinesis, function, batch_size=1)

    assert function.batches == [[first], [], [second], []]
    _, early, rest, final = function.events
    assert (early["isWindowTerminatedEarly"], early["isFinalInvokeForWindow"]) == (True, False)
    assert early["state"] == large
    assert rest["state"] == {}
    assert rest["window"] == early["window"] == final["window"]
    assert function.finals == [("2023-11-14T22:13:00Z", [second])]


def test_a_state_of_one_megabyte_is_kept() -> None:
    kinesis = FakeKinesis()
    kinesis.put("a")
    function = Gathering(lambda _: respond({"state": "x" * (STATE_LIMIT - 2)}))

    consume(kinesis, function, batch_size=1)

    assert [event["isWindowTerminatedEarly"] for event in function.events] == [False, False]


# Failures


def test_a_failed_batch_comes_again_with_the_state_it_had() -> None:
    kinesis = FakeKinesis()
    one, two = kinesis.put(*"ab")
    function = Gathering(gather, fail(), throttle())

    consume(kinesis, function, batch_size=1)

    assert function.batches == [[one], [two], [two], [two], []]
    assert [seen_by(event) for event in function.events] == [[], [one], [one], [one], [one, two]]


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{}", b'{"batchItemFailures":[]}', b"no json"])
@pytest.mark.parametrize("invocation", ["batch", "final"])
def test_a_response_without_a_state_is_a_failed_invocation(payload: bytes, invocation: str) -> None:
    kinesis, events = FakeKinesis(), list[Event]()
    numbers = kinesis.put("a")
    stateless = Invocation("request", payload=payload)
    function = Gathering(stateless) if invocation == "batch" else Gathering(gather, stateless)

    consume(kinesis, function, observer=events.append)

    assert function.batches == ([numbers, numbers, []] if invocation == "batch" else [numbers, [], []])
    [error] = [event.invocation.error for event in events if isinstance(event, Invoked) and event.invocation.error]
    assert error.message == "the response has no state: return it from every invocation of a window"


def test_a_partial_response_that_moves_on_hands_its_state_to_the_rest() -> None:
    kinesis = FakeKinesis()
    one, two, three = numbers = kinesis.put(*"abc")
    failures = [{"itemIdentifier": two}]
    function = Gathering(lambda _: respond({"state": {"seen": [one]}, "batchItemFailures": failures}))

    consume(kinesis, function, report_batch_item_failures=True)

    assert function.batches == [numbers, [two, three], []]
    assert function.finals[0][1] == numbers


def test_a_partial_response_that_moves_nothing_leaves_the_state_as_it_was() -> None:
    kinesis = FakeKinesis()
    numbers = kinesis.put(*"ab")
    failures = [{"itemIdentifier": numbers[0]}]
    function = Gathering(lambda _: respond({"state": {"seen": ["nonsense"]}, "batchItemFailures": failures}))

    consume(kinesis, function, report_batch_item_failures=True)

    assert function.finals[0][1] == numbers


def test_the_second_half_of_a_split_batch_gets_the_state_of_the_first() -> None:
    kinesis, function = FakeKinesis(), Gathering(fail())
    one, two = numbers = kinesis.put(*"ab")

    consume(kinesis, function, bisect_batch_on_function_error=True)

    assert function.batches == [numbers, [one], [two], []]
    assert function.finals[0][1] == numbers


def test_discarded_records_are_missing_from_the_state_and_the_window_goes_on() -> None:
    kinesis, destination = FakeKinesis(), FakeDestination()
    one, poison, three = kinesis.put(*"abc")
    function = Gathering(ever_after=lambda event: fail() if poison in given_to(event) else gather(event))

    consume(kinesis, function, on_failure=destination, batch_size=1, maximum_retry_attempts=1)

    assert function.finals == [("2023-11-14T22:13:00Z", [one, three])]
    assert destination.taken == [([poison], "RetryAttemptsExhausted")]


def test_nothing_else_is_processed_until_the_final_invocation_succeeds() -> None:
    kinesis = FakeKinesis()
    early = kinesis.put("a")
    late = kinesis.put("b", age=-60)
    function = Gathering(gather, fail(), throttle(), fail())

    consume(kinesis, function)

    assert function.batches == [early, [], [], [], [], late, []]
    assert [seen for _, seen in function.finals] == [early] * 4 + [late]


@pytest.mark.parametrize("bisect", [False, True])
def test_a_final_invocation_that_fails_beyond_the_retries_loses_the_window_and_not_the_shard(*, bisect: bool) -> None:
    """The loss is told to the observer; the destination gets no document, for there is no record to point at."""
    kinesis, destination, events = FakeKinesis(), FakeDestination(), list[Event]()
    early = kinesis.put("a")
    late = kinesis.put("b", age=-60)
    function = Gathering(gather, fail(), fail())

    consume(
        kinesis,
        function,
        on_failure=destination,
        observer=events.append,
        maximum_retry_attempts=1,
        bisect_batch_on_function_error=bisect,
    )

    assert function.batches == [early, [], [], late, []]
    lost = WindowLost(shard_name(0), OPENED, OPENED + SIZE, "RetryAttemptsExhausted")
    assert [event for event in events if isinstance(event, WindowLost | GivenUp)] == [lost]
    assert destination.taken == []


def test_an_early_termination_that_fails_beyond_the_retries_loses_the_state_and_not_the_window() -> None:
    kinesis, events = FakeKinesis(), list[Event]()
    one, two = kinesis.put(*"ab")
    function = Gathering(lambda _: respond({"state": "x" * STATE_LIMIT}), fail())

    consume(kinesis, function, observer=events.append, batch_size=1, maximum_retry_attempts=0)

    assert function.batches == [[one], [], [two], []]
    assert len([event for event in events if isinstance(event, WindowLost)]) == 1
    assert function.finals == [("2023-11-14T22:13:00Z", [two])]


# Beginning again


@pytest.fixture(params=["memory", "file"])
def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoints:
    return MemoryCheckpoints() if request.param == "memory" else FileCheckpoints(tmp_path / "checkpoints.json")


def test_a_mapping_that_stopped_within_a_window_gives_the_whole_window_again(checkpoints: Checkpoints) -> None:
    """The state is not kept between runs: it is built again from the window's first record on."""
    kinesis, again = FakeKinesis(), Gathering()
    closed = kinesis.put("a")
    opened = kinesis.put(*"bc", age=-60)

    class Stopping(Gathering):
        def invoke(self, payload: bytes) -> Invocation:
            if opened[0] in given_to(json.loads(payload)):
                mapping.stop()
            return super().invoke(payload)

    function = Stopping()
    mapping = mapping_of(kinesis, function, checkpoints=checkpoints, batch_size=1)
    mapping.run()
    consume(kinesis, again, checkpoints=checkpoints, batch_size=1)

    assert function.batches == [closed, [], opened[:1]]
    assert again.batches == [opened[:1], opened[1:], []]
    assert again.finals == [("2023-11-14T22:14:00Z", opened)]


def test_a_drained_mapping_goes_on_behind_its_last_window(checkpoints: Checkpoints) -> None:
    """A drain ends the open window: what comes after it in the same span of time is a window of its own."""
    kinesis, again = FakeKinesis(), Gathering()
    kinesis.put("a")
    consume(kinesis, Gathering(), checkpoints=checkpoints)
    later = kinesis.put("b")

    consume(kinesis, again, checkpoints=checkpoints)

    assert again.batches == [later, []]


# Properties


@dataclass(frozen=True)
class Plan:
    config: MappingConfig
    gaps: tuple[float, ...]
    """Seconds between the arrivals of records, in the order of the shard."""
    faults: tuple[str, ...]
    """What the first invocations do, in order; afterwards all succeed."""
    restarts: frozenset[int]
    """The steps before which the mapping begins again, half of them without taking in what was finished."""


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    faults = ["error", "throttle", "partial", "stateless", "none"]
    return Plan(
        config=MappingConfig(
            stream_name="rides",
            tumbling_window_in_seconds=draw(st.sampled_from([1, 7, 60])),
            batch_size=draw(st.integers(1, 4)),
            maximum_batching_window_in_seconds=draw(st.sampled_from([0, 3])),
            maximum_retry_attempts=draw(st.sampled_from([-1, 0, 1])),
            bisect_batch_on_function_error=draw(st.booleans()),
            report_batch_item_failures=draw(st.booleans()),
        ),
        gaps=tuple(draw(st.lists(st.sampled_from([0.0, 0.5, 4.0, 61.0, 200.0]), min_size=1, max_size=12))),
        faults=tuple(draw(st.lists(st.sampled_from(faults), max_size=12))),
        restarts=frozenset(draw(st.sets(st.integers(1, 40), max_size=3))),
    )


@dataclass
class World:
    """One shard whose records arrive as a plan says, and a mapping that is stopped or killed and begins again."""

    plan: Plan
    clock: FakeClock = field(default_factory=FakeClock)
    checkpoint: str | None = None
    given: list[str] = field(default_factory=list)
    finals: list[tuple[int, list[str]]] = field(default_factory=list)
    """The start and the state of each final invocation whose success was taken in."""
    failed: set[int] = field(default_factory=set)
    """The starts of windows that lost records or their state."""

    def __post_init__(self) -> None:
        self.kinesis = FakeKinesis(clock=self.clock, page=3)
        self.faults = list(self.plan.faults)
        self.window_of: dict[str, int] = {}
        self.last: dict[str, Any] = {}

    def run(self) -> "World":
        gaps, due, step = list(self.plan.gaps), START, 0
        consumer = self.consumer()
        while gaps or self.checkpoint != list(self.window_of)[-1]:
            step += 1
            assert step < 1000, "it would go on for ever"
            if step in self.plan.restarts:
                if step % 2:
                    consumer.stop()
                consumer = self.consumer()
            while gaps and due + gaps[0] <= self.clock.now():
                due += gaps.pop(0)
                self.put(due)
            pause = consumer.step()
            arrival = due + gaps[0] - self.clock.now() if gaps else POLL
            self.clock.advance(min(POLL if pause is None else pause, arrival))
        return self

    def ended(self) -> set[int]:
        return {start for start, _ in self.finals} | self.failed

    def put(self, arrival: float) -> None:
        [number] = self.kinesis.put("key", age=self.clock.now() - arrival)
        size = self.plan.config.tumbling_window_in_seconds
        self.window_of[number] = int(arrival // size) * size

    def consumer(self) -> ShardConsumer:
        around = Surroundings(
            config=self.plan.config,
            pace=Pace(poll_seconds=POLL),
            clock=self.clock,
            observer=self.observe,
            function=self,
            on_failure=None,
            mapping_uuid="uuid",
            checkpointed=self.checkpointed,
        )
        start = Start(after=self.checkpoint) if self.checkpoint else Start()
        shard = shard_name(0)
        reader = ShardReader(cast("Any", self.kinesis), STREAM_ARN, shard, start, now=self.clock.now)
        return ShardConsumer(ShardSource(STREAM_ARN, shard), reader, around, Inline(), threading.Event())

    # The function

    arn = ScriptedFunction.arn

    def invoke(self, payload: bytes) -> Invocation:
        event = self.last = json.loads(payload)
        numbers = given_to(event)
        assert len({self.window_of[number] for number in numbers}) <= 1, "a batch spans windows"
        assert all(start_of(event) == self.window_of[number] for number in numbers), "the window is another one"
        fault = self.faults.pop(0) if self.faults else "none"
        self.given += [] if fault == "throttle" else numbers
        match fault:
            case "error":
                return fail()
            case "throttle":
                return throttle()
            case "stateless":
                return respond({})
            case "partial" if self.plan.config.report_batch_item_failures and numbers:
                return self.partial(event, numbers)
            case _:
                return gather(event)

    def partial(self, event: dict[str, Any], numbers: list[str]) -> Invocation:
        middle = len(numbers) // 2
        done = {"seen": seen_by(event) + numbers[:middle]}
        return respond({"state": done, "batchItemFailures": [{"itemIdentifier": numbers[middle]}]})

    # What the mapping tells

    def checkpointed(self, _: str, sequence_number: str) -> None:
        assert int(sequence_number) > int(self.checkpoint or 0)
        assert self.window_of[sequence_number] in self.ended(), "the checkpoint is within an open window"
        self.checkpoint = sequence_number

    def observe(self, event: Event) -> None:
        match event:
            case Invoked(records=0, invocation=Invocation(error=None, throttled=False)):
                self.finals.append((start_of(self.last), seen_by(self.last)))
            case WindowLost(start=start):
                self.failed.add(start)
            case GivenUp():
                self.failed.add(start_of(self.last))
            case _:
                pass


def start_of(event: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(event["window"]["start"]).timestamp())


def windows(world: World) -> dict[int, list[str]]:
    starts: Iterable[int] = dict.fromkeys(world.window_of.values())
    return {start: [number for number, of in world.window_of.items() if of == start] for start in starts}


@given(plans())
def test_a_window_that_lost_nothing_is_finalised_once_with_each_of_its_records_once(plan: Plan) -> None:
    """
    Under any arrivals, faults, stops and kills every record reaches the function, and windows are finalised in order.

    A final invocation whose outcome a kill hid is not counted: it comes again.
    """
    world = World(plan).run()

    assert set(world.given) == set(world.window_of)
    starts = [start for start, _ in world.finals]
    assert starts == sorted(starts)
    for start, numbers in windows(world).items():
        states = [seen for begun, seen in world.finals if begun == start]
        if start not in world.failed:
            assert states == [numbers]
        assert all(set(seen) <= set(numbers) and len(set(seen)) == len(seen) for seen in states)
