"""The handler behind a Kafka mapping: each partition is settled by itself, and what is not is named or raised."""

from typing import Any

import pytest

from stream_consumer.consumer import BatchResult
from stream_consumer.contract.kafka_event import records_from_kafka
from stream_consumer.contract.record import Reason
from stream_consumer.errors import BatchFailed, DeploymentAtFault, NotAKafkaEvent
from tests.fakes import DENIED, HANG, REJECTING_ALL, FakeTime, Fault, rejecting
from tests.harness import Harness
from tests.rides import TOPIC_ARN, FakeModel, kafka_event, ride_event

pytestmark = pytest.mark.usefixtures("capsys")  # the metrics' lines

SUCCESS: dict[str, Any] = {"batchItemFailures": []}


def rides(first: int, count: int) -> list[bytes | None]:
    return [ride_event(at) for at in range(first, first + count)]


def failures(*named: tuple[int, int]) -> dict[str, Any]:
    """Return the response that names records by partition and offset."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"ride_events-{partition}", "offset": offset}}
            for partition, offset in named
        ]
    }


def partial(*faults: Fault | None, **options: Any) -> Harness:
    return Harness(faults, **{"KAFKA_PARTIAL_RESPONSE": "true"} | options)


def test_a_batch_of_several_partitions_is_scored_by_one_call_of_the_model() -> None:
    model = FakeModel()
    run = Harness(model=model)
    assert run.invoke_with(kafka_event({0: rides(0, 3), 7: rides(3, 2)}, first=10)) == SUCCESS
    assert model.calls == [5]
    assert [(made.event_id, made.prediction.id) for made in run.predictions] == [
        ("ride_events-0:10", 0),
        ("ride_events-0:11", 1),
        ("ride_events-0:12", 2),
        ("ride_events-7:10", 3),
        ("ride_events-7:11", 4),
    ]


def test_invalid_records_and_tombstones_are_dead_letters_of_their_topic() -> None:
    run = Harness()
    assert run.invoke_with(kafka_event({0: [b"not JSON", ride_event(1)], 1: [None]}, first=5)) == SUCCESS
    assert run.ride_ids == [1]
    assert [(letter.event_id, letter.reason, letter.stream, letter.stream_arn) for letter in run.s3.letters] == [
        ("ride_events-0:5", Reason.UNDECODABLE, "ride_events", TOPIC_ARN),
        ("ride_events-1:5", Reason.UNDECODABLE, "ride_events", TOPIC_ARN),
    ]
    assert [letter.kafka.null_value for letter in run.s3.letters if letter.kafka] == [False, True]
    assert run.s3.letters[1].detail == "the value is null, a tombstone: there is nothing to predict"
    [key] = run.s3.objects
    assert key.startswith("dead-letters/ride_events/ride_events-0/5-")


def test_what_one_partition_cannot_publish_does_not_unsettle_another() -> None:
    """Every unsettled offset is named: Lambda delivers again what is named, and nothing else."""
    run = partial(rejecting(1), DENIED)
    assert run.invoke_with(kafka_event({0: rides(0, 4), 1: rides(4, 2)})) == failures((0, 1), (0, 2), (0, 3))
    assert run.ride_ids == [0, 2, 3, 4, 5]


def test_what_comes_again_has_the_same_event_ids() -> None:
    run = partial(rejecting(1), DENIED)
    run.invoke_with(kafka_event({0: rides(0, 3), 1: rides(3, 1)}))
    assert run.invoke_with(kafka_event({0: rides(1, 2)}, first=1)) == SUCCESS
    made = [prediction.event_id for prediction in run.predictions]
    assert made == ["ride_events-0:0", "ride_events-0:2", "ride_events-1:0", "ride_events-0:1", "ride_events-0:2"]


def test_without_a_bucket_each_partition_stops_at_its_first_invalid_record() -> None:
    run = partial(bucket=False)
    event = kafka_event({0: [*rides(0, 2), b"no", *rides(2, 1)], 1: rides(3, 2), 2: [None, *rides(5, 1)]})
    assert run.invoke_with(event) == failures((0, 2), (0, 3), (2, 0), (2, 1))
    assert run.ride_ids == [0, 1, 3, 4]


def test_dead_letters_that_cannot_be_written_unsettle_only_the_partitions_that_have_them() -> None:
    run = partial(s3_faults=[DENIED])
    assert run.invoke_with(kafka_event({0: [b"no", *rides(0, 1)], 1: rides(1, 2)})) == failures((0, 0), (0, 1))
    assert run.ride_ids == [1, 2]


def test_a_prediction_that_the_output_refuses_is_a_dead_letter_in_every_partition() -> None:
    run = partial()
    refused = ride_event("\N{TAXI}" * 256)  # 512 UTF-16 units, which the fake does not take for a key
    assert run.invoke_with(kafka_event({0: [refused, *rides(0, 1)], 1: [*rides(1, 1), refused]})) == SUCCESS
    assert sorted(map(str, run.ride_ids)) == ["0", "1"]
    assert [letter.event_id for letter in run.s3.letters] == ["ride_events-0:0", "ride_events-1:1"]


def test_equal_offsets_of_two_partitions_are_not_taken_for_an_aggregate() -> None:
    """The parts of a KPL aggregate share a sequence number, and are left unsettled together."""
    result = BatchResult(records_from_kafka(kafka_event({0: rides(0, 1), 1: rides(1, 1)}, first=5)))
    result.stop_at(1, "cause")
    assert [record.event_id for record in result.first_unsettled] == ["ride_events-1:5"]
    assert (result.settled, result.unsettled, list(result.settled_positions)) == (1, 1, [0])


def test_a_partition_stops_at_the_earliest_of_several_failures() -> None:
    result = BatchResult(records_from_kafka(kafka_event({0: rides(0, 3), 1: rides(3, 3)})))
    result.stop_at(5, "later")
    result.stop_at(4, "earlier")
    result.stop_at(2, "of another partition")
    assert list(result.unsettled_positions) == [2, 4, 5]
    assert [record.event_id for record in result.first_unsettled] == ["ride_events-0:2", "ride_events-1:1"]
    assert result.cause == "of another partition"


def test_what_is_not_decided_in_time_unsettles_every_partition_from_there_on() -> None:
    time = FakeTime()

    def row(*_values: float) -> float:
        time.sleep(1.0)
        raise ValueError("slow and broken")

    run = partial(model=FakeModel(row), time=time)
    response = run.invoke_with(kafka_event({0: rides(0, 3), 1: rides(3, 3), 2: rides(6, 2)}), remaining_ms=11_000)
    assert response == failures((0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1))
    assert [letter.event_id for letter in run.s3.letters] == ["ride_events-0:0", "ride_events-0:1"]


def test_when_nothing_is_settled_the_invocation_fails() -> None:
    """So Lambda's ``Errors`` shows it, and bisecting applies."""
    run = partial(DENIED)
    with pytest.raises(BatchFailed, match="none of the 3 records could be checkpointed: predictions not published"):
        run.invoke_with(kafka_event({0: rides(0, 2), 1: rides(2, 1)}))
    assert run.kinesis.records == []


