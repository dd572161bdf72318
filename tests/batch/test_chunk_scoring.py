"""The way of columns and the way of the stream come to the same, whatever a file holds."""

import datetime as dt
import decimal
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import Lines, Outcomes, Table
from stream_consumer.batch.row_events import as_events
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.errors import ModelError
from stream_consumer.inference import Decider
from stream_consumer.model import Columns, Model

COLUMNS = (
    Column("zone", "long", minimum=1, maximum=265),
    Column("count", "integer"),
    Column("distance", "double", minimum=0.0, maximum=200.0),
    Column("toll", "float", minimum=-99.9, maximum=99.9, required=False),
    Column("shared", "boolean", required=False),
    Column("speed", "double"),
)
REFUSED, ENDLESS = 13.0, 14.0


def predict(columns: Columns) -> NDArray[np.float64]:
    """Refuse a batch with the distance 13, find no end for 14, and otherwise add up what is there."""
    matrix = np.empty((len(columns[0]), len(columns)))
    for at, values in enumerate(columns):
        matrix[:, at] = values
    distance = matrix[:, min(2, len(columns) - 1)]
    if (distance == REFUSED).any():
        raise ValueError("distance 13")
    total: NDArray[np.float64] = np.nan_to_num(matrix, nan=1000.0).sum(axis=1)
    total[distance == ENDLESS] = math.inf
    return total


def model_of(*columns: Column, example: Columns = ()) -> Model:
    return Model("model", "1", "here", "0" * 64, EventSchema(columns), predict, example=example)


# With an example: a model that has predicted may blame the rows.
MODEL = model_of(*COLUMNS, example=[[1], [1], [1.0], [0.0], [True], [1.0]])

integers = st.one_of(st.integers(-3, 300), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**31, 2**53 + 1]))
floats = st.one_of(st.floats(), st.floats(-1, 210), st.sampled_from([13.0, 14.0, 3.0, 1e300, 2.0**53]))
_KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.int64(), integers),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))),
    (pa.float64(), floats),
    (pa.float32(), st.floats(width=32)),
    (pa.float16(), st.floats(width=16)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.one_of(st.text(max_size=4), st.sampled_from(["3", "1.5", "true", "NaN"]))),
    (pa.large_string(), st.text(max_size=4)),
    (pa.null(), st.none()),
    (pa.decimal128(38, 3), st.decimals(-999, 999, places=3, allow_nan=False, allow_infinity=False)),
    (pa.date32(), st.dates()),
    (pa.timestamp("ns", "UTC"), st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1))),  # noqa: DTZ001
    (pa.binary(), st.binary(max_size=3)),
    (pa.list_(pa.int64()), st.lists(st.integers(0, 3), max_size=2)),
    (pa.dictionary(pa.int32(), pa.string()), st.text(max_size=2)),
]
# What rows mostly hold, so that most of them take the way of columns.
LIKELY: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "zone": (pa.int64(), st.integers(1, 265)),
    "count": (pa.int32(), st.integers(-5, 5)),
    "distance": (pa.float64(), st.one_of(st.floats(0, 200), st.sampled_from([13.0, 14.0]))),
    "toll": (pa.float64(), st.one_of(st.none(), st.floats(-9, 9))),
    "shared": (pa.bool_(), st.one_of(st.none(), st.booleans())),
    "speed": (pa.float64(), st.floats(-9, 9)),
}
ids = st.one_of(st.text(max_size=3), st.sampled_from(["", "a" * 256, "ü" * 256, "a" * 257]))
LIKELY_IDS = [(pa.string(), ids), (pa.int64(), integers), (pa.large_string(), ids)]


