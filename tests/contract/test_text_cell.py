"""The grammar of text cells, and one verdict for each row of a CSV file at every interface."""

import csv as csv_module
import io
import sqlite3
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream_consumer.batch import database
from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import Input
from stream_consumer.batch.csv_reader import csv
from stream_consumer.batch.locations import Location
from stream_consumer.batch.readers import Wanted
from stream_consumer.contract import text_cell
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.inference import Decider
from stream_consumer.model import Model
from stream_consumer.web import mlflow_format

_TEXTS = "1e . + --1 NaN inf 1,5 1_000 0x10 true ٣"
CELLS = {
    "double": [*f".5 5. +5 0130 1 -.5 -007.250 1e2 +1E-2 1e400 {_TEXTS} {'9' * 400}".split(), " 1 ", ""],
    "long": [
        *[
            "007",
            "+5",
            "-0",
            "5.",
            "130.0",
            "130.00",
            "130.5",
            "1e2",
            "1.0e2",
            "9223372036854775807",
            "9223372036854775808",
            "x",
            "True",
        ],
        " 3",
    ],
    "boolean": ["true", "FALSE", "1", "yes", ""],
}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (".5", "double", b"0.5"), ("5.", "double", b"5.0"), ("+5", "long", b"5"), ("0130", "long", b"130"),
        ("-007.250", "double", b"-7.250"), (" 1e2 ", "double", b"1e2"), ("tRUE", "boolean", b"true"),
        ("130.0", "long", b"130"), ("-5.", "integer", b"-5"), ("130.5", "long", b"130.5"), ("1.0e2", "long", b"1.0e2"),
    ],
)  # fmt: skip
def test_a_number_is_json(text: str, kind: str, value: bytes) -> None:
    read = text_cell.read(text, kind)
    assert isinstance(read, msgspec.Raw)
    assert bytes(read) == value


@pytest.mark.parametrize(
    ("text", "kind"), [("NaN", "double"), ("1_000", "long"), ("true", "double"), ("7", "string"), ("7", None)]
)
def test_anything_else_stays_a_text(text: str, kind: str | None) -> None:
    assert text_cell.read(text, kind) == text


@pytest.mark.parametrize("kind", [*CELLS, "string", None])
@pytest.mark.parametrize("text", ["", None])
def test_an_empty_cell_is_missing(text: str | None, kind: str | None) -> None:
    assert text_cell.read(text, kind) is None


Verdict = tuple[str, str, str] | None


def in_batch(model: Model, content: bytes, path: Path) -> Verdict:
    path.with_name("rides.csv").write_bytes(content)
    with csv(path.with_name("rides.csv"), Wanted(model.schema), "rides.csv", "rides") as rows:
        return judged(model, rows)


def in_a_query(model: Model, content: bytes, path: Path) -> Verdict:
    """The cell is a text of a table: SQLite's own columns have no types, and an imported CSV has nothing but texts."""
    _, [cell, _] = csv_module.reader(io.StringIO(content.decode(), newline=""))
    connection = sqlite3.connect(path)
    connection.execute("create table rides (n text)")
    connection.execute("insert into rides values (?)", [cell])
    connection.commit()
    connection.close()
    url = Location.parse(f"sqlite:///{path}")
    with database.query(url, "select n from rides", Wanted(model.schema)) as rows:
        return judged(model, rows)


def judged(model: Model, rows: Input) -> Verdict:
    [outcomes] = [Judge(model, "rides").decide(chunk) for chunk in rows.chunks]
    assert len(outcomes.dead_letters) + len(outcomes.values) == 1
    return next(((letter.reason, letter.path, letter.detail) for letter in outcomes.dead_letters), None)


def in_the_web(model: Model, content: bytes, _: Path) -> Verdict:
    [record] = mlflow_format.records(content, mlflow_format.CSV, model.schema, 10)
    [web] = Decider(model).decide([record]).outcomes()
    return (web.reason, web.path, web.detail) if isinstance(web, InvalidRecord) else None


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(("kind", "cell"), [(kind, cell) for kind, cells in CELLS.items() for cell in cells])
def test_batch_web_and_queries_give_each_row_one_verdict(
    kind: str, cell: str, tmp_path: Path, *, required: bool
) -> None:
    schema = EventSchema([Column("n", kind, required=required)])
    model = Model("model", "1", "here", "0" * 64, schema, lambda columns: np.ones(len(columns[0])))
    contents = [f'n,other\n"{cell}",1\n'.encode(), f"n,other\n{cell},1\n".encode()]
    # A comma needs its quotes.
    contents = contents[:1] if "," in cell else contents
    readers = (in_batch, in_the_web, in_a_query)
    verdicts = {
        read(model, content, tmp_path / f"{number}.db") for number, content in enumerate(contents) for read in readers
    }
    assert len(verdicts) == 1
