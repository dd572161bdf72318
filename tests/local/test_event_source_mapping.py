"""The mapping on a scriptable Kinesis: positions, resharding, faults of reading, checkpoints, and its end."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from stream_consumer.errors import LocalPlatformError, StreamUnreadable, UsageError
from stream_consumer.local.mapping.checkpoints import Checkpoints, FileCheckpoints, MemoryCheckpoints
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import (
    DeliveryFailed,
    Event,
    GivenUp,
    Invoked,
    Observer,
    Read,
    ReadingFailed,
    ShardFinished,
    ShardStarted,
    Tally,
    unobserved,
)
from stream_consumer.local.mapping.on_failure import OnFailureDestination
from stream_consumer.local.runtime.functions import Function, FunctionError, Invocation
from tests.local.fakes import (
    START,
    STREAM_ARN,
    FakeClock,
    FakeDestination,
    FakeKinesis,
    ScriptedFunction,
    client_error,
    fail,
    report,
    shard_name,
    succeed,
    throttle,
)


def mapping_of(
    kinesis: FakeKinesis,
    function: Function,
    *,
    on_failure: OnFailureDestination | None = None,
    observer: Observer = unobserved,
    checkpoints: Checkpoints | None = None,
    **config: Any,
) -> EventSourceMapping:
    return EventSourceMapping(
        cast("Any", kinesis),
        function,
        MappingConfig(stream_name="rides", **config),
        on_failure=on_failure,
        observer=observer,
        checkpoints=checkpoints,
        clock=kinesis.clock,
    )


def consume(kinesis: FakeKinesis, function: Function, **options: Any) -> None:
    """Run a mapping until nothing is left."""
    mapping = mapping_of(kinesis, function, **options)
    mapping.drain()
    mapping.run()


def delivered(function: ScriptedFunction) -> list[str]:
    return [number for batch in function.batches for number in batch]


def test_a_stream_is_delivered_in_order() -> None:
    kinesis, function, tally = FakeKinesis(), ScriptedFunction(), Tally()
    numbers = kinesis.put(*"abcdefg")

    consume(kinesis, function, batch_size=3, observer=tally)

    assert function.batches == [numbers[:3], numbers[3:6], numbers[6:]]
    assert tally.counts.records_settled == 7
    assert tally.counts.invocations == 3


def test_the_event_is_lambdas() -> None:
    """Every field of a record in the event is as Lambda writes it."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    [number] = kinesis.put("130", data=b'{"ride": {}}', age=1.25)

    consume(kinesis, function)

    assert function.events == [
        {
            "Records": [
                {
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": "130",
                        "sequenceNumber": number,
                        "data": "eyJyaWRlIjoge319",
                        "approximateArrivalTimestamp": START - 1.25,
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"shardId-000000000000:{number}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": "arn:aws:iam::000000000000:role/local-event-source-mapping",
                    "awsRegion": "eu-west-1",
                    "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/rides",
                }
            ]
        }
    ]


def test_every_page_of_a_shard_and_every_shard_is_read() -> None:
    kinesis, function = FakeKinesis(3, page=2), ScriptedFunction()
    put = [kinesis.put(*"abcde", shard=shard) for shard in range(3)]

    consume(kinesis, function)

    assert sorted(delivered(function)) == sorted(number for numbers in put for number in numbers)


