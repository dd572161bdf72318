"""The challenger beside the champion: what is measured, what is said once, and that nothing else changes."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.challenger.challenger import MOST_RECORDS
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.errors import BatchFailed
from tests.challenger.fakes import Ended, FakeProcess, Hung, Misdeed
from tests.fakes import DENIED, ENTRY_FAULTS, HANGS, HOPELESS_FAULTS, TRANSIENT_FAULTS, FakeTime, Fault
from tests.harness import Harness
from tests.rides import RIDE_COLUMNS, FakeModel, kafka_event, minutes_of, ride_event

CHALLENGER: dict[str, Any] = {"CHALLENGER_LOCATION": "unused"}
Metrics = Callable[[], dict[str, float]]


def longer(pickup: int, dropoff: int, distance: float) -> float:
    """Return the champion's prediction and as many minutes more as the ride has miles."""
    return minutes_of(pickup, dropoff, distance) + distance


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Metrics:
    """Return what gives the challenger's metrics since it was last asked; the time that it took is left out."""

    def read() -> dict[str, float]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        found = {name: value for line in lines for name, value in line.items() if name.startswith("Challenger")}
        return {name: value[0] for name, value in found.items() if name != "ChallengerTime"}

    return read


def harness(model: FakeModel | None = None, environ: dict[str, str] | None = None, **options: Any) -> Any:
    time = FakeTime()
    process = FakeProcess(time, model, **options)
    run = Harness(time=time, challenger=process, **CHALLENGER | (environ or {}))
    return run, process


def said(run: Harness) -> list[tuple[str, str]]:
    return [(line["level"], line["message"]) for line in run.logs]


# --- what is measured -------------------------------------------------------------------------------------------------


def test_the_difference_of_the_same_records_is_measured(metrics: Metrics) -> None:
    run, process = harness(FakeModel(longer), {"CHALLENGER_THRESHOLD": "2.5"})
    datas = [ride_event(at, distance=miles) for at, miles in enumerate([1.0, 2.0, 3.0])]
    assert run.invoke([*datas, b"poison"]) == {"batchItemFailures": []}
    assert metrics() == {
        "ChallengerCompared": 3.0,
        "ChallengerDisagreements": 1.0,
        "ChallengerDisagreementShare": pytest.approx(1 / 3),
        "ChallengerDifferenceMean": pytest.approx(2.0),
        "ChallengerDifferenceP95": pytest.approx(3.0, rel=0.01),
        "ChallengerFailures": 0.0,
        "ChallengerSkipped": 0.0,
        "ChallengerPublished": 0.0,
    }
    assert process.batches[0].datas == [*datas, b"poison"]
    assert said(run) == [("WARNING", "invalid record"), ("INFO", "challenger loaded")]


def test_labels_have_a_share_of_disagreement_and_no_difference(metrics: Metrics) -> None:
    def labels(of: int) -> Any:
        return FakeModel(lambda _p, _d, distance: ["short", "long"][int(distance) > of])  # type: ignore[arg-type,return-value]

    time = FakeTime()
    run = Harness(time=time, model=labels(1), challenger=FakeProcess(time, labels(2)), **CHALLENGER)
    run.invoke([ride_event(at, distance=at) for at in range(4)])
    found = metrics()
    assert (found["ChallengerCompared"], found["ChallengerDisagreements"]) == (4.0, 1.0)
    assert found["ChallengerDisagreementShare"] == 0.25
    assert not {"ChallengerDifferenceMean", "ChallengerDifferenceP95"} & set(found)


def test_what_only_the_champion_predicts_is_a_failure(metrics: Metrics) -> None:
    run, _ = harness(FakeModel(lambda _p, _d, distance: math.nan if distance > 2 else 1.0))
    run.invoke([ride_event(at, distance=at) for at in range(4)])
    found = metrics()
    assert (found["ChallengerCompared"], found["ChallengerFailures"]) == (3.0, 1.0)


