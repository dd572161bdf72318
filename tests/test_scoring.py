"""Scoring: n rows in, n outcomes out, in order, with one model call; which rows are at fault, and when the model is."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.errors import ModelError
from stream_consumer.scoring import Scorer
from tests.fakes import FakeTime
from tests.rides import FakeModel, minutes_of, ride_event

DEADLINE = math.inf


def columns(*distances: float) -> list[list[Any]]:
    """Return one row for each distance, columns in the signature's order."""
    return [[1] * len(distances), [2] * len(distances), list(distances)]


def refusing(*refused: float, error: Exception | None = None) -> Callable[..., float]:
    """Return a row's prediction that raises for these distances, as scikit-learn does for a whole matrix."""

    def row(pickup: int, dropoff: int, distance: float) -> float:
        if distance in refused:
            raise error or ValueError(f"refused {distance}")
        return minutes_of(pickup, dropoff, distance)

    return row


def unscorable(detail: str) -> InvalidRecord:
    return InvalidRecord(Reason.UNSCORABLE, "$.ride", detail)


def test_a_good_batch_is_one_model_call() -> None:
    model = FakeModel()
    assert Scorer(model).score(columns(1, 2, 3), DEADLINE) == [1001.002, 2001.002, 3001.002]
    assert model.calls == [3]


def test_an_empty_batch_is_no_model_call() -> None:
    model = FakeModel()
    assert Scorer(model).score(columns(), DEADLINE) == []
    assert model.calls == []


def test_events_become_columns_in_the_signatures_order() -> None:
    model = FakeModel()
    events: list[Any] = [model.schema.decode(ride_event(at, at, at + 100, at / 2)) for at in (1, 2)]
    assert Scorer(model).columns(events) == [[1, 2], [101, 102], [0.5, 1.0]]
    assert Scorer(model).columns([]) == [[], [], []]


