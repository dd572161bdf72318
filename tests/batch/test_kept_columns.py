"""``--keep``: columns of the input that pass through to the output, with their types and beside the right rows."""

import datetime as dt
import json
import sqlite3
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch.errors import UnfitTable, UnusableInput
from stream_consumer.batch.job import Job, Options, committed, run
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from tests.batch.files import RIDES, rides_file
from tests.batch.test_parallel import chunks_of

PICKUP = dt.datetime(2021, 1, 1, 8, 30, tzinfo=dt.UTC)
KEPT: dict[str, Any] = {
    "day": pa.array([dt.date(2021, 1, day) for day in (1, 2, 3, 4)]),
    "pickup": pa.array([PICKUP, None, PICKUP, PICKUP], pa.timestamp("us", "America/New_York")),
    "fare": pa.array([Decimal("3.50"), Decimal("0.10"), None, Decimal("9.99")]),
    "payer": pa.array(["me", 'a "b",\nc', "c", "d"]).dictionary_encode(),
    "tip": pa.array([0.1, float("nan"), 2.0, 3.0], pa.float32()),
    "count": pa.array([2**64 - 1, 1, 2, 3], pa.uint64()),
    "paid": [True, None, False, True],
}
INPUT = {**RIDES, **KEPT}


def scored(source: Path, target: Path | str, model: Model, *keep: str, jobs: int = 1, table: str | None = None) -> Path:
    options = Options(keep=keep, table=table, max_rejected=1)
    run(Job.of(str(source), str(target)), model=model, stores=Stores(), options=options, jobs=jobs)
    return Path(target)


def test_types_are_kept_in_parquet_beside_the_rows_that_are_predicted(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT)
    made = pq.read_table(scored(source, tmp_path / "out.parquet", model, *KEPT))
    assert made.column_names == ["ride_id", "ride_duration", "model", "version", *KEPT]
    for name in KEPT:
        expected = pa.table(INPUT)[name].combine_chunks()
        if name == "payer":  # as its values
            expected = expected.dictionary_decode()
        assert made[name].type == expected.type
        assert made[name].combine_chunks().equals(expected.slice(0, 2)) or name == "tip"
    assert made["tip"].to_pylist()[0] == float(np.float32(0.1))


def test_a_uuid_is_kept_as_people_write_it(model: Model, tmp_path: Path) -> None:
    ids = [uuid.UUID(int=number) for number in range(4)]
    source = rides_file(tmp_path / "rides.parquet", {**RIDES, "trip": pa.array([one.bytes for one in ids], pa.uuid())})
    made = pq.read_table(scored(source, tmp_path / "out.parquet", model, "trip"))
    assert made["trip"].to_pylist() == [str(one) for one in ids[:2]]


def test_the_rows_of_a_csv_are_those_that_are_predicted(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT)
    made = scored(source, tmp_path / "out.csv", model, *KEPT).read_text()
    assert made == (
        '"ride_id","ride_duration","model","version","day","pickup","fare","payer","tip","count","paid"\n'
        '7,12,"batch","run-batch",2021-01-01,2021-01-01 03:30:00.000000-0500,3.50,"me",0.1,18446744073709551615,true\n'
        '8,7,"batch","run-batch",2021-01-02,,0.10,"a ""b"",\nc",nan,1,\n'
    )


def test_the_members_of_an_event_are_appended_in_ndjson(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT)
    lines = scored(source, tmp_path / "out.ndjson", model, *KEPT).read_bytes().splitlines()
    assert lines[0] == (
        b'{"model":"batch","version":"run-batch","prediction":{"ride_duration":12.0,"ride_id":7},'
        b'"event_id":"' + str(source).encode() + b':0","day":"2021-01-01","pickup":"2021-01-01 03:30:00.000000-0500",'
        b'"fare":"3.50","payer":"me","tip":0.10000000149011612,"count":18446744073709551615,"paid":true}'
    )
    second = json.loads(lines[1])
    assert [second[name] for name in KEPT] == ["2021-01-02", None, "0.10", 'a "b",\nc', None, 1, None]


def test_a_table_has_the_columns(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT | {"raw": [b"\x00", b"\xff", b"", b"a"]})
    keep = ("day", "pickup", "payer", "tip", "paid", "raw")
    scored(source, f"sqlite:///{tmp_path}/taxi.db", model, *keep, table="minutes")
    with sqlite3.connect(tmp_path / "taxi.db") as connection:
        found = connection.execute(f"select {', '.join(keep)} from minutes").fetchall()  # noqa: S608 (ours)
    connection.close()
    assert found == [
        ("2021-01-01", "2021-01-01 08:30:00.000000", "me", float(np.float32(0.1)), 1, b"\x00"),
        ("2021-01-02", None, 'a "b",\nc', None, None, b"\xff"),
    ]


