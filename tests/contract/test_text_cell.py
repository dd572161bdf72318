"""The grammar of text cells, and one verdict for each row of a CSV file at every interface."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.csv_reader import csv
from stream_consumer.contract import text_cell
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.inference import Decider
from stream_consumer.model import Model
from stream_consumer.web import mlflow_format

_TEXTS = "1e . + --1 NaN inf 1,5 1_000 0x10 true ٣"
CELLS = {
    "double": [*f".5 5. +5 0130 1 -.5 -007.250 1e2 +1E-2 1e400 {_TEXTS} {'9' * 400}".split(), " 1 ", ""],
    "long": [*["007", "+5", "-0", "5.", "1e2", "9223372036854775807", "9223372036854775808", "x", "True"], " 3"],
    "boolean": ["true", "FALSE", "1", "yes"],
}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (".5", "double", b"0.5"), ("5.", "double", b"5.0"), ("+5", "long", b"5"), ("0130", "long", b"130"),
        ("-007.250", "double", b"-7.250"), (" 1e2 ", "double", b"1e2"), ("tRUE", "boolean", b"true"),
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


@pytest.mark.parametrize(("kind", "cell"), [(kind, cell) for kind, cells in CELLS.items() for cell in cells])
def test_batch_and_web_give_each_row_one_verdict(kind: str, cell: str, tmp_path: Path) -> None:
    schema = EventSchema([Column("n", kind)])
    content = f'n,other\n"{cell}",1\n'.encode() if cell else b"n,other\n,1\n"
    path = tmp_path / "rides.csv"
    path.write_bytes(content)
    model = Model("model", "1", "here", "0" * 64, schema, lambda columns: np.ones(len(columns[0])))
    with csv(path, schema, None, "rides.csv", "rides") as rows:
        [outcomes] = [Judge(model, "rides").decide(chunk) for chunk in rows.chunks]
    [record] = mlflow_format.records(content, mlflow_format.CSV, schema, 10)
    [web] = Decider(model).decide([record]).outcomes()
    if isinstance(web, InvalidRecord):
        [letter] = outcomes.letters
        # Batch has null for an empty cell, and the web interface leaves the name out.
        told = (letter.reason, letter.path, letter.detail) == (web.reason, web.path, web.detail)
        assert told or (letter.reason == web.reason and not cell)
    else:
        assert (outcomes.letters, len(outcomes.values)) == ([], 1)
