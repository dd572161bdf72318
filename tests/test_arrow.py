"""Record batches through a model: every row comes out, with the verdict that the stream and batch runs give."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from stream_consumer.arrow import ArrowScorer, score
from stream_consumer.batch.chunk_scoring import is_id
from stream_consumer.batch.chunks import CHUNK_ROWS, Table
from stream_consumer.batch.errors import UnusableInput
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.row_events import as_events
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.model import Model
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import Choice, load_model
from stream_consumer.outputs import Output
from tests.batch.files import RIDES, letters, rides_file, rows
from tests.batch.test_chunk_scoring import MODEL, expected, model_of, tables
from tests.cli.model import linear_model
from tests.rides import FakeModel

BATCH = pa.RecordBatch.from_pydict(dict(RIDES))


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that predicts 5 minutes and 2 for each mile."""
    return linear_model(tmp_path_factory.mktemp("models") / "arrow")


def scored(batch: Any, model: Model, **options: Any) -> list[dict[str, Any]]:
    return [row for one in score([batch], model, **options) for row in one.to_pylist()]


def test_each_row_is_predicted_or_says_why_not(location: str) -> None:
    scorer = ArrowScorer(location, directory_digest(Path(location)))
    [batch] = scorer.batches([BATCH])
    names = ["ride_id", "ride_duration", "model", "version", "reason", "path", "detail"]
    assert batch.schema.names == names
    assert [[row[name] for name in names if name not in {"version", "detail"}] for row in batch.to_pylist()] == [
        [7, 12.0, "arrow", None, None],
        [8, 7.0, "arrow", None, None],
        [9, None, "arrow", "bounds", "$.ride.DOLocationID"],
        [10, None, "arrow", "schema", "$.ride.trip_distance"],
    ]
    assert batch["version"].to_pylist() == ["run-arrow"] * 4
    assert batch["detail"].to_pylist()[:3] == [None, None, "Expected `int` <= 265"]


def test_the_rows_of_a_file_are_those_of_a_batch_run(tmp_path: Path) -> None:
    source, target = rides_file(tmp_path / "rides.parquet"), tmp_path / "out" / "minutes.parquet"
    model = FakeModel()
    run(Job.of(str(source), str(target)), model=model, stores=Stores(scratch=tmp_path))
    made = scored(pq.read_table(source).to_batches()[0], model)
    predicted = [{name: row[name] for name in rows(target)[0]} for row in made if row["reason"] is None]
    assert predicted == rows(target)
    rejected = letters(target.with_name("minutes.parquet.rejected.jsonl"))
    assert [(row["reason"], row["path"], row["detail"]) for row in made if row["reason"]] == [
        (letter.reason, letter.path, letter.detail) for letter in rejected
    ]


@given(tables().filter(lambda table: is_id(table.ids.type)))
def test_any_row_has_the_verdict_of_its_event_on_the_stream(table: Table) -> None:
    batch = pa.RecordBatch.from_pydict(table.columns | {"ride_id": table.ids})
    found = [
        (row["reason"], row["path"], row["detail"]) if row["reason"] else (row["ride_id"], row["ride_duration"])
        for row in scored(batch, MODEL)
    ]
    numbers = range(len(table.numbers))
    events = as_events(table, np.arange(len(numbers)), Envelope())
    assert found == list(expected(numbers, events).values())


@pytest.mark.parametrize("sizes", [[], [0], [3, 0, 1], [1, 5, 2]])
def test_rows_come_out_in_order_whatever_the_batches_are(sizes: list[int]) -> None:
    ids = iter(range(sum(sizes)))
    batches = [
        pa.RecordBatch.from_arrays([pa.array([next(ids) for _ in range(size)], pa.int64())] * 2, ["ride_id", "zone"])
        for size in sizes
    ]
    model = model_of(Column("zone", "long"))
    out = [row["ride_id"] for batch in score(batches, model) for row in batch.to_pylist()]
    assert out == list(range(sum(sizes)))


def test_a_large_batch_is_scored_in_chunks() -> None:
    count = CHUNK_ROWS + 3
    zones = pa.array(np.arange(count) % 300)
    batch = pa.RecordBatch.from_pydict({"ride_id": pa.array(np.arange(count)), "zone": zones})
    model = FakeModel(float, columns=[Column("zone", "long", minimum=1, maximum=265)])
    chunks = list(score([batch], model))
    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS, 3]
    table = pa.Table.from_batches(chunks)
    assert table["ride_id"].to_pylist() == list(range(count))
    assert table["ride_duration"].null_count == sum(not 1 <= zone <= 265 for zone in zones.to_pylist())
    assert chunks[1]["ride_duration"].to_pylist() == [float(zone) for zone in zones.to_pylist()[-3:]]