def test_an_empty_page_is_not_the_tip() -> None:
    """Kinesis may give pages without records in the middle of a shard; drain reads on."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    numbers = kinesis.put("a")
    kinesis.empty_pages = 5

    consume(kinesis, function)

    assert delivered(function) == numbers


def test_every_page_of_the_list_of_shards_is_read() -> None:
    kinesis, tally = FakeKinesis(5), Tally()
    kinesis.shards_a_page = 2

    consume(kinesis, ScriptedFunction(), observer=tally)

    assert tally.counts.shards_started == 5


# Where reading begins


def put_when_started(kinesis: FakeKinesis, mapping: Callable[[], EventSourceMapping]) -> Observer:
    """An observer that puts one more record after the first read, and only then lets the mapping drain."""
    left = [1]

    def observe(event: Event) -> None:
        if isinstance(event, Read) and left:
            left.pop()
            kinesis.put("late")
            mapping().drain()

    return observe


def test_latest_delivers_only_what_comes_after_the_start() -> None:
    kinesis, function = FakeKinesis(), ScriptedFunction()
    early = kinesis.put("early")
    mapping = mapping_of(
        kinesis, function, starting_position="LATEST", observer=put_when_started(kinesis, lambda: mapping)
    )

    mapping.run()

    assert len(delivered(function)) == 1
    assert delivered(function) != early


def test_at_timestamp_delivers_from_that_moment_on() -> None:
    kinesis, function = FakeKinesis(), ScriptedFunction()
    kinesis.put("early", age=60)
    late = kinesis.put("late", age=30)

    consume(
        kinesis,
        function,
        starting_position="AT_TIMESTAMP",
        starting_position_timestamp=datetime.fromtimestamp(START - 30, UTC),
    )

    assert delivered(function) == late


def test_latest_ignores_shards_that_were_closed_before_the_start() -> None:
    """From LATEST a closed shard has nothing to give, and its children begin at their own tip."""
    kinesis, function, tally = FakeKinesis(), ScriptedFunction(), Tally()
    kinesis.put("early")
    left, right = kinesis.split(0)
    kinesis.put("early too", shard=left)
    kinesis.put("early as well", shard=right)

    consume(kinesis, function, starting_position="LATEST", observer=tally)

    assert delivered(function) == []
    assert tally.counts.shards_started == 2


def test_from_latest_children_are_read_from_their_beginning() -> None:
    """Also a child that had to wait for its other parent, and whatever Kinesis' clock says of its records."""
    kinesis, function, reads = FakeKinesis(2), ScriptedFunction(), list[Event]()
    late: list[str] = []

    def observe(event: Event) -> None:
        reads.append(event)
        if len({read.shard_id for read in reads if isinstance(read, Read)}) == 2 and not late:
            merged = kinesis.merge(0, 1)
            late.extend(kinesis.put("late", shard=merged, age=60))
            mapping.drain()

    mapping = mapping_of(kinesis, function, observer=observe, starting_position="LATEST")
    mapping.run()

    assert delivered(function) == late


# Resharding


def test_a_parent_is_fully_consumed_before_its_children_begin() -> None:
    kinesis, function = FakeKinesis(page=1), ScriptedFunction(fail(), fail())
    parent = kinesis.put(*"abc")
    left, right = kinesis.split(0)
    children = kinesis.put(*"ab", shard=left) + kinesis.put(*"cd", shard=right)

    consume(kinesis, function, batch_size=1)

    assert delivered(function)[:5] == [parent[0], parent[0], *parent]
    assert sorted(delivered(function)[5:]) == sorted(children)


def test_a_merged_shard_waits_for_both_parents() -> None:
    kinesis, function = FakeKinesis(2), ScriptedFunction()
    parents = kinesis.put(*"ab", shard=0) + kinesis.put(*"cd", shard=1)
    merged = kinesis.merge(0, 1)
    child = kinesis.put("e", shard=merged)

    consume(kinesis, function, batch_size=1)

    assert sorted(delivered(function)[:4]) == sorted(parents)
    assert delivered(function)[4:] == child


def test_resharding_while_running_is_followed() -> None:
    """Generations of shards that come while the mapping runs are found and consumed."""
    kinesis, function, seen = FakeKinesis(), ScriptedFunction(), list[Event]()
    expected = kinesis.put("a")

    def observe(event: Event) -> None:
        seen.append(event)
        generation = len([one for one in seen if isinstance(one, Invoked)])
        if isinstance(event, Invoked) and generation < 4:
            left, _ = kinesis.split(len(kinesis.shards) - 1 if generation == 1 else len(kinesis.shards) - 2)
            expected.extend(kinesis.put("a", shard=left))
        elif isinstance(event, Invoked):
            mapping.drain()  # not before: what is put while a mapping drains may be left

    mapping = mapping_of(kinesis, function, observer=observe)
    mapping.run()

    assert delivered(function) == expected
    assert len(expected) == 4
    finished = [event.shard_id for event in seen if isinstance(event, ShardFinished)]
    assert finished == [shard_name(0), shard_name(1), shard_name(3)]


