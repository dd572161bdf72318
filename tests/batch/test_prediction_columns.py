"""Predictions as columns: a value is held exactly, or its row is refused with the reason and the remedy."""

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.arrow import score
from stream_consumer.batch.errors import UnfitTable
from stream_consumer.batch.job import Job, Options, run
from stream_consumer.batch.prediction_columns import PredictionColumns
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Reason
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from stream_consumer.outputs import Output
from tests.batch.files import letters, rides_file, rows

WHOLE, HALF = Output.of([2]), Output.of([2, 2.5])
OBJECT = Output.of([{"fare": 2.5, "tip": 1}])


def model_of(answers: Mapping[int, Any], output: Output | None, envelope: Envelope | None = None) -> Model:
    """Return a model that answers for a zone, and whose example gives *output*."""
    schema = EventSchema((Column("zone", "long"),), envelope or Envelope())

    def predict(columns: Any) -> Any:
        return [answers[int(zone)] for zone in columns[0]]

    return Model("zones", "1", "here", "0" * 64, schema, predict, output=output)


def held(output: Output, *values: Any) -> dict[str, list[Any]]:
    columns = PredictionColumns(model_of({}, output, Envelope(prediction="p")))
    assert columns.refused(values) == {}
    return dict(zip(columns.types, (array.to_pylist() for array in columns.arrays(values)), strict=True))


def test_a_column_holds_numbers_as_they_are() -> None:
    assert held(WHOLE, 2, 3.0, -(2**63)) == {"p": [2, 3, -(2**63)]}
    assert held(HALF, 2, 2.5, 2**53, 1, 2**60, -(2**63)) == {"p": [2.0, 2.5, 2.0**53, 1.0, 2.0**60, -(2.0**63)]}


def test_a_column_of_json_holds_whatever_it_is() -> None:
    mixed = Output.of([1, "leaves"])
    assert held(mixed, 1, "leaves", 2.5, {"a": None}, [True]) == {"p": ["1", '"leaves"', "2.5", '{"a":null}', "[true]"]}
    assert held(Output.of([{}]), {}, {"a": 1}) == {"p": ["{}", '{"a":1}']}


def test_members_that_are_missing_are_null() -> None:
    assert held(OBJECT, {"tip": None}, {"fare": 1, "tip": 2.0}, {}) == {
        "p_fare": [None, 1.0, None],
        "p_tip": [None, 2, None],
    }
    assert held(Output.of([{"a": None}]), {"a": None}, {"a": 2.5}) == {"p_a": [None, "2.5"]}


UNFIT: dict[str, tuple[Output, Any, str]] = {
    "a float for an integer": (WHOLE, 2.5, "the column p is of type long and cannot hold exactly .* of type double"),
    "a large float for an integer": (WHOLE, 2.0**63, "column p is of type long .* of type double"),
    "a boolean for an integer": (WHOLE, True, "column p is of type long .* of type boolean"),
    "a boolean for a float": (HALF, True, "column p is of type double .* of type boolean"),
    "false for a float": (HALF, False, "column p is of type double .* of type boolean"),
    "an integer beyond floats": (HALF, 2**53 + 1, "column p is of type double .* of type long"),
    "a label for a float": (HALF, "leaves", "column p is of type double .* of type string"),
    "an object for a float": (HALF, {"a": 1}, "column p is of type double .* of type json"),
    "an integer for a label": (Output.of(["a"]), 1, "column p is of type string .* of type long"),
    "a boolean for a label": (Output.of(["a"]), True, "column p is of type string .* of type boolean"),
    "an integer for a boolean": (Output.of([True]), 1, "column p is of type boolean .* of type long"),
    "another member": (
        OBJECT,
        {"fare": 2.5, "toll": 1, "kind": 2},
        "members without a column: kind, toll; columns are",
    ),
    "a member of another type": (OBJECT, {"fare": "x"}, "the column p_fare is of type double .* of type string"),
    "a number for an object": (OBJECT, 2.5, "the prediction is no object, and there are columns for .* fare, tip"),
    "a text for an object": (OBJECT, "fare", "the prediction is no object"),
}


@pytest.mark.parametrize(("output", "value", "says"), UNFIT.values(), ids=UNFIT)
def test_what_a_column_cannot_hold_is_refused_with_the_remedy(output: Output, value: Any, says: str) -> None:
    columns = PredictionColumns(model_of({}, output, Envelope(prediction="p")))
    good = (
        {"fare": 2.5} if output.names else {"long": 1, "double": 1.0, "string": "x", "boolean": True}[output.kinds[0]]
    )
    [(position, fault)] = columns.refused([good, value, good]).items()
    assert (position, fault.reason, fault.path) == (1, Reason.UNSCORABLE, "$.ride")
    assert re.search(says, fault.detail)
    assert "write .ndjson, or sign a copy" in fault.detail


SCALARS = st.sampled_from([0, 1, 2.5, 1.0, -0.0, True, False, "a", "1", 2**53 + 1, -(2**63), 2.0**63, [1], {"z": 1}])
VALUES = SCALARS | st.dictionaries(st.sampled_from("abc"), SCALARS | st.none(), max_size=3)