def test_several_outputs_are_columns_of_their_types() -> None:
    model = Model(
        "taxis",
        "1",
        "here",
        "0" * 64,
        EventSchema((Column("zone", "long", minimum=1),)),
        lambda columns: {"near": [zone < 5 for zone in columns[0]], "label": [f"z{zone}" for zone in columns[0]]},
        output=Output(("near", "label"), ("boolean", "string")),
    )
    batch = pa.RecordBatch.from_pydict({"ride_id": ["a", "b", "c"], "zone": [3, 0, 7]})
    [out] = score([batch], model)
    assert out.select(["ride_duration_near", "ride_duration_label"]).to_pydict() == {
        "ride_duration_near": [True, None, False],
        "ride_duration_label": ["z3", None, "z7"],
    }
    assert str(out.schema.field("ride_duration_near").type) == "bool"


def test_columns_are_kept_as_they_are() -> None:
    """What recognises a row on a rerun goes along, and so does what partitions the output."""
    kept = BATCH.append_column("event_id", pa.array(["f:0", "f:1", None, "f:3"]).dictionary_encode())
    [out] = score([kept], FakeModel(), keep=["event_id", "trip_distance"])
    assert out["event_id"].equals(kept["event_id"])
    assert out["trip_distance"].equals(kept["trip_distance"])


def test_ids_have_the_type_of_their_column() -> None:
    dictionary = pa.array(["a", "b", None, "a" * 257]).dictionary_encode()
    batch = BATCH.set_column(3, "ride_id", dictionary)
    [out] = score([batch], FakeModel())
    assert str(out.schema.field("ride_id").type) == "string"
    assert out["ride_id"].to_pylist() == ["a", "b", None, "a" * 257]
    assert out["path"].to_pylist() == [None, None, "$.ride_id", "$.ride.trip_distance"]


def test_an_integer_that_is_no_id_is_rejected_and_not_another_number() -> None:
    batch = BATCH.slice(0, 1).set_column(3, "ride_id", pa.array([2**64 - 1], pa.uint64()))
    [row] = scored(batch, FakeModel())
    assert (row["ride_id"], row["reason"], row["path"]) == (None, "schema", "$.ride_id")


def test_the_schema_is_that_of_the_batches(location: str) -> None:
    scorer = ArrowScorer(location, directory_digest(Path(location)), keep=("trip_distance",))
    [batch] = scorer.batches([BATCH])
    assert scorer.schema(BATCH.schema) == batch.schema
    table = scorer.table(pa.Table.from_batches([BATCH, BATCH]))
    assert table.schema == batch.schema
    assert table["ride_id"].to_pylist() == [7, 8, 9, 10] * 2
    assert scorer.table(pa.Table.from_batches([], BATCH.schema)).num_rows == 0


def test_an_engine_pickles_the_scorer_and_a_process_loads_the_model_once(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(place: str, *, choice: Choice) -> Model:
        loaded.append(place)
        return load_model(place, choice=choice)

    monkeypatch.setattr("stream_consumer.arrow.load_model", load)
    moved = linear_model(Path(location).with_name("moved"))
    scorer = pickle.loads(pickle.dumps(ArrowScorer(moved, directory_digest(Path(moved)))))  # noqa: S301 (our own)
    assert [len(batch) for _ in range(3) for batch in scorer.batches([BATCH])] == [4, 4, 4]
    assert loaded == [moved]


def test_another_model_than_the_digest_names_is_refused(location: str) -> None:
    with pytest.raises(ModelError, match="has the digest"):
        ArrowScorer(location, "0" * 64).schema(BATCH.schema)


@pytest.mark.parametrize(
    ("batch", "options", "error", "message"),
    [
        (BATCH.drop_columns("ride_id"), {}, UnusableInput, "has no column 'ride_id' of ids, .*id_column"),
        (BATCH, {"id_column": "trip_distance"}, UnusableInput, "ids of the record batch are of type double; cast"),
        (BATCH.drop_columns("trip_distance"), {}, UnusableInput, "lacks the column 'trip_distance'"),
        (BATCH, {"keep": ["tip"]}, UsageError, r"the columns to keep \['tip'\] are not in the record batch"),
        (BATCH, {"keep": ["ride_id"]}, UsageError, r"columns to keep \['ride_id'\] have names of the output's own"),
    ],
)
def test_batches_that_cannot_be_scored_name_the_remedy(
    batch: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        scored(batch, FakeModel(), **options)


def test_a_model_of_events_without_ids_needs_a_column_of_them() -> None:
    model = FakeModel(envelope=Envelope(id=""))
    with pytest.raises(UnusableInput, match=r"events of this model have no id; name a column of .* with id_column"):
        scored(BATCH, model)
    assert [row["event_id"] for row in scored(BATCH, model, id_column="ride_id")] == [7, 8, 9, 10]