def test_parents_that_left_the_stream_are_not_waited_for() -> None:
    """Once a parent's records have expired it is listed no more, and its children stand alone."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    left, _ = kinesis.split(0)
    del kinesis.shards[shard_name(0)]
    numbers = kinesis.put("a", shard=left)

    consume(kinesis, function)

    assert delivered(function) == numbers


def test_children_that_are_not_listed_yet_are_looked_for_again() -> None:
    """ListShards may know of children later than the reader of their parent."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    parent = kinesis.put("a")
    kinesis.shards[shard_name(0)].closed = True
    late: list[str] = []

    class Later(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> None:
            if seconds == Pace().discovery_seconds and not late:
                left, _ = kinesis.split(0)
                late.extend(kinesis.put("b", shard=left))
                mapping.drain()
            super().wait(event, seconds)

    kinesis.clock = Later()
    mapping = mapping_of(kinesis, function)
    mapping.run()

    assert delivered(function) == parent + late


# Faults of reading


def test_an_expired_iterator_is_renewed_after_the_last_record_read() -> None:
    kinesis, function = FakeKinesis(page=2), ScriptedFunction()
    numbers = kinesis.put(*"abcde")

    def observe(event: Event) -> None:
        if isinstance(event, Read):
            kinesis.expire_iterators()

    consume(kinesis, function, observer=observe)

    assert delivered(function) == numbers


def test_an_iterator_that_expires_before_anything_came_skips_nothing() -> None:
    """From LATEST too: what came between the first iterator and its renewal is delivered."""
    kinesis, function, reads = FakeKinesis(), ScriptedFunction(), list[Event]()
    kinesis.put("early", age=5)
    late: list[str] = []

    def observe(event: Event) -> None:
        reads.append(event)
        if isinstance(event, Read) and not late:
            late.extend(kinesis.put("late"))
            kinesis.expire_iterators()
            mapping.drain()

    mapping = mapping_of(kinesis, function, observer=observe, starting_position="LATEST")
    mapping.run()

    assert delivered(function) == late


@pytest.mark.parametrize(
    "fault",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("LimitExceededException"),
        client_error("InternalFailure", 500),
        client_error("AnythingAtAll", 503),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
    ids=["throttled", "limited", "internal", "unavailable", "no connection"],
)
@pytest.mark.parametrize("operation", ["get_records", "get_shard_iterator"])
def test_a_failed_read_is_repeated_after_longer_and_longer_waits(operation: str, fault: Exception) -> None:
    kinesis, function, waits = FakeKinesis(), ScriptedFunction(), list[float]()
    numbers = kinesis.put(*"abc")
    kinesis.faults[operation] = [fault] * 3

    consume(
        kinesis,
        function,
        observer=lambda event: waits.append(event.wait_seconds) if isinstance(event, ReadingFailed) else None,
    )

    assert delivered(function) == numbers
    assert waits == [1.0, 2.0, 4.0]


def test_reads_that_fail_beyond_patience_end_the_mapping() -> None:
    kinesis = FakeKinesis()
    kinesis.faults["get_records"] = [client_error("InternalFailure", 500)] * 100

    with pytest.raises(LocalPlatformError, match=r"reading shardId-000000000000 has failed for \d+ s.*InternalFailure"):
        consume(kinesis, ScriptedFunction())


def test_access_denied_ends_the_mapping_at_once() -> None:
    kinesis = FakeKinesis(2)
    kinesis.faults["get_records"] = [client_error("AccessDeniedException")]

    with pytest.raises(StreamUnreadable, match="AccessDeniedException"):
        mapping_of(kinesis, ScriptedFunction()).run()


def test_a_stream_that_does_not_exist_is_named() -> None:
    kinesis = FakeKinesis()
    kinesis.faults["describe_stream_summary"] = [client_error("ResourceNotFoundException")]

    with pytest.raises(StreamUnreadable, match=r"the stream .rides..*ResourceNotFoundException"):
        consume(kinesis, ScriptedFunction())


def test_a_throttled_list_of_shards_is_asked_for_again() -> None:
    kinesis, function = FakeKinesis(), ScriptedFunction()
    numbers = kinesis.put("a")
    kinesis.faults["list_shards"] = [client_error("LimitExceededException")] * 3

    consume(kinesis, function)

    assert delivered(function) == numbers


def test_a_list_of_shards_that_is_denied_ends_the_mapping() -> None:
    kinesis = FakeKinesis()
    kinesis.faults["list_shards"] = [client_error("AccessDeniedException")]

    with pytest.raises(StreamUnreadable, match="the shards of arn:aws:kinesis:"):
        consume(kinesis, ScriptedFunction())


# Faults of the function


def test_an_error_a_throttle_and_a_partial_response_are_followed_by_retries() -> None:
    kinesis, tally = FakeKinesis(), Tally()
    one, two, three = numbers = kinesis.put(*"abc")
    function = ScriptedFunction(fail(), throttle(), report(two))

    consume(kinesis, function, observer=tally, report_batch_item_failures=True)

    assert function.batches == [numbers, numbers, numbers, [two, three]]
    assert (tally.counts.errors, tally.counts.throttles, tally.counts.invocations) == (1, 1, 4)
    assert one not in function.batches[-1]


def test_what_is_given_up_is_handed_over_before_the_shard_goes_on() -> None:
    """A document is written for a poison record, and only then does the next batch come."""
    kinesis, destination, tally = FakeKinesis(), FakeDestination(refusals=2), Tally()
    poison, good = kinesis.put(*"ab")
    function = ScriptedFunction(ever_after=lambda batch: fail() if poison in batch else succeed(batch))
    events: list[Event] = []

    def observe(event: Event) -> None:
        tally(event)
        events.append(event)

    consume(kinesis, function, on_failure=destination, observer=observe, batch_size=1, maximum_retry_attempts=1)

    assert function.batches == [[poison], [poison], [good]]
    assert destination.taken == [([poison], "RetryAttemptsExhausted")]
    assert tally.counts.records_discarded == 1
    assert tally.counts.records_settled == 2
    assert [event.wait_seconds for event in events if isinstance(event, DeliveryFailed)] == [1.0, 2.0]


def test_without_a_destination_what_is_given_up_is_only_counted() -> None:
    kinesis, events = FakeKinesis(), list[Event]()
    kinesis.put("a")

    consume(kinesis, ScriptedFunction(fail()), observer=events.append, maximum_retry_attempts=0)

    assert GivenUp(shard_name(0), 1, "RetryAttemptsExhausted") in events


def test_a_destination_that_stays_away_ends_the_mapping_and_loses_nothing() -> None:
    """The checkpoint never passes records whose document was not written."""
    kinesis, checkpoints = FakeKinesis(), MemoryCheckpoints()
    good, poison = kinesis.put(*"ab")
    function = ScriptedFunction(ever_after=lambda batch: fail() if poison in batch else succeed(batch))

    with pytest.raises(LocalPlatformError, match=r"the on-failure destination has failed for .* told to refuse"):
        consume(
            kinesis,
            function,
            on_failure=FakeDestination(refusals=1000),
            checkpoints=checkpoints,
            batch_size=1,
            maximum_retry_attempts=0,
        )

    progress = checkpoints.load(STREAM_ARN)
    assert progress is not None
    assert progress.shards[shard_name(0)].sequence_number == good


def test_a_record_that_no_event_can_carry_is_an_error_of_the_invocation() -> None:
    """A record of more than 6 MB never reaches the function: it is retried and given up like an error."""
    kinesis, function, destination, events = FakeKinesis(), ScriptedFunction(), FakeDestination(), list[Event]()
    [large] = kinesis.put("a", data=bytes(5 * 1024 * 1024))
    [small] = kinesis.put("a")

    consume(kinesis, function, on_failure=destination, observer=events.append, maximum_retry_attempts=1)

    assert function.batches == [[small]]
    assert destination.taken == [([large], "RetryAttemptsExhausted")]
    [first, *_] = [event for event in events if isinstance(event, Invoked)]
    assert first.invocation.error is not None
    assert first.invocation.error.error_type == "RequestTooLargeException"


@pytest.mark.parametrize("fault", [RuntimeError("a fault of the platform"), SystemExit(3)])
def test_a_fault_of_the_platform_ends_the_mapping_and_is_raised(fault: BaseException) -> None:
    """What nobody foresaw on any thread stops every shard and comes out of run; nothing hangs."""
    kinesis = FakeKinesis(3)
    kinesis.put("a", shard=1)

    with pytest.raises(type(fault), match=str(fault)):
        mapping_of(kinesis, ScriptedFunction(fault)).run()


def test_a_fault_of_the_observer_ends_the_mapping_and_is_raised() -> None:
    def observe(event: Event) -> None:
        if isinstance(event, ShardStarted):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mapping_of(FakeKinesis(), ScriptedFunction(), observer=observe).run()


# Concurrency


class Meeting:
    """A function whose invocations wait for *count* of them to be under way, up to a real second."""

    arn = ScriptedFunction.arn

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)

    def invoke(self, _: bytes) -> Invocation:
        self._barrier.wait(10)
        return succeed(())