@given(st.lists(VALUES, min_size=1, max_size=4), st.lists(VALUES, max_size=4))
def test_columns_hold_the_example_and_change_nothing_of_what_they_hold(example: list[Any], values: list[Any]) -> None:
    output = Output.of(example)
    columns = PredictionColumns(model_of({}, output))
    assert columns.refused(example) == {}
    refused = columns.refused(values)
    kept = [value for at, value in enumerate(values) if at not in refused]
    cells = [array.to_pylist() for array in columns.arrays(kept)]
    for kind, found, wanted in zip(output.kinds, cells, output.parts(kept), strict=True):
        read = [json.loads(cell) if kind == "json" and cell is not None else cell for cell in found]
        assert read == wanted
        assert [isinstance(one, bool) for one in read] == [isinstance(one, bool) for one in wanted]


# --- through a run ----------------------------------------------------------------------------------------------------

ANSWERS = {1: 2, 2: 2.5, 3: 3, 4: {"a": 1}, 5: 7}
EXPECTED = [(1, 2), (3, 3), (5, 7)]


def zones(path: Path) -> str:
    return str(rides_file(path, {"zone": list(ANSWERS), "ride_id": list(ANSWERS)}))


def made(path: Path) -> list[tuple[Any, Any]]:
    table = rows(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path).to_pylist()
    return [(row["ride_id"], row["ride_duration"]) for row in table]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("source", ["parquet", "csv", "ndjson"])
def test_a_prediction_that_a_table_cannot_hold_is_a_rejected_row(
    source: str, kind: str, jobs: int, tmp_path: Path
) -> None:
    """It was published as 2, the number without its half."""
    target, read = tmp_path / f"out.{kind}", zones(tmp_path / f"in.{source}")
    summary = run(Job.of(read, str(target)), model=model_of(ANSWERS, WHOLE), stores=Stores(), jobs=jobs)
    assert (summary.rows, summary.predicted, summary.rejected) == (5, 3, {Reason.UNSCORABLE: 2})
    assert made(target) == EXPECTED
    rejected = letters(tmp_path / f"out.{kind}.rejected.jsonl")
    assert [letter.event_id for letter in rejected] == [f"{read}:1", f"{read}:3"]
    assert [letter.data.replace(b" ", b"") for letter in rejected] == [
        b'{"ride":{"zone":%d},"ride_id":%d}' % (zone, zone) for zone in (2, 4)
    ]


def test_rejected_rows_of_all_kinds_stand_in_their_order(tmp_path: Path) -> None:
    source = rides_file(tmp_path / "in.parquet", {"zone": [2, None, 4, 1], "ride_id": [1, 2, 3, 4]})
    run(Job.of(str(source), str(tmp_path / "out.csv")), model=model_of(ANSWERS, WHOLE), stores=Stores())
    rejected = letters(tmp_path / "out.csv.rejected.jsonl")
    assert [(str(letter.event_id)[-1], letter.reason) for letter in rejected] == [
        ("0", Reason.UNSCORABLE),
        ("1", Reason.SCHEMA),
        ("2", Reason.UNSCORABLE),
    ]


def test_lines_keep_every_prediction(tmp_path: Path) -> None:
    job = Job.of(zones(tmp_path / "in.parquet"), str(tmp_path / "out.ndjson"))
    assert run(job, model=model_of(ANSWERS, WHOLE), stores=Stores()).predicted == 5
    lines = (tmp_path / "out.ndjson").read_bytes().splitlines()
    assert [decode_prediction(line).value for line in lines] == list(ANSWERS.values())


def test_a_record_batch_says_why_a_prediction_has_no_column() -> None:
    batch = pa.RecordBatch.from_pydict({"zone": list(ANSWERS), "ride_id": list(ANSWERS)})
    [scored] = score([batch], model_of(ANSWERS, WHOLE))
    assert scored["ride_duration"].to_pylist() == [2, None, 3, None, 7]
    assert scored["reason"].to_pylist() == [None, "unscorable", None, "unscorable", None]
    assert scored["detail"][1].as_py().startswith("the column ride_duration is of type long and cannot hold")


def test_a_model_that_has_not_predicted_is_taken_for_one_of_numbers(tmp_path: Path) -> None:
    job = Job.of(zones(tmp_path / "in.csv"), str(tmp_path / "out.parquet"))
    summary = run(job, model=model_of({1: 1.5, 2: "leaves", 3: True, 4: 4, 5: {}}, None), stores=Stores())
    assert (summary.predicted, made(tmp_path / "out.parquet")) == (2, [(1, 1.5), (4, 4.0)])


# --- tables of a database ---------------------------------------------------------------------------------------------