def test_a_table_that_is_there_has_them_or_is_refused(model: Model, tmp_path: Path) -> None:
    source, url = rides_file(tmp_path / "rides.parquet", INPUT), f"sqlite:///{tmp_path}/taxi.db"
    scored(source, url, model, table="minutes")
    with pytest.raises(UnfitTable, match="the table minutes has no column day; name another table"):
        scored(source, url, model, "day", table="minutes")
    fine = rides_file(tmp_path / "fine.parquet", {**RIDES, "at": np.array([1, 2, 3, 4], "datetime64[ns]")})
    with pytest.raises(UnfitTable, match="finer than a microsecond"):
        scored(fine, url, model, "at", table="other")


@pytest.mark.parametrize("name", ["rides.csv", "rides.csv.gz"])
def test_a_column_of_a_csv_is_of_numbers_if_every_cell_is_one(name: str, model: Model, tmp_path: Path) -> None:
    columns = {
        "zones": ["1", "-2", "", "3"],
        "fares": ["3.50", "", "4", "0.1"],
        "codes": ["007", "8", "9", "10"],
        "huge": [str(2**63), "1", "2", "3"],
        "words": ["", "a", 'b "c"', "d"],
        "nothing": ["", "", "", ""],
    }
    source = tmp_path / name
    cells = pa.table({**RIDES, **columns})
    with pa.output_stream(source) as file:
        pyarrow.csv.write_csv(cells, file)
    made = pq.read_table(scored(source, tmp_path / "out.parquet", model, *columns))
    types = {name: made.schema.field(name).type for name in columns}
    assert types == {
        "zones": pa.int64(),
        "fares": pa.float64(),
        "codes": pa.string(),
        "huge": pa.string(),
        "words": pa.string(),
        "nothing": pa.string(),
    }
    assert made.select(list(columns)).to_pylist()[1] == {
        "zones": -2,
        "fares": None,
        "codes": "8",
        "huge": "1",
        "words": "a",
        "nothing": None,
    }


def test_lines_that_are_no_rows_shift_nothing(model: Model, tmp_path: Path) -> None:
    source = tmp_path / "rides.csv"
    source.write_text(
        "PULocationID,DOLocationID,trip_distance,ride_id,note\n"
        "1,2,1.0,a,first\n1,2,1.0,bad\n1,300,1.0,c,out\n1,2,1.0,d,fourth\nbad\n1,2,x,e,text\n1,2,2.0,f,seventh\n"
    )
    made = pyarrow.csv.read_csv(scored(source, tmp_path / "out.csv", model, "note"))
    assert [(row["ride_id"], row["note"]) for row in made.to_pylist()] == [
        ("a", "first"),
        ("d", "fourth"),
        ("f", "seventh"),
    ]