def test_a_mapping_without_partial_responses_gets_the_whole_batch_back() -> None:
    """It would take any response for success, and what is not settled would be lost."""
    run = Harness([rejecting(1), DENIED])
    with pytest.raises(BatchFailed, match="1 of the 3 records could not be settled, and all come again"):
        run.invoke_with(kafka_event({0: rides(0, 2), 1: rides(2, 1)}))
    assert run.ride_ids == [0, 2]
    assert run.invoke_with(kafka_event({0: rides(0, 2), 1: rides(2, 1)})) == SUCCESS
    made = [prediction.event_id for prediction in run.predictions]
    assert made == ["ride_events-0:0", "ride_events-1:0", "ride_events-0:0", "ride_events-0:1", "ride_events-1:0"]


def test_a_deadline_leaves_every_partition_unsettled_that_has_something_left() -> None:
    run = partial(rejecting(1, 2), REJECTING_ALL, HANG)
    response = run.invoke_with(kafka_event({0: rides(0, 2), 1: rides(2, 2), 2: rides(4, 1)}), remaining_ms=5_000)
    assert response == failures((0, 1), (1, 0), (1, 1))


def test_the_log_of_a_redelivery_has_the_offset_of_each_partition() -> None:
    run = partial(rejecting(1, 2), DENIED)
    run.invoke_with(kafka_event({0: rides(0, 2), 3: rides(2, 2), 4: rides(4, 1)}))
    [line] = [line for line in run.logs if line["message"] == "redelivery"]
    assert line["partitions"] == {"ride_events-0": 1, "ride_events-3": 0}
    assert line["unsettled"] == 3


def test_a_batch_of_invalid_records_alone_is_the_deployments_fault_in_kafka_too() -> None:
    run = partial()
    with pytest.raises(DeploymentAtFault, match="none of the 100 records is valid"):
        run.invoke_with(kafka_event({0: [b"no"] * 50, 1: [b"no"] * 50}))
    assert run.s3.objects == {}


def test_an_event_that_only_looks_like_kafkas_is_refused() -> None:
    with pytest.raises(NotAKafkaEvent):
        Harness().invoke_with({"records": 1})