def selected(path: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_table_holds_members_that_some_predictions_lack(tmp_path: Path) -> None:
    answers = {1: {"fare": 2.5, "tip": 1}, 2: {"fare": 3.5}, 3: {"toll": 1}, 4: {"tip": 2.5}, 5: {"tip": None}}
    job = Job.of(zones(tmp_path / "in.parquet"), f"sqlite:///{tmp_path / 'out.db'}")
    run(job, model=model_of(answers, OBJECT), stores=Stores(), options=Options(table="fares"))
    found = selected(tmp_path / "out.db", "select ride_id, ride_duration_fare, ride_duration_tip from fares")
    assert found == [(1, 2.5, 1), (2, 3.5, None), (5, None, None)]


@pytest.mark.parametrize(
    ("there", "output", "says"),
    [
        (
            WHOLE,
            HALF,
            "has ride_duration BIGINT and this run has DOUBLE; none may be changed: name another table",
        ),
        (HALF, WHOLE, "has ride_duration DOUBLE and this run has BIGINT"),
        (WHOLE, Output.of(["x"]), "has ride_duration BIGINT and this run has TEXT"),
        (Output.of(["x"]), WHOLE, "has ride_duration TEXT and this run has BIGINT"),
        (HALF, Output.of([True]), "has ride_duration DOUBLE and this run has BOOLEAN"),
        (Output.of([True]), HALF, "has ride_duration BOOLEAN and this run has DOUBLE"),
    ],
)
def test_predictions_are_not_changed_into_those_that_a_table_has(
    there: Output, output: Output, says: str, tmp_path: Path
) -> None:
    """PostgreSQL would round 2.5 to the 2 of a column of integers, and SQLite take a text for a number."""
    values = {"long": 2, "double": 2.5, "string": "7", "boolean": True}
    for name, one in (("one", there), ("two", output)):
        job = Job.of(zones(tmp_path / f"{name}.parquet"), f"sqlite:///{tmp_path / 'out.db'}")
        model = model_of(dict.fromkeys(ANSWERS, values[one.kinds[0]]), one)
        for _ in range(2):
            if name == "two":
                with pytest.raises(UnfitTable, match=f"the table t {says}"):
                    run(job, model=model, stores=Stores(), options=Options(table="t"))
            else:
                run(job, model=model, stores=Stores(), options=Options(table="t"))
    assert selected(tmp_path / "out.db", "select distinct ride_duration from t") == [(values[there.kinds[0]],)]


@pytest.mark.parametrize("declared", ["", "numeric", "real", "double precision", "decimal(18, 6)"])
def test_a_table_of_ones_own_takes_numbers(declared: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute(f"create table t (source text, ride_id bigint, ride_duration {declared}, model, version)")
    connection.close()
    job = Job.of(zones(tmp_path / "in.parquet"), f"sqlite:///{tmp_path / 'out.db'}")
    run(job, model=model_of(dict.fromkeys(ANSWERS, 2.5), HALF), stores=Stores(), options=Options(table="t"))
    assert selected(tmp_path / "out.db", "select distinct ride_duration from t") == [(2.5,)]


# --- names ------------------------------------------------------------------------------------------------------------

ALIKE: dict[str, tuple[Envelope, Output, str]] = {
    "the model": (Envelope(prediction="model"), HALF, "model"),
    "the id": (Envelope(prediction="ride"), Output.of([{"id": 1}]), "ride_id"),
    "the version": (Envelope(id="version"), HALF, "version"),
}


@pytest.mark.parametrize(("envelope", "output", "name"), ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_columns_of_one_name_are_refused(
    envelope: Envelope, output: Output, name: str, kind: str, tmp_path: Path
) -> None:
    source = rides_file(tmp_path / "in.parquet", {"zone": [1], "id": [1]})
    model = model_of({1: {"id": 1}}, output, envelope)
    with pytest.raises(UsageError, match=f"the output would have several columns '{name}': .* PREDICTION_FIELD"):
        run(
            Job.of(str(source), str(tmp_path / f"o.{kind}")),
            model=model,
            stores=Stores(),
            options=Options(id_column="id"),
        )


def test_a_record_batch_has_no_two_columns_of_one_name() -> None:
    batch = pa.RecordBatch.from_pydict({"zone": [1], "ride_id": [1]})
    with pytest.raises(UsageError, match="several columns 'reason'"):
        list(score([batch], model_of({1: 2.5}, HALF, Envelope(prediction="reason"))))


@pytest.mark.parametrize(
    ("answer", "name", "twice"), [(2.5, "source", "source"), ({"Yes": 0.5, "yes": 0.5}, "says", "says_yes")]
)
def test_a_table_of_a_database_has_no_two_columns_of_one_name(
    answer: Any, name: str, twice: str, tmp_path: Path
) -> None:
    job = Job.of(zones(tmp_path / "in.parquet"), f"sqlite:///{tmp_path / 'out.db'}")
    model = model_of(dict.fromkeys(ANSWERS, answer), Output.of([answer]), Envelope(prediction=name))
    with pytest.raises(UsageError, match=f"several columns '{twice}'"):
        run(job, model=model, stores=Stores(), options=Options(table="t"))