def test_predictions_go_to_a_stream_of_their_own(metrics: Metrics) -> None:
    run, process = harness(FakeModel(longer, version="8"), {"CHALLENGER_STREAM": "challenger_predictions"})
    run.invoke([ride_event(1, distance=1.0), b"poison", ride_event(2, distance=2.0)])
    published = [decode_prediction(entry.data) for entry in process.kinesis.records]
    assert [(made.version, made.id, made.event_id) for made in published] == [
        ("8", made.id, made.event_id) for made in run.predictions
    ]
    assert [made.value for made in published] == [minutes_of(130, 205, miles) + miles for miles in (1.0, 2.0)]
    assert metrics()["ChallengerPublished"] == 2.0


@pytest.mark.parametrize("name", ["ride_events", "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"])
def test_nothing_is_published_on_the_input_stream(name: str, metrics: Metrics) -> None:
    """Where it would be read as an event, and become a dead letter."""
    run, process = harness(environ={"CHALLENGER_STREAM": name})
    for _ in range(2):
        run.invoke([ride_event(1)])
    assert process.kinesis.requests == []
    assert metrics()["ChallengerCompared"] == 1.0
    assert [line["remedy"] for line in run.logs if line["level"] == "WARNING"] == [
        "CHALLENGER_STREAM is the input stream; name another"
    ]


def test_a_test_run_publishes_nothing(metrics: Metrics) -> None:
    run, process = harness(environ={"CHALLENGER_STREAM": "challenger_predictions", "TEST_RUN": "true"})
    run.invoke([ride_event(1)])
    assert process.kinesis.requests == []
    assert metrics()["ChallengerCompared"] == 1.0


def test_only_what_is_settled_is_shown(metrics: Metrics) -> None:
    """The rest comes again, and is shown then."""
    time = FakeTime()
    process = FakeProcess(time)
    run = Harness([Fault("FIRST_ONLY", rejected=frozenset({1})), DENIED], time=time, challenger=process, **CHALLENGER)
    run.invoke([ride_event(1), ride_event(2)])
    assert process.batches[0].datas == [ride_event(1)]
    assert metrics()["ChallengerCompared"] == 1.0


def test_of_kafka_what_each_partition_has_settled_is_shown(metrics: Metrics) -> None:
    """Records that are not settled stand between those that are, and each keeps what the champion made of it."""
    time = FakeTime()
    process = FakeProcess(time)
    faults = [Fault("SECOND", rejected=frozenset({1})), DENIED]
    run = Harness(faults, time=time, challenger=process, KAFKA_PARTIAL_RESPONSE="true", **CHALLENGER)
    run.invoke_with(kafka_event({0: [ride_event(1), ride_event(2)], 1: [b"poison", ride_event(3)]}))
    [batch] = process.batches
    assert batch.datas == [ride_event(1), b"poison", ride_event(3)]
    assert [outcome.reason for outcome in batch.champion] == ["", "undecodable", ""]
    assert metrics()["ChallengerCompared"] == 2.0


def test_a_batch_that_fails_is_not_shown() -> None:
    time = FakeTime()
    process = FakeProcess(time)
    run = Harness([DENIED], time=time, challenger=process, **CHALLENGER)
    with pytest.raises(BatchFailed):
        run.invoke([ride_event(1)])
    assert process.started == 0


def test_rows_are_bounded_for_a_call_and_for_a_batch(metrics: Metrics) -> None:
    run, process = harness()
    run.invoke(ride_event(at) for at in range(MOST_RECORDS + 5))
    assert process.model.calls == [1_000] * 10
    found = metrics()
    assert (found["ChallengerCompared"], found["ChallengerSkipped"]) == (10_000.0, 5.0)


# --- time -------------------------------------------------------------------------------------------------------------


def test_without_its_whole_timeout_before_the_deadline_it_is_not_asked(metrics: Metrics) -> None:
    """So that one that does not answer in time is at fault, and not the champion that left it too little."""
    run, process = harness()
    run.invoke([ride_event(1)], remaining_ms=2_999)
    assert (metrics()["ChallengerSkipped"], process.started) == (1.0, 0)
    run.invoke([ride_event(1)], remaining_ms=3_000)
    assert (metrics()["ChallengerCompared"], process.started) == (1.0, 1)