def test_shards_are_consumed_beside_each_other() -> None:
    kinesis, tally = FakeKinesis(3), Tally()
    for shard in range(3):
        kinesis.put("a", shard=shard)

    consume(kinesis, Meeting(3), observer=tally)

    assert tally.counts.records_settled == 3


def test_a_parallelization_factor_delivers_keys_beside_each_other() -> None:
    """With factor n up to n batches of one shard are with the function at once."""
    kinesis, tally = FakeKinesis(), Tally()
    kinesis.put(*"ab")

    consume(kinesis, Meeting(2), observer=tally, parallelization_factor=10)

    assert tally.counts.invocations == 2


# The end, and beginning again


def test_stop_finishes_the_invocation_at_hand_and_begins_no_other() -> None:
    kinesis, checkpoints = FakeKinesis(), MemoryCheckpoints()
    numbers = kinesis.put(*"abc")

    class Stopping(ScriptedFunction):
        def invoke(self, payload: bytes) -> Invocation:
            mapping.stop()
            return super().invoke(payload)

    function = Stopping()
    mapping = mapping_of(kinesis, function, checkpoints=checkpoints, batch_size=1)
    mapping.run()

    assert function.batches == [numbers[:1]]
    progress = checkpoints.load(STREAM_ARN)
    assert progress is not None
    assert progress.shards[shard_name(0)].sequence_number == numbers[0]