@st.composite
def arrays(draw: st.DrawFn, rows: int, likely: tuple[Any, st.SearchStrategy[Any]]) -> Any:
    """One column: as it should be, or with anything of its type in between, or of any type."""
    kind, values = likely
    match draw(st.sampled_from(["good", "good", "good", "mixed", "mixed", "any"])):
        case "mixed":
            values = st.one_of(values, values, values, st.none(), dict(_KINDS).get(kind, values))
        case "any":
            kind, anything = draw(st.sampled_from(_KINDS))
            values = st.one_of(st.none(), anything, anything, anything)
    array = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
    return array.dictionary_decode() if pa.types.is_dictionary(kind) else array


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 8))
    columns = {name: draw(arrays(rows, likely)) for name, likely in LIKELY.items()}
    for name in draw(st.sets(st.sampled_from(["toll", "shared"]))):
        del columns[name]
    return Table(np.arange(10, 10 + rows), columns, draw(arrays(rows, draw(st.sampled_from(LIKELY_IDS)))))


def event(table: Table, row: int) -> bytes:
    """A row as a producer would have sent it."""
    ride = {name: said(values[row]) for name, values in table.columns.items()}
    text = json.dumps({"ride": ride, "ride_id": said(table.ids[row])})
    return text.replace("-Infinity", "-1e999").replace("Infinity", "1e999").replace("NaN,", "null,").encode()


def said(scalar: Any) -> Any:
    if pa.types.is_timestamp(scalar.type):
        scalar = scalar.cast(pa.timestamp("us", "UTC"))
    value = scalar.as_py()
    match value:
        case float() if math.isnan(value):
            return None
        case decimal.Decimal():
            return float(value)  # with a fraction, be it 0
        case dt.date():
            return value.isoformat().replace("+00:00", "Z")
        case bytes():
            return "bytes"
    return value


def verdicts(outcomes: Outcomes) -> dict[int, Any]:
    ids = outcomes.ids if isinstance(outcomes.ids, list) else outcomes.ids.to_pylist()
    found: dict[int, Any] = dict(zip(outcomes.numbers.tolist(), zip(ids, outcomes.values, strict=True), strict=True))
    for letter in outcomes.dead_letters:
        name, _, number = (letter.event_id or "").partition(":")
        assert name == "rides"
        assert int(number) not in found
        found[int(number)] = (letter.reason, letter.path, letter.detail)
    return found


def expected(numbers: Sequence[int], events: Sequence[bytes], model: Model = MODEL) -> dict[int, Any]:
    """What the stream says of each row, alone."""
    found = {}
    for number, data in zip(numbers, events, strict=True):
        [outcome] = Decider(model).decide([Record(data)]).outcomes()
        found[number] = (
            (outcome.reason, outcome.path, outcome.detail)
            if isinstance(outcome, InvalidRecord)
            else (outcome.prediction.id, outcome.prediction.value)
        )
    return found


@given(tables())
def test_columns_and_stream_agree(table: Table) -> None:
    """Verdict, reason, path, detail, prediction and the id's type are those of the row's event on the stream."""
    binary = any(pa.types.is_binary(values.type) for values in [*table.columns.values(), table.ids])
    rows = range(len(table.numbers))
    events = as_events(table, np.arange(len(rows)), Envelope()) if binary else [event(table, row) for row in rows]
    outcomes = Judge(MODEL, "rides").decide(table)
    assert verdicts(outcomes) == expected(table.numbers.tolist(), events)
    assert outcomes.numbers.tolist() == sorted(outcomes.numbers.tolist())


