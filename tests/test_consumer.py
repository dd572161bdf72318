"""The walk of a failure: for each row of the design's table, what is on the stream, in the bucket, and answered."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.consumer import BatchResult, Consumer
from stream_consumer.contract import kpl
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.prediction import Prediction, decode_prediction
from stream_consumer.contract.record import Reason
from stream_consumer.errors import BatchFailed, DeploymentAtFault, ModelError
from stream_consumer.inference import Decider
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.models.loading import load_model
from tests.example_models import minutes_of_trip
from tests.fakes import (
    DENIED,
    HANG,
    HANG_AFTER,
    NOT_FOUND,
    REJECTING_ALL,
    RESET_AFTER,
    THROTTLED,
    FakeKinesis,
    FakeTime,
    Fault,
    rejecting,
)
from tests.harness import Harness
from tests.hostile import HOSTILE, SHOWN
from tests.rides import (
    RIDE_COLUMNS,
    SHARD,
    FakeModel,
    RideDuration,
    kinesis_event,
    minutes_of,
    ride_event,
    sequence_number,
)

pytestmark = pytest.mark.usefixtures("capsys")  # the metrics' lines

SUCCESS: dict[str, Any] = {"batchItemFailures": []}


def failure(position: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": sequence_number(position)}]}


def rides(count: int) -> list[bytes]:
    return [ride_event(at) for at in range(count)]


def refusing(*distances: float) -> FakeModel:
    def row(pickup: int, dropoff: int, distance: float) -> float:
        if distance in distances:
            raise ValueError("refused")
        return math.inf if distance == 99 else minutes_of(pickup, dropoff, distance)

    return FakeModel(row)


# --- no failure -------------------------------------------------------------------------------------------------------


def test_every_ride_becomes_a_prediction_in_order() -> None:
    model = FakeModel()
    run = Harness(model=model)
    assert run.invoke([ride_event(256), ride_event("b", 1, 2, 0.5)]) == SUCCESS
    assert run.predictions == [
        Prediction(
            "ride_duration_prediction_model", "Test123", RideDuration(3790.205, 256), f"{SHARD}:{sequence_number(0)}"
        ),
        Prediction(
            "ride_duration_prediction_model", "Test123", RideDuration(501.002, "b"), f"{SHARD}:{sequence_number(1)}"
        ),
    ]
    assert [entry.partition_key for entry in run.kinesis.records] == ["256", "b"]
    assert model.calls == [2]
    assert run.s3.requests == []
    assert run.logs == []


def test_an_empty_batch_is_a_success_without_any_call() -> None:
    model = FakeModel()
    run = Harness(model=model)
    assert run.invoke([]) == SUCCESS
    assert (model.calls, run.kinesis.requests, run.s3.requests) == ([], [], [])


def test_a_redelivery_gives_the_same_bytes() -> None:
    run = Harness()
    run.invoke([*rides(3), b"bad"])
    run.invoke([*rides(3), b"bad"])
    assert run.kinesis.records[:3] == run.kinesis.records[3:]
    assert len(run.s3.objects) == 1


# --- the record is at fault -------------------------------------------------------------------------------------------

INVALID = {
    "not JSON": (b"\xffnot JSON", Reason.UNDECODABLE, "$"),
    "wrong shape": (b'{"ride":[]}', Reason.SCHEMA, "$.ride"),
    "a refused key": (ride_event(""), Reason.SCHEMA, "$.ride_id"),
    "a long key": (ride_event("x" * 257), Reason.SCHEMA, "$.ride_id"),
    "out of bounds": (ride_event(1, 0), Reason.BOUNDS, "$.ride.PULocationID"),
    "refused by the model": (ride_event(1, distance=13), Reason.UNSCORABLE, "$.ride"),
    "predicted infinite": (ride_event(1, distance=99), Reason.UNSCORABLE, "$.ride"),
    "no data": (b"", Reason.UNDECODABLE, "$"),
}


@pytest.mark.parametrize(("data", "reason", "path"), INVALID.values(), ids=INVALID)
def test_an_invalid_record_is_a_dead_letter_and_the_batch_goes_on(data: bytes, reason: Reason, path: str) -> None:
    """With reason, path, arrival, shard, sequence number and the original bytes."""
    run = Harness(model=refusing(13))
    assert run.invoke([ride_event(0), data, ride_event(2)]) == SUCCESS
    assert run.ride_ids == [0, 2]
    [letter] = run.s3.letters
    assert (letter.reason, letter.path, letter.data) == (reason, path, data)
    assert (letter.stream, letter.shard, letter.arrival) == ("ride_events", SHARD, "2026-11-21T01:02:03.456Z")
    assert (letter.event_id, letter.sequence_number) == (f"{SHARD}:{sequence_number(1)}", sequence_number(1))
    assert letter.partition_key == "key-1"


def test_all_invalid_records_of_a_batch_are_one_object_under_the_first_ones_number() -> None:
    run = Harness(model=refusing(13))
    assert run.invoke([ride_event(0), b"1", ride_event(2, distance=13), ride_event(3), b"4"]) == SUCCESS
    digest = "ce7a12eff08044f2"
    assert list(run.s3.objects) == [f"dead-letters/ride_events/{SHARD}/{sequence_number(1)}-{digest}.jsonl"]
    assert [letter.sequence_number for letter in run.s3.letters] == [sequence_number(at) for at in (1, 2, 4)]
    assert run.ride_ids == [0, 3]


def test_a_batch_of_invalid_records_is_settled_by_their_dead_letters() -> None:
    run = Harness()
    assert run.invoke([b"1", b"2"]) == SUCCESS
    assert run.kinesis.requests == []
    assert len(run.s3.letters) == 2


def test_without_a_dead_letter_bucket_an_invalid_record_is_the_failure() -> None:
    """So the mapping's own on-failure destination takes it; what precedes it is published, and nothing behind it."""
    run = Harness(bucket=False)
    assert run.invoke([ride_event(0), ride_event(1), b"bad", ride_event(3)]) == failure(2)
    assert run.ride_ids == [0, 1]
    assert run.logs[-1]["cause"] == "undecodable at $, and there is no DEAD_LETTER_BUCKET"


