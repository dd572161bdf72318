"""The harness notices what it is for: other values, other types, silence, late refusals and a dead process."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.interfaces import INTERFACES, Answer, Served, as_json
from tests.zoo.saving import quietly, refused, save, signature
from tests.zoo.verdicts import faults_of, report_of, same
from tests.zoo.worker import Worker


class _Scripted(Worker):
    """Answers each task with what it was given."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served

    def ask(self, *_: Any) -> str:
        return as_json(self._served)


def _all(answer: Answer) -> Served:
    return Served(answers=dict.fromkeys(INTERFACES, answer))


def _faults(served: Served, *, refused: str | None = None, lean: Served | None = None) -> list[str]:
    entry = Entry(name="kind/name", make=lambda _: _MADE, refused=refused)
    return faults_of(entry, report_of(entry, _MADE, _Scripted(lean or served), _Scripted(served)))


_MADE = Made(location="unused", rows=[{}, {}], expected=[1.5, 2.5])
_RIGHT = _all(Answer([1.5, 2.5]))
_REFUSED = Served(refused="no columns; use set_signature")


def test_equal_values_are_right() -> None:
    assert _faults(_RIGHT) == []


@pytest.mark.parametrize(
    ("served", "first", "said"),
    [
        (_all(Answer([1.5, 2.6])), "stream wrong", "row 1: 2.6, wanted 2.5"),
        (_all(Answer([None, None], ["broken", "broken"])), "stream silent", "2 times broken"),
        (_all(Answer([1.5, None], ["broken"])), "stream wrong", "1 times broken"),
        (_all(Answer(refused="none could be settled")), "stream refused", "none could be settled"),
        (_all(Answer(crashed="Traceback")), "stream crash", "Traceback"),
        (Served(crashed="the process ended with -11"), "stream crash", "the process ended with -11"),
        (_REFUSED, "stream refused", "at init: no columns; use set_signature"),
    ],
    ids=["another value", "silence", "a dead letter", "late refusal", "crash", "dead process", "refusal"],
)
def test_what_differs_is_named(served: Served, first: str, said: str) -> None:
    faults = _faults(served)
    assert (faults[0], faults[-1]) == (first, said)


def test_one_interface_that_differs_is_named_alone() -> None:
    assert _faults(Served(answers={**_RIGHT.answers, "web": Answer([1.5, 9.0])}))[0] == "web wrong"


def test_a_model_that_needs_mlflow_is_named_where_it_must_not() -> None:
    assert _faults(_RIGHT, lean=_REFUSED) == ["served only with mlflow or pandas", ""]


def test_harm_in_the_lean_image_is_not_made_good_by_a_larger_one() -> None:
    assert _faults(_RIGHT, lean=_all(Answer([None, None], ["no pandas", "no pandas"])))[0] == "stream silent"


def test_a_refusal_must_come_at_init_and_name_its_remedy() -> None:
    assert _faults(_REFUSED, refused="set_signature") == []
    assert "not at init" in _faults(_REFUSED, refused="MODEL_DIGEST")[0]
    assert "not at init" in _faults(_all(Answer(refused="set_signature")), refused="set_signature")[0]
    assert _faults(_RIGHT, refused="set_signature")[0] == "stream right"


@pytest.mark.parametrize(
    ("value", "right", "equal"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.0 + 1e-6, False),
        (1.0, 1, False),
        (1, True, False),
        ("1", 1, False),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, True),
        ({"a": 1.0}, {"a": 1}, False),
        ({"0": 1}, {"no": 1}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
    ],
)
def test_values_are_equal_if_their_types_are(value: Any, right: Any, equal: bool) -> None:  # noqa: FBT001 (a case)
    assert same(value, right) is equal


class _Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (3,)


@pytest.mark.zoo
def test_a_process_that_dies_of_a_model_is_a_crash_and_the_next_model_has_a_new_one(
    lean: Worker, tmp_path: Path
) -> None:
    """And what a model imports that the lean image lacks is not there."""
    frame = data.rides()
    estimator = LinearRegression().fit(frame, data.minutes())
    with quietly():
        path = save(estimator, tmp_path, signature=signature(frame), serialization_format="cloudpickle")
    pickled = path / "model.pkl"
    whole = pickled.read_bytes()

    def ask() -> str:
        made = refused(path, frame, pinned=True)
        return lean.ask(made.location, made.environ, made.rows)

    pickled.write_bytes(pickle.dumps(_Deadly()))
    assert "the process ended with 3" in ask()
    pickled.write_bytes(whole)
    assert '"crashed": null' in ask()
    pickled.write_bytes(pickle.dumps(_ImportsPandas()))
    assert "No module named 'pandas' in the lean image" in ask()


class _ImportsPandas:
    """Imports pandas where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return __import__, ("pandas",)