def test_batches_wait_for_the_model_in_turns(metrics: Metrics) -> None:
    run, process = harness(loading=5.0)
    began = run.time.now
    for skipped in (1.0, 1.0, 0.0):
        run.invoke([ride_event(1)])
        assert metrics()["ChallengerSkipped"] == skipped
    assert (run.time.now - began, process.started) == (5.0, 1)


def test_a_model_that_is_never_loaded_is_given_up(metrics: Metrics) -> None:
    run, process = harness(loading=math.inf)
    began = run.time.now
    for _ in range(30):
        run.invoke([ride_event(1)])
    assert metrics()["ChallengerSkipped"] == 1.0
    assert run.time.now - began == pytest.approx(30.0, abs=0.1)
    assert process.killed == 1
    assert [line["remedy"] for line in run.logs] == ["it is not loaded after 30 s of waiting"]


@pytest.mark.parametrize("misdeed", [Misdeed.HANG, Misdeed.DEAF, Misdeed.END, Misdeed.BABBLE])
def test_one_that_does_not_answer_is_switched_off_once(misdeed: Misdeed, metrics: Metrics) -> None:
    run, process = harness(misdeeds=[None, misdeed])
    run.invoke([ride_event(1)])
    metrics()
    run.invoke([ride_event(1), b"poison"])
    found = metrics()
    assert (found["ChallengerFailures"], found["ChallengerSkipped"]) == (1.0, 0.0)
    for _ in range(3):
        run.invoke([ride_event(1)])
        assert metrics()["ChallengerSkipped"] == 1.0
    assert (process.started, process.killed) == (1, 1)
    assert [message for _, message in said(run)].count("challenger switched off") == 1


def test_one_that_cannot_be_started_or_loaded_is_switched_off_with_the_reason(metrics: Metrics) -> None:
    run, process = harness(start_error=OSError("no memory"))
    other, _ = harness(fault="ModelError: there is no MLflow model at /opt/challenger")
    for _ in range(2):
        assert run.invoke([ride_event(1)]) == other.invoke([ride_event(1)]) == {"batchItemFailures": []}
    assert metrics()["ChallengerSkipped"] == 1.0
    assert process.started == 1
    assert [line["remedy"] for line in run.logs] == ["OSError"]
    assert [line["remedy"] for line in other.logs] == ["ModelError: there is no MLflow model at /opt/challenger"]


def test_a_stream_that_hangs_holds_a_batch_up_for_half_of_the_timeout(metrics: Metrics) -> None:
    run, _ = harness(environ={"CHALLENGER_STREAM": "challenger_predictions"}, stream_faults=[HANGS[0]] * 2)
    for _ in range(2):
        began = run.time.now
        run.invoke([ride_event(1)])
        assert run.time.now - began == pytest.approx(1.0)
        found = metrics()
        assert (found["ChallengerCompared"], found["ChallengerPublished"]) == (1.0, 0.0)


# --- what is said once ------------------------------------------------------------------------------------------------


def test_other_columns_are_said_once_and_compared_all_the_same(metrics: Metrics) -> None:
    """It decodes the events by its own signature, as it would after its promotion."""
    columns = [RIDE_COLUMNS[2], Column("rain", "double", required=False)]
    run, _ = harness(FakeModel(lambda distance, _rain: distance, columns=columns))
    for _ in range(2):
        run.invoke([ride_event(1, distance=2.0)])
        assert metrics()["ChallengerCompared"] == 1.0
    [line] = [line for line in run.logs if line["level"] == "WARNING"]
    assert line["message"] == "challenger has other columns"
    assert line["challenger"] == ["trip_distance:double", "rain:double?"]
    assert line["champion"] == ["PULocationID:long", "DOLocationID:long", "trip_distance:double"]