def test_an_interrupt_finishes_the_invocation_at_hand_and_is_raised_again() -> None:
    kinesis, under_way, function = FakeKinesis(), threading.Event(), ScriptedFunction()
    kinesis.put("a")

    class Interrupted(FakeClock):
        def wait(self, event: threading.Event, seconds: float | None) -> None:
            if threading.current_thread() is threading.main_thread():
                assert under_way.wait(10)
                raise KeyboardInterrupt
            super().wait(event, seconds)

    class Slow(ScriptedFunction):
        def invoke(self, payload: bytes) -> Invocation:
            under_way.set()
            return super().invoke(payload)

    kinesis.clock = Interrupted()
    function, tally = Slow(), Tally()

    with pytest.raises(KeyboardInterrupt):
        mapping_of(kinesis, function, observer=tally).run()
    assert tally.counts.records_settled == 1


def test_a_mapping_stopped_before_it_runs_does_nothing() -> None:
    kinesis, function = FakeKinesis(), ScriptedFunction()
    kinesis.put("a")
    mapping = mapping_of(kinesis, function)

    mapping.stop()
    mapping.run()

    assert function.batches == []


@pytest.fixture(params=["memory", "file"])
def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoints:
    return MemoryCheckpoints() if request.param == "memory" else FileCheckpoints(tmp_path / "checkpoints.json")