EDGES: list[tuple[Any, list[Any]]] = [
    (pa.int64(), [None, 0, 1, 265, 266, -(2**31) - 1, 2**31, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]),
    (pa.uint64(), [None, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
    (pa.int8(), [None, -128, 0, 127]),
    (pa.float64(), [None, math.nan, math.inf, -math.inf, -0.0, 1.0, 1.5, 200.0, 200.1, 1e39, 2.0**53, 1e300]),
    (
        pa.float32(),
        [None, math.nan, math.inf, 1.5, 99.9, 3.4028234663852886e38],
    ),  # as a float32, 99.9 is more than 99.9
    (pa.float16(), [None, math.nan, math.inf, 1.5]),
    (pa.bool_(), [None, True, False]),
    (pa.string(), [None, "", "1", "1.5", "true", "a" * 256, "a" * 257]),
    (pa.null(), [None]),
    (pa.decimal128(20, 1), [None, decimal.Decimal("1.0"), decimal.Decimal("1.5")]),
]
GOOD = {"zone": 5, "count": 0, "distance": 1.5, "toll": 0.5, "shared": True, "speed": 2.5, "ride_id": 7}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(("kind", "values"), EDGES, ids=[str(kind) for kind, _ in EDGES])
def test_every_type_agrees_in_every_column(name: str, kind: Any, values: list[Any]) -> None:
    rows = len(values)
    columns = {other: pa.array([value] * rows) for other, value in GOOD.items()} | {name: pa.array(values, kind)}
    table = Table(np.arange(rows), columns, columns.pop("ride_id"))
    events = [event(table, row) for row in range(rows)]
    assert verdicts(Judge(MODEL, "rides").decide(table)) == expected(range(rows), events)


def test_a_model_of_texts_takes_the_way_of_the_stream() -> None:
    model = model_of(Column("distance", "double"), Column("payment", "string", required=False))
    rides = {"distance": pa.array([1.0, 2.0]), "payment": pa.array([None, None], pa.string())}
    outcomes = Judge(model, "rides").decide(Table(np.arange(2), rides, pa.array(["a", "b"])))
    assert verdicts(outcomes) == {0: ("a", 1001.0), 1: ("b", 1002.0)}


@pytest.fixture
def zones() -> Model:
    return model_of(Column("zone", "long"))


def test_ids_of_another_type_are_the_contracts_to_judge(zones: Model) -> None:
    """A decimal without a fraction is an integer in JSON, and one with a fraction is no id."""
    ids = pa.array([decimal.Decimal(7), None], pa.decimal128(5, 0))
    outcomes = Judge(zones, "rides").decide(Table(np.arange(2), {"zone": pa.array([1, 2])}, ids))
    assert verdicts(outcomes) == {0: (7, 1.0), 1: (Reason.SCHEMA, "$.ride_id", "Expected `int | str`, got `null`")}


def test_lines_are_events_as_they_are(zones: Model) -> None:
    lines = [b'{"ride":{"zone":5},"ride_id":"x"}', b"", b'{"ride":{"zone":5},"ride_id":1}']
    outcomes = Judge(zones, "rides").decide(Lines(np.arange(3), lines))
    assert verdicts(outcomes) == {0: ("x", 5.0), 1: ("undecodable", "$", "no data at all"), 2: (1, 5.0)}


def test_a_refused_row_keeps_its_event() -> None:
    """What the model refused by column is written as the event that it would have been."""
    model = model_of(Column("zone", "long"), Column("count", "long"), Column("distance", "double"))
    rides = {"zone": pa.array([1, 2]), "count": pa.array([0, 0]), "distance": pa.array([13.0, 1.0])}
    outcomes = Judge(model, "rides").decide(Table(np.arange(2), rides, pa.array(["a", "b"])))
    [letter] = outcomes.dead_letters
    assert letter.data == b'{"ride":{"zone":1,"count":0,"distance":13.0},"ride_id":"a"}'
    assert letter.detail == "ValueError: distance 13"
    assert letter.event_id == "rides:0"


def test_a_broken_model_is_no_fault_of_the_rows() -> None:
    model = model_of(*COLUMNS[:3], example=[[1], [1], [REFUSED]])
    rides = {"zone": pa.array([1]), "count": pa.array([0]), "distance": pa.array([REFUSED])}
    with pytest.raises(ModelError, match="fails on its own input example"):
        Judge(model, "rides").decide(Table(np.arange(1), rides, pa.array([1])))