def test_without_a_dead_letter_bucket_an_invalid_record_at_the_front_fails_the_invocation() -> None:
    run = Harness(bucket=False)
    with pytest.raises(BatchFailed, match="none of the 2 records could be checkpointed: undecodable"):
        run.invoke([b"bad", ride_event(1)])
    assert run.kinesis.requests == []


# --- the output is at fault -------------------------------------------------------------------------------------------


def test_only_rejected_entries_are_resent() -> None:
    run = Harness([rejecting(1)])
    assert run.invoke(rides(3)) == SUCCESS
    assert run.ride_ids == [0, 2, 1]
    assert [len(request.entries) for request in run.kinesis.requests] == [3, 1]


@pytest.mark.parametrize(
    ("faults", "position"),
    [
        ([rejecting(2), *[REJECTING_ALL] * 99], 2),
        ([rejecting(2, 1), DENIED], 1),
        ([None, DENIED], 500),
        ([None, HANG], 500),
        ([None, HANG_AFTER], 500),
        ([None, NOT_FOUND], 500),
        ([None, rejecting(7, 3), *[THROTTLED] * 99], 503),
    ],
    ids=[
        "rejected to the end",
        "rejected, then denied",
        "denied",
        "hanging",
        "no answer",
        "gone",
        "throttled to the end",
    ],
)
def test_the_lowest_unsettled_record_is_the_checkpoint(faults: list[Fault | None], position: int) -> None:
    """What is answered names it alone; nothing is sent beyond the requests that were in flight with the failure."""
    run = Harness(faults)
    assert run.invoke(rides(2_000)) == failure(position)
    assert {data for request in run.kinesis.requests for data in request.keys} <= {str(at) for at in range(1_000)}
    assert set(run.ride_ids) >= set(range(position))