def test_a_row_that_the_model_refuses_is_isolated_and_the_others_are_scored() -> None:
    model = FakeModel(refusing(6))
    outcomes = Scorer(model).score(columns(*range(8)), DEADLINE)
    assert outcomes[6] == unscorable("ValueError: refused 6")
    assert outcomes[:6] + outcomes[7:] == [minutes_of(1, 2, at) for at in (0, 1, 2, 3, 4, 5, 7)]
    assert model.calls == [8, 4, 4, 2, 2, 1, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_prediction_that_is_not_finite_costs_only_its_own_row(value: float) -> None:
    """It takes no second call to find it."""
    model = FakeModel(lambda _pickup, _dropoff, distance: value if distance == 1 else distance)
    assert Scorer(model).score(columns(0, 1, 2), DEADLINE) == [
        0.0,
        unscorable(f"the prediction is not finite: {value}"),
        2.0,
    ]
    assert model.calls == [3]


def test_a_detail_is_short_whatever_the_model_says() -> None:
    model = FakeModel(refusing(1, error=ValueError("x" * 1_000_000)))
    [outcome] = Scorer(model).score(columns(1), DEADLINE)
    assert outcome == unscorable("ValueError: " + "x" * 488)


def test_when_every_row_fails_with_a_healthy_model_the_rows_are_at_fault() -> None:
    model = FakeModel(refusing(1, 2))
    assert Scorer(model).score(columns(1, 2), DEADLINE) == [
        unscorable("ValueError: refused 1"),
        unscorable("ValueError: refused 2"),
    ]


def test_when_every_row_fails_with_a_broken_model_no_row_is_at_fault() -> None:
    with pytest.raises(ModelError, match="own input example"):
        Scorer(FakeModel(refusing(1, 2), healthy=False)).score(columns(1, 2), DEADLINE)


def test_a_model_that_scores_every_row_is_not_asked_for_its_example() -> None:
    assert len(Scorer(FakeModel(healthy=False)).score(columns(1, 2), DEADLINE)) == 2


@pytest.mark.parametrize(
    ("answer", "shape"),
    [(lambda rows: np.zeros((rows + 1, 2)), "(2, 2)"), (lambda _rows: np.zeros(0), "(0,)")],
    ids=["a row too many", "no number at all"],
)
def test_a_prediction_of_the_wrong_shape_is_the_rows_fault_only_if_the_model_is_healthy(
    answer: Callable[[int], NDArray[np.float64]], shape: str
) -> None:
    class Misshapen(FakeModel):
        def minutes(self, columns: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
            return answer(len(columns[0]))

    detail = f"ValueError: the model returned the shape {shape} for 1 rows; wanted one prediction a row"
    assert Scorer(Misshapen()).score(columns(1, 2), DEADLINE) == [unscorable(detail)] * 2
    with pytest.raises(ModelError):
        Scorer(Misshapen(healthy=False)).score(columns(1, 2), DEADLINE)


def test_a_column_of_predictions_is_as_good_as_a_row() -> None:
    class Columnar(FakeModel):
        def minutes(self, columns: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
            return super().minutes(columns).reshape(-1, 1).astype(np.float32)

    assert Scorer(Columnar()).score(columns(0.5, 1), DEADLINE) == [pytest.approx(501.002), pytest.approx(1001.002)]


def test_isolating_stops_at_the_deadline() -> None:
    """The rows decided by then keep their verdicts, so that the batch comes again without them."""
    time = FakeTime(now=0.0)

    def slow(_pickup: int, _dropoff: int, distance: float) -> float:
        time.sleep(1.0)
        if distance == 3:
            raise ValueError("refused")
        return distance

    model = FakeModel(slow)
    outcomes = Scorer(model, time.clock).score(columns(*range(8)), deadline=13.0)
    assert model.calls == [8, 4, 2, 2, 1, 1]
    assert outcomes == [0.0, 1.0, 2.0, unscorable("ValueError: refused")]


def test_a_deadline_before_any_verdict_leaves_every_row_undecided() -> None:
    model = FakeModel(refusing(0))
    assert Scorer(model, lambda: 9.0).score(columns(0, 1), deadline=1.0) == []
    assert model.calls == [2]


def test_a_broken_model_decides_nothing_at_the_deadline() -> None:
    """What was decided so far may be the model's fault: no dead letter on its word."""
    model = FakeModel(refusing(0, 1), healthy=False)
    with pytest.raises(ModelError):
        Scorer(model, lambda: 9.0).score(columns(0, 1), deadline=1.0)


def test_a_good_batch_has_no_deadline() -> None:
    """The model's one call cannot be interrupted; what follows it looks at the clock."""
    assert Scorer(FakeModel(), lambda: 9.0).score(columns(1), deadline=1.0) == [1001.002]


def test_a_machine_that_is_too_small_is_no_rows_fault() -> None:
    model = FakeModel(refusing(1, error=MemoryError("too small")))
    with pytest.raises(MemoryError):
        Scorer(model).score(columns(0, 1, 2), DEADLINE)
    assert model.calls == [3]


def test_values_that_training_never_saw_are_counted() -> None:
    categories = {"DOLocationID": frozenset({2, 3}), "PULocationID": frozenset({1})}
    scorer = Scorer(FakeModel(categories=categories))
    assert scorer.unseen([[1, 1, 9], [2, 4, 5], [0.0, 0.0, 0.0]]) == 3
    assert scorer.unseen([[], [], []]) == 0
    assert Scorer(FakeModel()).unseen([[9], [9], [0.0]]) == 0


@given(st.lists(st.sampled_from(["good", "refused", "nan"]), min_size=1, max_size=40))
def test_every_row_gets_its_own_outcome_whatever_its_neighbours_do(kinds: list[str]) -> None:
    def row(pickup: int, dropoff: int, distance: float) -> float:
        kind = kinds[int(distance)]
        if kind == "refused":
            raise ValueError("refused")
        return math.nan if kind == "nan" else minutes_of(pickup, dropoff, distance)

    model = FakeModel(row)
    expected: dict[str, Callable[[int], float | InvalidRecord]] = {
        "good": lambda at: minutes_of(1, 2, at),
        "refused": lambda _at: unscorable("ValueError: refused"),
        "nan": lambda _at: unscorable("the prediction is not finite: nan"),
    }
    assert Scorer(model).score(columns(*range(len(kinds))), DEADLINE) == [
        expected[kind](at) for at, kind in enumerate(kinds)
    ]
    assert len(model.calls) <= 1 + 2 * kinds.count("refused") * math.ceil(math.log2(len(kinds)) + 1)


class Counting(FakeModel):
    """A model that counts how often its example was tried."""

    def check(self) -> list[Any]:
        self.calls.append(0)
        return super().check()


@pytest.mark.parametrize("fault", [refusing(*range(8)), lambda *_row: math.nan], ids=["refused", "not finite"])
def test_the_example_is_tried_once_where_all_rows_fail(fault: Callable[..., float]) -> None:
    model = Counting(fault)
    assert all(isinstance(one, InvalidRecord) for one in Scorer(model).score(columns(*range(8)), DEADLINE))
    assert model.calls.count(0) == 1


def test_the_example_is_tried_before_any_row_is_isolated() -> None:
    model = Counting(refusing(*range(8)), healthy=False)
    with pytest.raises(ModelError):
        Scorer(model).score(columns(*range(8)), DEADLINE)
    assert model.calls == [8, 0]


# --- a model that has not shown that it can predict -------------------------------------------------------------------


class Unproven(FakeModel):
    """A model without an example."""

    def check(self) -> list[Any]:
        return []


def test_a_model_that_never_predicted_is_at_fault_for_a_batch_that_fails_whole() -> None:
    """Three calls tell it, not 2n - 1: the batch, its first row and its last."""
    model = Unproven(refusing(*range(1, 101), error=ValueError("column 'secret' is unknown")))
    with pytest.raises(ModelError, match="has not predicted any row yet and fails: ValueError: column … is unknown"):
        Scorer(model).score(columns(*range(1, 101)), DEADLINE)
    assert len(model.calls) == 3


def test_one_good_row_acquits_the_model() -> None:
    outcomes = Scorer(Unproven(refusing(1))).score(columns(1, 2, 3), DEADLINE)
    assert [isinstance(outcome, InvalidRecord) for outcome in outcomes] == [True, False, False]


def test_a_batch_that_the_mapping_halved_down_to_one_row_is_still_the_models_fault() -> None:
    scorer = Scorer(Unproven(refusing(1, 2)))
    for values in ((1, 2), (1,), (2,)):
        with pytest.raises(ModelError):
            scorer.score(columns(*values), DEADLINE)


def test_a_model_that_has_predicted_a_row_may_blame_all_rows_of_a_batch() -> None:
    scorer = Scorer(Unproven(refusing(1, 2)))
    scorer.score(columns(3), DEADLINE)
    assert all(isinstance(outcome, InvalidRecord) for outcome in scorer.score(columns(1, 2), DEADLINE))


def test_a_model_that_predicts_nothing_finite_is_at_fault() -> None:
    with pytest.raises(ModelError, match="not finite"):
        Scorer(Unproven(lambda *_row: float("nan"))).score(columns(1, 2), DEADLINE)
