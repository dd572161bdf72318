"""Odd predictions through every interface: the values of the stream, in tables as columns, or the row refused."""

import csv
import dataclasses
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_consumer.arrow import score
from stream_consumer.batch.job import Job, Options, run
from stream_consumer.batch.storage import Stores
from stream_consumer.cli.own_model import prediction_rows
from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.prediction import Prediction
from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.outputs import Output
from tests.zoo.interfaces import INTERFACES, events_of

ROWS = [1.0, 2.0, 3.0]


class Odd(NamedTuple):
    """What a model returns for distances; the predictions of 1, 2 and 3 miles; and the cells of a table."""

    predict: Callable[[Any], Any]
    published: list[Any]
    """None where the row is refused."""
    cells: list[Any]
    """None where the table refuses the row; the example has 1 and 2 miles."""


def each(answers: list[Any]) -> Callable[[Any], Any]:
    return lambda distances: [answers[round(one) - 1] for one in distances]


def array(answers: list[Any], kind: Any) -> Callable[[Any], Any]:
    return lambda distances: np.array([answers[round(one) - 1] for one in distances], kind)


ODD: dict[str, Odd] = {
    "integers and floats": Odd(each([2, 2.5, 3]), [2, 2.5, 3], [(2.0,), (2.5,), (3.0,)]),
    "a float where the example has integers": Odd(each([1, 2, 2.5]), [1, 2, 2.5], [(1,), (2,), None]),
    "labels and numbers": Odd(each([1, "leaves", "1"]), [1, "leaves", "1"], [("1",), ('"leaves"',), ('"1"',)]),
    "labels and numbers in an array": Odd(array([1, "b", 2.5], object), [1, "b", 2.5], [("1",), ('"b"',), ("2.5",)]),
    "objects and numbers": Odd(each([{"a": 1}, 2.5, 3]), [{"a": 1}, 2.5, 3], [('{"a":1}',), ("2.5",), ("3",)]),
    "objects without members": Odd(each([{}, {}, {"a": 1}]), [{}, {}, {"a": 1}], [("{}",), ("{}",), ('{"a":1}',)]),
    "other members": Odd(
        each([{"a": None}, {"a": 1, "b": "x"}, {"c": 1}]),
        [{"a": None}, {"a": 1, "b": "x"}, {"c": 1}],
        [(None, None), (1, "x"), None],
    ),
    "names that are one text": Odd(
        each([{0: 1}, {"0": 2}, {0: 1, "0": 2}]), [{"0": 1}, {"0": 2}, None], [(1,), (2,), None]
    ),
    "long doubles": Odd(array([1.5, 2.5, np.inf], np.longdouble), [1.5, 2.5, None], [(1.5,), (2.5,), None]),
    "times": Odd(
        array(["2026-01-01", "2026-01-02", "NaT"], "datetime64[D]"),
        ["2026-01-01", "2026-01-02", None],
        [("2026-01-01",), ("2026-01-02",), None],
    ),
    "durations": Odd(array([1, 2, "NaT"], "timedelta64[s]"), [1.0, 2.0, None], [(1.0,), (2.0,), None]),
    "a boolean among floats": Odd(each([1.5, 2.5, True]), [1.5, 2.5, True], [(1.5,), (2.5,), None]),
    "an integer that no float is": Odd(each([1.5, 2, 2**53 + 1]), [1.5, 2, 2**53 + 1], [(1.5,), (2.0,), None]),
}
EVERY = pytest.mark.parametrize("odd", ODD.values(), ids=ODD)


def model_of(predict: Callable[[Any], Any]) -> Model:
    model = Model(
        "odd",
        "1",
        "here",
        "0" * 64,
        EventSchema((Column("x", "double"),)),
        lambda columns: predict(columns[0]),
        example=[[1.0, 2.0]],
    )
    return dataclasses.replace(model, output=Output.of(model.check()))


@EVERY
@pytest.mark.parametrize("interface", INTERFACES)
def test_the_values_of_an_odd_model_are_published_as_they_are(odd: Odd, interface: str, tmp_path: Path) -> None:
    """On the stream, by ``/predict``, and as NDJSON by ``batch``."""
    answer = INTERFACES[interface](model_of(odd.predict), events_of([{"x": one} for one in ROWS]), tmp_path)
    assert list(answer.values) == odd.published
    assert list(map(type, answer.values)) == list(map(type, odd.published))


@EVERY
@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.db"])
def test_the_cells_of_an_odd_model_are_its_values(odd: Odd, target: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ROWS, "ride_id": [0, 1, 2]}), tmp_path / "in.parquet")
    options = Options(table="t") if target == "out.db" else Options()
    where = f"sqlite:///{tmp_path / target}" if target == "out.db" else str(tmp_path / target)
    job = Job.of(str(tmp_path / "in.parquet"), where)
    summary = run(job, model=model_of(odd.predict), stores=Stores(), options=options)
    assert (summary.rows, summary.predicted) == (3, 3 - odd.cells.count(None))
    rows = [(at, *cells) for at, cells in enumerate(odd.cells) if cells is not None]
    assert made(tmp_path / target) == ([tuple(map(text, row)) for row in rows] if target == "out.csv" else rows)


def made(path: Path) -> list[tuple[Any, ...]]:
    """Return id and predictions of the rows of an output, without its last two columns."""
    if path.suffix == ".db":
        connection = sqlite3.connect(path)
        found = connection.execute("select * from t").fetchall()
        connection.close()
        return [row[1:-2] for row in found]
    if path.suffix == ".parquet":
        return [tuple(row.values())[:-2] for row in pq.read_table(path).to_pylist()]
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row[:-2]) for row in csv.reader(file)][1:]


def text(cell: Any) -> str:
    """Return a cell as CSV has it."""
    return "" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell)


@EVERY
def test_a_record_batch_has_the_cells_of_an_odd_model(odd: Odd) -> None:
    [scored] = score([pa.RecordBatch.from_pydict({"x": ROWS, "ride_id": [0, 1, 2]})], model_of(odd.predict))
    rows = [tuple(row.values()) for row in scored.to_pylist()]
    assert [None if row[-3] else row[1:-5] for row in rows] == odd.cells


@EVERY
def test_the_demo_sums_up_the_predictions_of_an_odd_model(odd: Odd) -> None:
    made = predicted_type(Envelope())
    predictions = [Prediction("odd", "1", made(value, 7), "e:1") for value in odd.published if value is not None]
    assert prediction_rows(predictions, "p")[-1][1].endswith('"ride_id":7}')


def in_itself() -> list[Any]:
    own: list[Any] = []
    own.append(own)
    return own


NEVER: dict[str, tuple[Callable[[Any], Any], str]] = {
    "two columns of one name": (
        lambda rows: pd.DataFrame(np.ones((len(rows), 2)), columns=["a", "a"]),
        "returned 2 outputs with the name 'a'",
    ),
    "a time that is missing": (array(["NaT", "NaT"], "datetime64[s]"), "the prediction is not finite"),
    "a duration that is missing": (array([1, "NaT"], "timedelta64[ns]"), "the prediction is not finite"),
    "a list in itself": (lambda rows: [in_itself() for _ in rows], "nested more than 62 deep"),
    "a table a row": (lambda rows: [np.ones((3, 3)) for _ in rows], "return lists, not arrays, for a table a row"),
}


@pytest.mark.parametrize(("predict", "says"), NEVER.values(), ids=NEVER)
def test_a_model_that_predicts_nothing_of_its_example_is_never_served(predict: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        model_of(predict)