def test_the_records_behind_the_checkpoint_come_again_and_complete_the_stream() -> None:
    run = Harness([None, rejecting(5), *[REJECTING_ALL] * 99])
    assert run.invoke(rides(1_200), remaining_ms=3_000) == failure(505)
    run.kinesis.script(*[None] * 99)
    assert run.invoke(rides(1_200)[505:], first=505) == SUCCESS
    first_of_each = list(dict.fromkeys(run.kinesis.records))
    fault_free = Harness()
    fault_free.invoke(rides(1_200))
    assert Counter(first_of_each) == Counter(fault_free.kinesis.records)


def test_when_nothing_could_be_settled_the_invocation_fails() -> None:
    """Errors shows it, and bisecting applies."""
    run = Harness([DENIED])
    with pytest.raises(BatchFailed, match=r"none of the 3 records could be checkpointed: .*AccessDeniedException"):
        run.invoke(rides(3))
    assert run.kinesis.records == []


def test_when_time_is_up_before_publishing_nothing_is_sent() -> None:
    """The margin is kept back to answer in."""
    run = Harness()
    with pytest.raises(BatchFailed, match="the deadline came before an answer"):
        run.invoke(rides(1), remaining_ms=1_000)
    assert run.kinesis.requests == []


def test_the_deadline_is_the_invocations_remaining_time_less_the_margin() -> None:
    run = Harness([HANG], DEADLINE_MARGIN_MS="250")
    with pytest.raises(BatchFailed):
        run.invoke(rides(1), remaining_ms=10_000)
    assert run.time.now == 1_009.75


# --- the dead letters' bucket is at fault -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults", [[DENIED], [THROTTLED] * 99, [HANG]], ids=["denied", "throttled to the end", "hanging"]
)
def test_dead_letters_that_cannot_be_written_are_never_dropped(faults: list[Fault | None]) -> None:
    """The first of them is the checkpoint; what precedes it is published, for which half of the time is kept."""
    run = Harness(s3_faults=faults)
    assert run.invoke([ride_event(0), b"bad", ride_event(2)]) == failure(1)
    assert run.ride_ids == [0]
    assert run.s3.letters == []
    assert run.time.now <= 1_029.5


def test_a_dead_letter_is_acknowledged_before_anything_is_published() -> None:
    run = Harness([DENIED])
    with pytest.raises(BatchFailed):
        run.invoke([ride_event(0), b"bad"])
    assert len(run.s3.letters) == 1
    assert run.s3.requests[0].at <= run.kinesis.requests[0].at


WIDE = "\N{TAXI}" * 200  # as many characters as Kinesis takes, and more UTF-16 units than the fake does


def test_a_record_whose_prediction_the_stream_refuses_is_a_dead_letter_and_the_batch_goes_on() -> None:
    run = Harness()
    datas = [*rides(1_300), ride_event(WIDE), b"bad", *rides(1_300)]
    assert run.invoke(datas) == SUCCESS
    assert len(run.predictions) == 2_600
    assert {letter.sequence_number: (letter.reason, letter.data) for letter in run.s3.letters} == {
        sequence_number(1_300): (Reason.UNSCORABLE, datas[1_300]),
        sequence_number(1_301): (Reason.UNDECODABLE, b"bad"),
    }
    [detail] = [letter.detail for letter in run.s3.letters if letter.reason is Reason.UNSCORABLE]
    assert detail == (
        "the output stream refuses its prediction: PutRecords was answered with ValidationException (HTTP status 400)"
    )


def test_nothing_is_published_behind_a_refused_prediction_whose_dead_letter_is_not_written() -> None:
    """But for the requests that were in flight with it."""
    run = Harness(s3_faults=[DENIED])
    assert run.invoke([*rides(5), ride_event(WIDE), *rides(3_000)]) == failure(5)
    assert len(run.predictions) == 2 * 500 - 1
    assert run.s3.letters == []