@pytest.mark.parametrize(("given", "ending"), [("parquet", "parquet"), ("csv", "csv"), ("parquet", "ndjson")])
def test_any_number_of_jobs_keeps_the_same_bytes(
    given: str, ending: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several chunks, of which each has rows that are rejected."""
    chunks_of(1_000, monkeypatch)
    count = 4_500
    numbers = np.arange(count)
    columns = {
        "PULocationID": np.where(numbers % 1000 == 7, 300, 130),  # some out of bounds
        "DOLocationID": np.full(count, 42),
        "trip_distance": numbers % 50 / 4,
        "ride_id": numbers,
        "row": numbers * 3,
        "text": [f"row {number}" for number in range(count)],
    }
    source = rides_file(tmp_path / f"rides.{given}", columns)
    made = [
        scored(source, tmp_path / str(jobs) / f"out.{ending}", model, "text", "row", jobs=jobs).read_bytes()
        for jobs in (1, 4)
    ]
    assert made[0] == made[1]
    if ending == "parquet":
        kept = pq.read_table(tmp_path / "1" / "out.parquet")
        assert kept.num_rows == 4_495
        assert np.array_equal(kept["row"].to_numpy(), kept["ride_id"].to_numpy() * 3)
        assert kept["text"][-1].as_py() == f"row {kept['ride_id'][-1].as_py()}"


def test_an_input_without_rows_has_the_columns_and_their_types(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", pa.table(INPUT).slice(0, 0).to_pydict() | {"day": KEPT["day"][:0]})
    made = pq.read_table(scored(source, tmp_path / "out.parquet", model, "day"))
    assert (made.num_rows, made.schema.field("day").type) == (0, pa.date32())


def test_without_kept_columns_the_bytes_are_those_of_before(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT)
    scored(source, tmp_path / "out.parquet", model)
    assert "keep" not in json.loads((tmp_path / "out.parquet.summary.json").read_bytes())
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["ride_id", "ride_duration", "model", "version"]


@pytest.mark.parametrize(
    ("ending", "column"),
    [("parquet", "model"), ("csv", "ride_id"), ("ndjson", "prediction"), ("ndjson", "event_id")],
)
def test_a_name_of_the_output_s_own_is_refused(ending: str, column: str, model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", {**RIDES, column: RIDES["ride_id"]})
    with pytest.raises(UsageError, match=f"--keep {column}: that name is taken in the output, which has .*rename"):
        scored(source, tmp_path / f"out.{ending}", model, column)
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("columns", [["source"], ["Model"], ["day", "Day"]])
def test_names_that_differ_in_capitals_are_one_name_to_a_database(
    columns: list[str], model: Model, tmp_path: Path
) -> None:
    source = rides_file(tmp_path / "rides.parquet", {**RIDES, **dict.fromkeys(columns, RIDES["ride_id"])})
    with pytest.raises(UsageError, match=f"--keep {columns[0]}: that name is taken"):
        scored(source, f"sqlite:///{tmp_path}/taxi.db", model, *columns, table="minutes")
    scored(source, tmp_path / "out.csv", model, *columns)


def test_ndjson_may_have_a_member_called_as_the_id(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet")
    lines = scored(source, tmp_path / "out.ndjson", model, "ride_id").read_bytes().splitlines()
    assert [json.loads(line)["ride_id"] for line in lines] == [7, 8]


@pytest.mark.parametrize("name", ["rides.parquet", "rides.csv"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(name: str, model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / name)
    there = "'PULocationID', 'DOLocationID', 'trip_distance', 'ride_id'"
    with pytest.raises(UnusableInput, match=f"lacks the column 'fair'; it has {there}"):
        scored(source, tmp_path / "out.parquet", model, "fair")


@pytest.mark.parametrize(
    ("ending", "column"),
    [("csv", pa.array([b"a"] * 4)), ("ndjson", pa.array([b"a"] * 4)), ("db", pa.array([dt.timedelta(1)] * 4))],
)
def test_a_type_that_the_output_has_not_is_refused(ending: str, column: Any, model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", {**RIDES, "odd": column})
    place = f"sqlite:///{tmp_path}/taxi.db" if ending == "db" else tmp_path / f"out.{ending}"
    with pytest.raises(UsageError, match=r"--keep odd: the output holds no column of type (binary|duration)"):
        scored(source, place, model, "odd", table="minutes" if ending == "db" else None)
    assert pq.read_table(scored(source, tmp_path / "out.parquet", model, "odd"))["odd"].type == column.type


def test_lists_and_inputs_without_columns_are_refused(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", {**RIDES, "stops": [[1], [2], [3], [4]]})
    with pytest.raises(UnusableInput, match="the column 'stops' has lists or structs"):
        scored(source, tmp_path / "out.parquet", model, "stops")
    with pytest.raises(UsageError, match="--keep is for columns of Parquet and CSV files"):
        scored(rides_file(tmp_path / "rides.ndjson"), tmp_path / "out.parquet", model, "day")
    (tmp_path / "rides.db").touch()
    options = Options(query="select 1", keep=("day",))
    job = Job.of(f"sqlite:///{tmp_path}/rides.db", str(tmp_path / "out.parquet"))
    with pytest.raises(UsageError, match="join the predictions with the rows by their ids"):
        run(job, model=model, stores=Stores(), options=options)


def test_results_with_other_columns_are_not_there_already(model: Model, tmp_path: Path) -> None:
    source = rides_file(tmp_path / "rides.parquet", INPUT)
    job = Job.of(str(source), str(tmp_path / "out.parquet"))
    scored(source, tmp_path / "out.parquet", model, "day")
    assert committed(job, Stores(), model=model, options=Options(keep=("day",))) is not None
    assert committed(job, Stores(), model=model, options=Options(keep=("day", "fare"))) is None
    assert committed(job, Stores(), model=model) is None
