"""Every rule of delivery as a sentence, and what it does to a batch of records 1 to n."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.delivery_rules import Batch, Discarded, first_failed
from stream_consumer.local.mapping.shard_queue import ShardQueue
from stream_consumer.local.runtime.functions import Invocation
from tests.local.fakes import START, fail, report, respond, stream_records, throttle

Function = Callable[[list[int]], Invocation]


def says(response: object) -> Function:
    return lambda _: respond(response)


def succeeds() -> Function:
    return says({"batchItemFailures": []})


def raises_on(*poison: int) -> Function:
    return lambda numbers: fail() if set(poison) & set(numbers) else respond(None)


def reports(*poison: int) -> Function:
    """Reports each poisonous record of the batch."""
    return lambda numbers: report(*(str(number) for number in numbers if number in poison))


def each_once(*poison: int) -> Function:
    """Reports the first record of the batch that it has not reported before."""
    left = list(poison)

    def function(numbers: list[int]) -> Invocation:
        new = next((number for number in numbers if number in left), None)
        if new is None:
            return report()
        left.remove(new)
        return report(str(new))

    return function


def in_turn(*outcomes: Invocation, then: Function) -> Function:
    left = list(outcomes)
    return lambda numbers: left.pop(0) if left else then(numbers)


@dataclass
class Story:
    invoked: list[list[int]] = field(default_factory=list)
    discarded: list[tuple[list[int], str, int]] = field(default_factory=list)
    """Records, condition, approximate invoke count."""
    checkpoints: list[int] = field(default_factory=list)


def play(function: Function, count: int, *, seconds_an_invocation: float = 0.0, **config: Any) -> Story:
    """Deliver records 1 … count of one shard to *function* until nothing is left."""
    queue = ShardQueue(MappingConfig(stream_name="rides", **config), Pace())
    queue.add(stream_records(range(1, count + 1)), START)
    story, now = Story(), START
    while not queue.empty:
        assert len(story.invoked) < 100, "it would go on for ever"
        for lane, work in queue.take(now):
            batch = work.batch if isinstance(work, Discarded) else work
            numbers = [int(record.sequence_number) for record in batch.records]
            if isinstance(work, Discarded):
                story.discarded.append((numbers, work.condition.value, batch.invocations))
                queue.delivered(lane, work)
            else:
                story.invoked.append(numbers)
                now += seconds_an_invocation
                queue.invoked(lane, work, function(numbers), now)
        moved = queue.checkpoint()
        story.checkpoints += [int(moved[1])] if moved else []
        now += queue.wait(now) or 0.0
    return story


@dataclass(frozen=True)
class Rule:
    sentence: str
    function: Function
    config: dict[str, Any]
    invoked: list[list[int]]
    discarded: list[tuple[list[int], str, int]] = field(default_factory=list)
    records: int = 3


REPORTING = {"report_batch_item_failures": True}
ALL = [1, 2, 3]
EXHAUSTED = "RetryAttemptsExhausted"
TOO_OLD = "RecordAgeExceeded"


def complete_success(response: object) -> Rule:
    return Rule(f"The response {json.dumps(response)} is complete success.", says(response), REPORTING, [ALL])


def complete_failure(what: str, failures: object) -> Rule:
    return Rule(
        f"A response with {what} is complete failure: the whole batch comes again.",
        in_turn(respond({"batchItemFailures": failures}), then=succeeds()),
        REPORTING,
        [ALL, ALL],
    )


RULES = [
    # What a response means
    *map(complete_success, ["", [], None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}]),
    complete_failure("an empty identifier", [{"itemIdentifier": ""}]),
    complete_failure("a null identifier", [{"itemIdentifier": None}]),
    complete_failure("an identifier that is not in the batch", [{"itemIdentifier": "9"}]),
    complete_failure("an identifier that is a number", [{"itemIdentifier": 2}]),
    complete_failure("a wrong inner key", [{"item_identifier": "2"}]),
    complete_failure("items that are no objects", ["2"]),
    complete_failure("one good and one bad identifier", [{"itemIdentifier": "2"}, {"itemIdentifier": ""}]),
    Rule(
        "A mis-spelled top-level key is silent success: the failures are lost.",
        says({"batch_item_failures": [{"itemIdentifier": "2"}]}),
        REPORTING,
        [ALL],
    ),
    Rule(
        "Other keys beside batchItemFailures change nothing.",
        says({"batchItemFailures": [], "predictions": [{"itemIdentifier": "1"}]}),
        REPORTING,
        [ALL],
    ),
    Rule(
        "A reported record comes again with everything after it, and nothing before it does.",
        in_turn(report("2"), then=succeeds()),
        REPORTING,
        [ALL, [2, 3]],
    ),
    Rule(
        "Of several identifiers the lowest sequence number is the checkpoint, in whatever order they are reported.",
        in_turn(report("3", "2"), then=succeeds()),
        REPORTING,
        [ALL, [2, 3]],
    ),
    Rule(
        "Sequence numbers compare as integers: 9 is lower than 10.",
        in_turn(report("10", "9"), then=succeeds()),
        REPORTING,
        [list(range(1, 12)), [9, 10, 11]],
        records=11,
    ),
    Rule(
        "Without ReportBatchItemFailures the response is ignored, whatever it says.",
        says({"batchItemFailures": [{"itemIdentifier": "2"}]}),
        {},
        [ALL],
    ),
    Rule(
        "A function error is complete failure, with ReportBatchItemFailures too.",
        in_turn(fail(), then=succeeds()),
        REPORTING,
        [ALL, ALL],
    ),
    # Retries
    Rule(
        "By default a batch is retried until it succeeds.",
        in_turn(*[fail()] * 20, then=succeeds()),
        {},
        [ALL] * 21,
    ),
    Rule(
        "MaximumRetryAttempts=n is one invocation and n retries, then the batch is discarded with a document.",
        raises_on(2),
        {"maximum_retry_attempts": 2},
        [ALL] * 3,
        [(ALL, EXHAUSTED, 3)],
    ),
    Rule(
        "MaximumRetryAttempts=0 is no retry.",
        raises_on(2),
        {"maximum_retry_attempts": 0},
        [ALL],
        [(ALL, EXHAUSTED, 1)],
    ),
    Rule(
        "After a discarded batch the shard goes on with the next.",
        raises_on(2),
        {"maximum_retry_attempts": 1, "batch_size": 2},
        [[1, 2], [1, 2], [3, 4]],
        [([1, 2], EXHAUSTED, 2)],
        records=4,
    ),
    Rule(
        "The invocation that moves the checkpoint is not charged: of 6 records in batches of 3, the last of which "
        "always fails, 3 retries deliver records 0 to 4 once and record 5 five times, and the document counts 4.",
        reports(6),
        {**REPORTING, "maximum_retry_attempts": 3, "batch_size": 3},
        [ALL, [4, 5, 6], [6], [6], [6], [6]],
        [([6], EXHAUSTED, 4)],
        records=6,
    ),
    Rule(
        "Records that each fail once are all delivered, however many they are for the retries.",
        each_once(1, 2, 3, 4, 5, 6),
        {**REPORTING, "maximum_retry_attempts": 2},
        [[*range(first, 7)] for first in (1, 1, 2, 3, 4, 5, 6)],
        records=6,
    ),
    Rule(
        "The count of retries begins anew when the checkpoint moves.",
        in_turn(report("1"), report("2"), then=reports(2)),
        {**REPORTING, "maximum_retry_attempts": 2},
        [[1, 2], [1, 2], [2], [2], [2]],
        [([2], EXHAUSTED, 3)],
        records=2,
    ),
    Rule(
        "Without retries what moves the checkpoint is still not charged.",
        reports(3),
        {**REPORTING, "maximum_retry_attempts": 0},
        [ALL, [3]],
        [([3], EXHAUSTED, 1)],
    ),
    Rule(
        "What is discarded after a partial response is the rest of the batch from the checkpoint on.",
        reports(2),
        {**REPORTING, "maximum_retry_attempts": 1},
        [ALL, [2, 3], [2, 3]],
        [([2, 3], EXHAUSTED, 2)],
    ),
    Rule(
        "A complete failure by response consumes retries like an error.",
        says({"batchItemFailures": [{"itemIdentifier": ""}]}),
        {**REPORTING, "maximum_retry_attempts": 1},
        [ALL] * 2,
        [(ALL, EXHAUSTED, 2)],
    ),
    Rule(
        "Throttles before the invocation consume no retries and do not count as invocations.",
        in_turn(throttle(), throttle(), throttle(), then=raises_on(1)),
        {"maximum_retry_attempts": 1},
        [ALL] * 5,
        [(ALL, EXHAUSTED, 2)],
    ),
    # Bisect
    Rule(
        "An error splits a batch in two halves, the first half first.",
        in_turn(fail(), then=succeeds()),
        {"bisect_batch_on_function_error": True},
        [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5]],
        records=5,
    ),
    Rule(
        "Splits are free: a poison record is alone before its retries begin, and only it is discarded.",
        raises_on(3),
        {"bisect_batch_on_function_error": True, "maximum_retry_attempts": 1},
        [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [4]],
        [([3], EXHAUSTED, 4)],
        records=4,
    ),
    Rule(
        "With no retries at all a batch is still split.",
        raises_on(1),
        {"bisect_batch_on_function_error": True, "maximum_retry_attempts": 0},
        [[1, 2], [1], [2]],
        [([1], EXHAUSTED, 2)],
        records=2,
    ),
    Rule(
        "A partial response splits at the returned sequence number, free of charge.",
        reports(3),
        {**REPORTING, "bisect_batch_on_function_error": True, "maximum_retry_attempts": 1},
        [[1, 2, 3, 4], [3, 4], [3, 4]],
        [([3, 4], EXHAUSTED, 2)],
        records=4,
    ),
    Rule(
        "A partial response at the first record splits nothing off and consumes a retry.",
        reports(1),
        {**REPORTING, "bisect_batch_on_function_error": True, "maximum_retry_attempts": 0},
        [ALL],
        [(ALL, EXHAUSTED, 1)],
    ),
    Rule(
        "An error splits in halves with ReportBatchItemFailures too.",
        in_turn(fail(), then=succeeds()),
        {**REPORTING, "bisect_batch_on_function_error": True},
        [[1, 2], [1], [2]],
        records=2,
    ),
    Rule(
        "Without bisect an error never splits.",
        in_turn(fail(), then=succeeds()),
        {},
        [ALL, ALL],
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=[rule.sentence for rule in RULES])
def test_rule(rule: Rule) -> None:
    story = play(rule.function, rule.records, **rule.config)

    assert story.invoked == rule.invoked
    assert story.discarded == rule.discarded
    assert story.checkpoints[-1] == rule.records


def test_records_that_exceed_the_maximum_age_are_discarded_after_what_was_tried() -> None:
    """Retries end, whatever their number, when the records exceed the maximum age: condition RecordAgeExceeded."""
    story = play(raises_on(1), 2, seconds_an_invocation=25.0, maximum_record_age_in_seconds=60)

    # Invocations end after 25, 51 (1 s of backoff), 78 (2 s more): then the records are older than 60 s.
    assert story.invoked == [[1, 2]] * 3
    assert story.discarded == [([1, 2], TOO_OLD, 3)]


def test_throttles_do_not_protect_from_the_maximum_age() -> None:
    """A throttled batch is given up when it is too old, never having reached the function."""
    story = play(lambda _: throttle(), 2, seconds_an_invocation=25.0, maximum_record_age_in_seconds=60)

    assert story.discarded == [([1, 2], TOO_OLD, 0)]


def test_only_the_expired_first_records_of_a_batch_are_discarded() -> None:
    """Records too old when their turn comes are discarded without an invocation; the rest of the batch is delivered."""
    config = MappingConfig(stream_name="rides", maximum_record_age_in_seconds=60)
    queue = ShardQueue(config, Pace())
    queue.add(stream_records([1, 2], arrived=START - 61), START)
    queue.add(stream_records([3], arrived=START - 60), START)

    [(lane, discarded)] = queue.take(START)
    assert isinstance(discarded, Discarded)
    assert [record.sequence_number for record in discarded.batch.records] == ["1", "2"]
    assert discarded.condition.value == TOO_OLD
    queue.delivered(lane, discarded)
    [(lane, batch)] = queue.take(START)

    assert isinstance(batch, Batch)
    assert [record.sequence_number for record in batch.records] == ["3"]


def test_retries_wait_twice_as_long_each_time_and_splits_do_not_wait() -> None:
    """Retries back off, 1, 2, 4 … s; the halves of a split come at once."""
    queue = ShardQueue(MappingConfig(stream_name="rides", bisect_batch_on_function_error=True), Pace())
    queue.add(stream_records([1, 2]), START)
    waits: list[float | None] = []
    for _ in range(4):
        [(lane, batch)] = queue.take(START + 1000 * len(waits))
        assert isinstance(batch, Batch)
        queue.invoked(lane, batch, fail(), START + 1000 * len(waits))
        waits.append(queue.wait(START + 1000 * len(waits)))

    assert waits == [0.0, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("payload", [b"", b"null", b'"text"', b"3"])
def test_a_response_that_is_no_object_is_complete_success(payload: bytes) -> None:
    """Only the list under the exact key means anything."""
    assert first_failed(payload, ["1", "2"]) is None


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"[" * 100_000], ids=["cut off", "not UTF-8", "nested too deeply"])
def test_a_response_that_is_not_json_is_complete_failure(payload: bytes) -> None:
    """What nobody can read is no success."""
    assert first_failed(payload, ["1", "2"]) == 0