@pytest.mark.parametrize("keys", ["1", "8"])
def test_a_prediction_refused_inside_an_aggregate_is_a_dead_letter_and_the_others_are_published_once(keys: str) -> None:
    run = Harness(PUBLISH_AGGREGATE_KEYS=keys)
    run.kinesis.forbidden = [b'"id-7"', b'"id-1500"']
    datas = [ride_event(f"id-{at}") for at in range(2_500)]
    assert run.invoke(datas) == SUCCESS
    assert {letter.data for letter in run.s3.letters} == {datas[7], datas[1_500]}
    assert sorted(run.ride_ids) == sorted(f"id-{at}" for at in range(2_500) if at not in {7, 1_500})
    if keys == "1":
        assert run.ride_ids == [f"id-{at}" for at in range(2_500) if at not in {7, 1_500}]


def test_without_a_dead_letter_bucket_a_refused_prediction_is_the_failure() -> None:
    run = Harness(bucket=False)
    assert run.invoke([ride_event(1), ride_event(WIDE)]) == failure(1)
    assert run.ride_ids == [1]


def test_a_prediction_too_large_for_a_record_is_a_dead_letter() -> None:
    run = Harness(model=FakeModel(name="m" * 2**20))
    assert run.invoke(rides(2)) == SUCCESS
    assert [letter.detail for letter in run.s3.letters] == [
        "the output stream refuses its prediction: larger than 1048576 bytes with its key"
    ] * 2


def test_a_redelivered_dead_letter_overwrites_itself() -> None:
    run = Harness(s3_faults=[RESET_AFTER])
    assert run.invoke([b"bad"]) == SUCCESS
    assert run.invoke([b"bad"]) == SUCCESS
    assert len(run.s3.requests) == 3
    assert len(run.s3.letters) == 1


# --- the model is at fault --------------------------------------------------------------------------------------------


def test_a_model_that_breaks_in_service_settles_nothing() -> None:
    """No record is at fault, so none is dead-lettered."""

    def row(*_values: float) -> float:
        raise ValueError("broken")

    run = Harness(model=FakeModel(row, healthy=False))
    with pytest.raises(ModelError):
        run.invoke([ride_event(0), b"bad"])
    assert (run.kinesis.requests, run.s3.requests) == ([], [])


def test_when_isolating_takes_too_long_nothing_is_settled() -> None:
    """No verdict, no dead letter: bisecting makes the batch smaller."""
    time = FakeTime()

    def row(*_values: float) -> float:
        time.sleep(2.0)
        raise ValueError("slow and broken")

    run = Harness(model=FakeModel(row), time=time)
    with pytest.raises(BatchFailed, match="isolating the rows that the model refuses took too long"):
        run.invoke(rides(50), remaining_ms=5_000)
    assert (run.kinesis.requests, run.s3.requests) == ([], [])


def test_the_verdicts_that_isolating_reached_in_half_of_the_time_are_settled() -> None:
    """So a batch of rows that the model refuses slowly gets on, even where the mapping does not bisect."""
    time = FakeTime()

    def row(*_values: float) -> float:
        time.sleep(1.0)
        raise ValueError("slow and broken")

    run = Harness(model=FakeModel(row), time=time)
    assert run.invoke(rides(8), remaining_ms=11_000) == failure(2)
    assert [letter.sequence_number for letter in run.s3.letters] == [sequence_number(0), sequence_number(1)]


def test_an_invocation_that_fails_for_its_records_says_so_without_a_text_to_obey() -> None:
    """Lambda logs what is raised as it is."""

    def refuse(_pickup: int, _dropoff: int, _distance: float) -> float:
        raise ValueError(f"no such payment: {HOSTILE}")

    with pytest.raises(DeploymentAtFault) as raised:
        Harness(model=FakeModel(refuse)).invoke(rides(100))
    assert str(raised.value).isprintable()
    assert SHOWN in str(raised.value)