def test_a_model_that_raises_is_named_once_and_quotes_no_payload(metrics: Metrics) -> None:
    def row(*_values: Any) -> float:
        raise MemoryError("s3cr3t-payload")

    run, process = harness(FakeModel(row))
    for _ in range(2):
        run.invoke([ride_event(1)])
        assert metrics()["ChallengerFailures"] == 1.0
    warnings = [line for line in run.logs if line["level"] == "WARNING"]
    assert [line["message"] for line in warnings] == ["challenger failed on a batch"]
    assert "give the function more" in warnings[0]["error"]
    assert "s3cr3t" not in json.dumps(run.logs)
    assert process.killed == 0


# --- what it cannot change --------------------------------------------------------------------------------------------


def raising(*_values: Any) -> float:
    raise ValueError("no")


def hungry(*_values: Any) -> float:
    raise MemoryError


def hanging(*_values: Any) -> float:
    raise Hung


def ending(*_values: Any) -> float:
    raise Ended


ROWS = (longer, raising, hungry, hanging, ending, lambda *_: math.nan, lambda *_: math.inf, lambda *_: "a label")
DATAS = (
    ride_event("a"),
    ride_event("b", distance=2.0),
    ride_event("c", distance=50.0),
    ride_event("refused", distance=13.0),
    ride_event(1, pickup=0),
    b"poison",
    b"{}",
)
FAULTS = st.lists(st.none() | st.sampled_from([*ENTRY_FAULTS, *TRANSIENT_FAULTS, *HANGS, *HOPELESS_FAULTS]), max_size=6)
BATCHES = st.lists(
    st.tuples(st.lists(st.sampled_from(DATAS), max_size=6), st.sampled_from([1_100, 3_100, 5_100, 60_000])),
    min_size=1,
    max_size=5,
)


def champion(pickup: int, dropoff: int, distance: float) -> float:
    if distance == 13.0:
        raise ValueError("refused")
    return minutes_of(pickup, dropoff, distance)


def played(run: Harness, batches: Sequence[tuple[list[bytes], int]]) -> list[Any]:
    """Return each batch's answer, or the error that Lambda would report; none may come after its time."""
    answers: list[Any] = []
    for number, (datas, remaining) in enumerate(batches):
        began = run.time.now
        try:
            answers.append(run.invoke(datas, first=100 * number, remaining_ms=remaining))
        except BatchFailed as error:
            answers.append(str(error))
        assert run.time.now <= began + remaining / 1000
    return answers


@given(
    batches=BATCHES,
    faults=FAULTS,
    s3_faults=FAULTS,
    stream_faults=FAULTS,
    row=st.sampled_from(ROWS),
    misdeeds=st.lists(st.none() | st.sampled_from(Misdeed), max_size=5),
    loading=st.sampled_from([0.0, 0.5, 3.0, math.inf]),
    fault=st.sampled_from(["", "", "", "ModelError: there is none"]),
    start_error=st.sampled_from([None, None, None, OSError(), MemoryError()]),
)
def test_a_challenger_changes_no_output_no_checkpoint_and_no_dead_letter(
    batches: list[tuple[list[bytes], int]],
    faults: list[Fault | None],
    s3_faults: list[Fault | None],
    stream_faults: list[Fault | None],
    row: Callable[..., float],
    **misbehaviour: Any,
) -> None:
    """Whatever it raises, returns or holds up, and whatever its own stream does."""
    time = FakeTime()
    process = FakeProcess(time, FakeModel(row), stream_faults=stream_faults, **misbehaviour)
    environ = CHALLENGER | {"CHALLENGER_STREAM": "challenger_predictions"}
    alone = Harness(faults, s3_faults=s3_faults, model=FakeModel(champion))
    beside = Harness(faults, s3_faults=s3_faults, model=FakeModel(champion), time=time, challenger=process, **environ)
    assert played(beside, batches) == played(alone, batches)
    assert beside.kinesis.streams == alone.kinesis.streams
    assert [request.entries for request in beside.kinesis.requests] == [
        request.entries for request in alone.kinesis.requests
    ]
    assert beside.s3.objects == alone.s3.objects