def test_a_mapping_goes_on_after_the_checkpoint(checkpoints: Checkpoints) -> None:
    kinesis, function = FakeKinesis(), ScriptedFunction()
    kinesis.put(*"ab")
    consume(kinesis, ScriptedFunction(), checkpoints=checkpoints)
    later = kinesis.put("c")

    consume(kinesis, function, checkpoints=checkpoints)

    assert delivered(function) == later


def test_finished_parents_stay_finished(checkpoints: Checkpoints) -> None:
    """After a restart only the children of a consumed shard are read, from their beginning."""
    kinesis, function, tally = FakeKinesis(), ScriptedFunction(), Tally()
    kinesis.put("a")
    kinesis.shards[shard_name(0)].closed = True
    consume(kinesis, ScriptedFunction(), checkpoints=checkpoints)
    left, _ = kinesis.split(0)
    child = kinesis.put("b", shard=left)

    consume(kinesis, function, checkpoints=checkpoints, observer=tally, starting_position="LATEST")

    assert delivered(function) == child
    assert tally.counts.shards_started == 2


def test_latest_resumes_where_it_began(checkpoints: Checkpoints) -> None:
    """What came between two runs from LATEST is delivered by the second, though the first had no checkpoint yet."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    kinesis.put("early", age=5)
    consume(kinesis, ScriptedFunction(), checkpoints=checkpoints, starting_position="LATEST")
    between = kinesis.put("between")

    consume(kinesis, function, checkpoints=checkpoints, starting_position="LATEST")

    assert delivered(function) == between


def test_checkpoints_of_another_stream_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.json"
    path.write_text(json.dumps({"stream_arn": "arn:aws:kinesis:eu-west-1:1:stream/other", "started": 0, "shards": {}}))

    with pytest.raises(UsageError, match=r"checkpoints\.json belong to .*stream/other, not to .*stream/rides"):
        consume(FakeKinesis(), ScriptedFunction(), checkpoints=FileCheckpoints(path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"stream_arn": 1, "started": 0, "shards": {"a": {"b": 1}}}'])
def test_a_file_that_holds_no_checkpoints_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.json"
    path.write_text(content)

    with pytest.raises(UsageError, match="is not a checkpoint file"):
        consume(FakeKinesis(), ScriptedFunction(), checkpoints=FileCheckpoints(path))


def test_drain_waits_for_what_was_put_before_it() -> None:
    """A shard at its tip is read once more after drain was called."""
    kinesis, function = FakeKinesis(), ScriptedFunction()
    mapping = mapping_of(kinesis, function, observer=put_when_started(kinesis, lambda: mapping))

    mapping.run()

    assert len(delivered(function)) == 1


def test_the_mapping_of_a_function_and_a_stream_has_always_the_same_uuid() -> None:
    """On-failure documents of two runs lie side by side."""
    one, other = (mapping_of(FakeKinesis(), ScriptedFunction()) for _ in range(2))

    assert one.uuid == other.uuid


def test_the_pace_of_a_shard_at_its_tip() -> None:
    """A shard at its tip is read once a second; one that is behind five times a second, which Kinesis allows."""
    kinesis, reads = FakeKinesis(page=1), list[tuple[float, int]]()
    kinesis.put(*"abc")
    mapping = mapping_of(
        kinesis,
        ScriptedFunction(),
        observer=lambda event: (
            reads.append((kinesis.clock.now() - START, event.records)) if isinstance(event, Read) else None
        ),
    )

    mapping.drain()
    mapping.run()

    assert [records for _, records in reads] == [1, 1, 1, 0]
    assert [at for at, _ in reads] == pytest.approx([0.0, 0.2, 0.4, 1.4], abs=0.001)


def test_errors_are_told_to_the_observer_as_they_are() -> None:
    kinesis, events = FakeKinesis(), list[Event]()
    kinesis.put("a", age=2)

    consume(kinesis, ScriptedFunction(fail()), observer=events.append)

    [first, second] = [event for event in events if isinstance(event, Invoked)]
    assert first.invocation.error == FunctionError("ValueError", "told to fail")
    assert first.oldest_age_seconds >= 2
    assert second.invocation.error is None