# --- aggregates -------------------------------------------------------------------------------------------------------


def aggregate(*ride_ids: int | str, poison: bool = False) -> bytes:
    datas = [ride_event(ride_id) for ride_id in ride_ids] + ([b"poison"] if poison else [])
    return kpl.fold([SubRecord("producer", data) for data in datas])


def test_the_sub_records_of_an_aggregate_have_event_ids_of_their_own() -> None:
    run = Harness()
    assert run.invoke([aggregate(1, 2, poison=True)]) == SUCCESS
    event_id = f"{SHARD}:{sequence_number(0)}"
    assert [prediction.event_id for prediction in run.predictions] == [f"{event_id}.0", f"{event_id}.1"]
    [letter] = run.s3.letters
    assert (letter.event_id, letter.sequence_number, letter.data) == (f"{event_id}.2", sequence_number(0), b"poison")
    assert letter.partition_key == "producer"


def test_an_aggregate_is_checkpointed_whole() -> None:
    """Its sub-records share the sequence number: the one that failed cannot be told from those before it."""
    run = Harness([rejecting(3), *[REJECTING_ALL] * 99])
    assert run.invoke([ride_event("a"), aggregate(1, 2, 3), ride_event("b")]) == failure(1)
    assert run.ride_ids == ["a", 1, 2, "b"]
    run.kinesis.script(*[None] * 99)
    assert run.invoke([aggregate(1, 2, 3), ride_event("b")], first=1) == SUCCESS
    assert list(dict.fromkeys(run.ride_ids)) == ["a", 1, 2, "b", 3]


def test_an_aggregate_at_the_front_that_fails_fails_the_invocation() -> None:
    run = Harness([rejecting(2), *[REJECTING_ALL] * 99])
    with pytest.raises(BatchFailed):
        run.invoke([aggregate(1, 2, 3), ride_event("b")])


def test_a_poison_sub_record_holds_back_its_whole_aggregate_if_there_is_no_bucket() -> None:
    run = Harness(bucket=False)
    assert run.invoke([ride_event("a"), aggregate(1, poison=True), ride_event("b")]) == failure(1)
    assert run.ride_ids == ["a"]


# --- direct invocations -----------------------------------------------------------------------------------------------


def test_the_minimal_record_of_a_direct_invocation_is_scored_and_published() -> None:
    """Without an event id there is nothing to tell a repetition by."""
    run = Harness()
    event = {"Records": [{"kinesis": {"data": kinesis_event([ride_event(256)])["Records"][0]["kinesis"]["data"]}}]}
    assert run.handler(event, None) == SUCCESS
    assert run.predictions == [
        Prediction("ride_duration_prediction_model", "Test123", RideDuration(3790.205, 256), None)
    ]


def test_a_direct_invocation_whose_records_cannot_be_named_fails_as_a_whole() -> None:
    """What is answered could not say where to begin again."""
    run = Harness([rejecting(1), DENIED])
    event = kinesis_event(rides(2))
    for record in event["Records"]:
        del record["kinesis"]["sequenceNumber"]
    with pytest.raises(BatchFailed):
        run.handler(event, None)


# --- a batch's result -------------------------------------------------------------------------------------------------


def test_a_batch_stops_at_the_earliest_of_several_failures() -> None:
    result = BatchResult(records_from_lambda(kinesis_event(rides(5))))
    result.stop_at(3, "first found")
    result.stop_at(4, "later, behind it")
    assert (result.settled, result.unsettled, result.cause) == (3, 2, "first found")
    result.stop_at(1, "later, before it")
    assert (result.settled, result.cause, result.checkpoint) == (1, "later, before it", sequence_number(1))


