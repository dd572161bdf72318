"""Deciding: n records in, a prediction or a fault for each; the verdicts that every interface gives."""

from typing import Any

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.inference import Decider
from tests.fakes import FakeTime
from tests.rides import FakeModel, RideDuration, minutes_of, ride_event


def decider(model: FakeModel, time: FakeTime | None = None) -> Decider:
    clock = (time or FakeTime()).clock
    return Decider(model, clock)


def test_each_record_has_its_outcome_in_order() -> None:
    datas = [ride_event(1, 1, 2, 3.0), b"nonsense", ride_event("two", 1, 2, 4.0)]
    decision = decider(FakeModel(name="rides", version="7")).decide(
        [Record(data, str(at)) for at, data in enumerate(datas)]
    )
    assert decision.outcomes() == [
        Prediction("rides", "7", RideDuration(3001.002, 1), "0"),
        InvalidRecord(Reason.UNDECODABLE, "$", "JSON is malformed: invalid character (byte 1)"),
        Prediction("rides", "7", RideDuration(4001.002, "two"), "2"),
    ]
    assert (decision.positions, decision.decided) == ([0, 2], 3)


def test_nothing_is_decided_for_no_records() -> None:
    decision = decider(FakeModel()).decide([])
    assert (decision.outcomes(), decision.decided) == ([], 0)


def test_what_the_deadline_leaves_undecided_has_no_outcome() -> None:
    """A row that the model refuses is looked for by halves, and time passes with each look."""
    time = FakeTime()

    def row(*features: Any) -> float:
        time.sleep(1)
        if features[2] == 4.0:
            raise ValueError("refused")
        return minutes_of(*features)

    records = [Record(ride_event(at, 1, 2, distance)) for at, distance in enumerate((1.0, 2.0, 3.0, 4.0))]
    decision = decider(FakeModel(row), time).decide(records, deadline=time.clock() + 5)
    assert [outcome.prediction.id for outcome in decision.outcomes() if isinstance(outcome, Prediction)] == [0, 1]
    assert (decision.decided, decision.faults) == (2, {})
