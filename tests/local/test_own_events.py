"""Anybody's events from a file: what goes as it stands, what is wrapped, and the verdict on each."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch.chunks import CHUNK_ROWS
from stream_consumer.batch.errors import UnusableInput
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import Reason
from stream_consumer.errors import UsageError
from stream_consumer.local.demo.own_events import own_events, verdicts
from stream_consumer.sinks import Entry

COLUMNS = [Column("plan", "string"), Column("fee", "double")]
WRAPPED = EventSchema(COLUMNS, Envelope("customer", "customer_id", "churned"))
BARE = EventSchema(COLUMNS, Envelope("", "customer_id", "churned"))
NAMELESS = EventSchema(COLUMNS, Envelope("", "", "churned"))

ROW = b'{"plan": "basic", "fee": 2.5}'
EVENT = b'{"customer": {"plan": "basic", "fee": 2.5}, "customer_id": "c-9"}'


def read(path: Path, content: bytes, schema: EventSchema = WRAPPED) -> list[Entry]:
    path.write_bytes(content)
    return own_events(path, schema)


def test_an_event_goes_as_it_stands_under_its_id(tmp_path: Path) -> None:
    assert read(tmp_path / "e.ndjson", EVENT + b"\n\n" + EVENT) == [Entry("c-9", EVENT)] * 2


@pytest.mark.parametrize(
    ("schema", "row", "put"),
    [
        (WRAPPED, ROW, Entry("1", b'{"customer":{"plan":"basic","fee":2.5},"customer_id":1}')),
        (
            WRAPPED,
            b'{"customer_id": "c-1", "plan": "basic", "fee": 2.5}',
            Entry("c-1", b'{"customer":{"plan":"basic","fee":2.5},"customer_id":"c-1"}'),
        ),
        (BARE, ROW, Entry("1", b'{"plan":"basic","fee":2.5,"customer_id":1}')),
        (NAMELESS, ROW, Entry("event-1", ROW)),
    ],
)
def test_a_bare_row_is_wrapped_and_numbered(tmp_path: Path, schema: EventSchema, row: bytes, put: Entry) -> None:
    assert [(one.partition_key, json.loads(one.data)) for one in read(tmp_path / "e.jsonl", row, schema)] == [
        (put.partition_key, json.loads(put.data))
    ]


def test_an_array_is_a_file_of_events(tmp_path: Path) -> None:
    entries = read(tmp_path / "e.json", b"\xef\xbb\xbf [" + EVENT + b",\n" + ROW + b"]")
    assert [entry.partition_key for entry in entries] == ["c-9", "2"]
    indented = json.dumps(json.loads(EVENT), indent=2).encode()
    assert [entry.partition_key for entry in read(tmp_path / "one.json", indented)] == ["c-9"]


def test_a_large_file_of_lines_is_read_as_far_as_it_is_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be larger than the memory. What is behind the last event that is wanted is not even looked at."""
    monkeypatch.setattr("stream_consumer.local.demo.own_events._LARGEST_WHOLE", 1_000)
    path = tmp_path / "e.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + EVENT + b" \r\n\n" + ROW + b"\n" + b"[1]\n" * CHUNK_ROWS + b"x" * 2**24)
    entries = own_events(path, WRAPPED, 3)
    assert [entry.partition_key for entry in entries] == ["c-9", "2", "event-3"]
    assert [entries[0].data, entries[2].data] == [EVENT + b" ", b"[1]"]
    with pytest.raises(UnusableInput, match=r"row \d+ of .*e\.ndjson is longer than 16777216 bytes"):
        own_events(path, WRAPPED)


def test_an_array_that_is_too_large_to_be_read_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_consumer.local.demo.own_events._LARGEST_WHOLE", 100)
    with pytest.raises(
        UsageError, match=r"e\.json: an array of 202 bytes; write a file of more than 100 bytes as NDJSON"
    ):
        read(tmp_path / "e.json", b"\n [" + EVENT + b",\n" + EVENT + b"," + EVENT + b"]")


def test_rows_by_column_are_wrapped_with_the_id_of_their_column(tmp_path: Path) -> None:
    table = {"churned": ["no", "yes"], "customer_id": [7, 8], "fee": [2.5, 3.0], "plan": ["basic", "family"]}
    pq.write_table(pa.table(table), tmp_path / "e.parquet")
    lines = ["churned,customer_id,fee,plan", "no,7,2.5,basic", "yes,8,3.0,family"]
    from_csv = read(tmp_path / "e.csv", "\n".join(lines).encode())
    for entries in (from_csv, own_events(tmp_path / "e.parquet", WRAPPED)):
        assert [entry.partition_key for entry in entries] == ["7", "8"]
        assert [json.loads(entry.data) for entry in entries] == [
            {"customer": {"plan": "basic", "fee": 2.5}, "customer_id": 7},
            {"customer": {"plan": "family", "fee": 3.0}, "customer_id": 8},
        ]


def test_what_is_invalid_is_put_and_its_verdict_expected(tmp_path: Path) -> None:
    lines = [EVENT, b"{broken", b"[1]", b'{"plan": "basic"}', b'{"customer": {"plan": 1, "fee": 1}, "customer_id": 1}']
    entries = read(tmp_path / "e.ndjson", b"\n".join(lines))
    assert len(entries) == 5
    assert verdicts(entries, WRAPPED) == {Reason.UNDECODABLE: 1, Reason.SCHEMA: 3, Reason.BOUNDS: 0}


def test_what_cannot_be_read_is_said_with_its_name(tmp_path: Path) -> None:
    for name, content, said in (
        ("e.txt", ROW, "wanted a file whose name ends in .parquet"),
        ("e.ndjson", b"\n", "holds no event"),
        ("e.json", b"[]", "holds no event"),
    ):
        with pytest.raises(UsageError, match=said):
            read(tmp_path / name, content)
    with pytest.raises(UsageError, match="there is no such file"):
        own_events(tmp_path / "none.json", WRAPPED)
    with pytest.raises(UnusableInput, match="lacks the column 'fee'"):
        read(tmp_path / "e.csv", b"plan\nbasic\n")
    with pytest.raises(UnusableInput, match="cannot be read as Parquet"):
        read(tmp_path / "e.parquet", b"PAR0")
    with pytest.raises(UsageError, match="there is no such file"):
        own_events(tmp_path / "none.csv", WRAPPED)