def test_records_without_sequence_numbers_are_not_taken_for_an_aggregate() -> None:
    result = BatchResult(records_from_lambda({"Records": [{"kinesis": {"data": ""}}] * 3}))
    result.stop_at(2, "cause")
    assert (result.settled, result.checkpoint) == (2, None)


def test_the_oldest_arrival_is_that_of_the_records_that_have_one() -> None:
    event = kinesis_event(rides(3))
    event["Records"][0]["kinesis"].pop("approximateArrivalTimestamp")
    event["Records"][1]["kinesis"]["approximateArrivalTimestamp"] = 5.0
    assert BatchResult(records_from_lambda(event)).oldest_arrival == 5.0
    assert BatchResult([]).oldest_arrival is None


# --- another model ----------------------------------------------------------------------------------------------------


def no_s3() -> Any:
    raise AssertionError("no S3 client is needed")


def test_a_model_with_other_columns_is_scored_end_to_end(trips_model: Path) -> None:
    """One string column, one optional, one boolean: no code knows what a ride is made of."""
    model = load_model(str(trips_model), s3=no_s3)
    kinesis = FakeKinesis()
    consumer = Consumer(
        Decider(model), predictions=PredictionStream(kinesis.client, "ride_predictions"), dead_letters=None
    )
    datas = [
        b'{"ride":{"payment":"card","tolls":2.0,"shared":true},"ride_id":1}',
        b'{"ride":{"payment":"cash","shared":false},"ride_id":2}',
        b'{"ride":{"payment":"cash","tolls":null,"shared":true},"ride_id":3}',
        b'{"ride":{"payment":"card","tolls":"2.0","shared":true},"ride_id":4}',
    ]
    result = consumer.process(records_from_lambda(kinesis_event(datas)))
    assert (result.settled, result.cause) == (3, "schema at $.ride.tolls, and there is no DEAD_LETTER_BUCKET")
    minutes = [decode_prediction(entry.data).prediction.value for entry in kinesis.records]
    assert minutes == pytest.approx(
        [
            minutes_of_trip("card", 2.0, shared=True),
            minutes_of_trip("cash", None, shared=False),
            minutes_of_trip("cash", None, shared=True),
        ]
    )


# --- a deployment at fault --------------------------------------------------------------------------------------------


def test_a_new_environment_does_not_empty_the_stream_into_the_dead_letters() -> None:
    """A model with one more required column refuses every ride: nothing is written and nothing is settled."""
    columns = (*RIDE_COLUMNS, Column("passengers", "long"))
    run = Harness(model=FakeModel(lambda *row: float(len(row)), columns=columns))
    with pytest.raises(DeploymentAtFault) as caught:
        run.invoke([ride_event(at) for at in range(100)])
    assert str(caught.value) == (
        "none of the 100 records is valid: 100 have the fault schema at $.ride (Object missing required field "
        "`passengers`); deploy a model whose signature fits the events, such as a copy by `stream-consumer model "
        "sign`, or set ENTITY_FIELD or ID_FIELD, or MODEL_COLUMNS if the model has no signature"
    )
    assert run.s3.letters == []


def test_fewer_records_or_one_good_one_are_no_proof_against_the_deployment() -> None:
    run = Harness()
    assert run.invoke([b"bad"] * 99) == {"batchItemFailures": []}
    assert run.invoke([*[b"bad"] * 150, ride_event(1)]) == {"batchItemFailures": []}
    assert run.invoke([b"bad"] * 200) == {"batchItemFailures": []}
    assert len(run.s3.letters) == 99 + 150 + 200


def test_the_share_of_dead_letters_may_be_limited() -> None:
    run = Harness(DEAD_LETTER_MAX_SHARE="5%")
    assert run.invoke([*[ride_event(at) for at in range(95)], *[b"bad"] * 5]) == {"batchItemFailures": []}
    with pytest.raises(DeploymentAtFault, match="10% of the last 106 records are invalid, more than the"):
        run.invoke([b"bad"] * 6)
    assert len(run.s3.letters) == 5
