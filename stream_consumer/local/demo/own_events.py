"""
A file of a user's events → records to put, each with its expected verdict.

The rule: an event is put unchanged. Only a bare row is wrapped: the row becomes the object with the model's input.
"""

import codecs
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stream_consumer.batch.chunks import Input, Table
from stream_consumer.batch.csv_reader import csv
from stream_consumer.batch.locations import SUFFIXES, Format
from stream_consumer.batch.readers import Wanted, ndjson, parquet
from stream_consumer.batch.row_events import as_events
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord, Reason
from stream_consumer.errors import UsageError
from stream_consumer.sinks import Entry

_SUFFIXES = {**SUFFIXES, ".json": Format.NDJSON}
_Open = Callable[[Path, Wanted, str, str], AbstractContextManager[Input]]
_TABLES: Mapping[Format, _Open] = {Format.PARQUET: parquet, Format.CSV: csv}
_LARGEST_WHOLE = 1 << 26
"""Largest size of a JSON array, which is read whole. A larger file is read by lines."""
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def own_events(path: Path, schema: EventSchema, limit: int | None = None) -> list[Entry]:
    """
    Return up to *limit* events of a file, in order and in the envelope of *schema*.

    NDJSON and a JSON array hold events or bare rows. A row of a CSV or Parquet file is a bare row. A bare row without
    an identifier gets its number.

    Raises:
        UsageError: The file cannot be read, its name has no known suffix, or it is empty.
        UnusableInput: A table lacks a required column.
    """
    ending = next((known for known in _SUFFIXES if path.name.lower().endswith(known)), None)
    if ending is None:
        raise UsageError(f"--events {path}: wanted a file whose name ends in {', '.join(_SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"--events {path}: there is no such file")
    opener = _TABLES.get(_SUFFIXES[ending])
    events = _table_events(opener, path, schema) if opener else _json_events(path, schema)
    entries = [_entry(event, number, schema) for number, event in enumerate(itertools.islice(events, limit), start=1)]
    if not entries:
        raise UsageError(f"--events {path}: the file holds no event")
    return entries


def verdicts(entries: list[Entry], schema: EventSchema) -> Counter[Reason]:
    """Return the number of *entries* that are invalid before the model's call, by reason."""
    decoded = (schema.decode(entry.data) for entry in entries)
    found = Counter(event.reason for event in decoded if isinstance(event, InvalidRecord))
    # The rows that the model refuses are not known here.
    return Counter({reason: found[reason] for reason in Reason if reason is not Reason.UNSCORABLE})


def _table_events(opener: _Open, path: Path, schema: EventSchema) -> Iterator[bytes]:
    with opener(path, Wanted(schema), str(path), path.stem) as table:
        for chunk in table.chunks:
            if isinstance(chunk, Table):
                yield from as_events(chunk, np.arange(len(chunk.numbers)), schema.envelope)
            else:
                yield from chunk.data


def _json_events(path: Path, schema: EventSchema) -> Iterator[bytes]:
    whole = path.stat().st_size <= _LARGEST_WHOLE
    items = _items(path.read_bytes().removeprefix(codecs.BOM_UTF8).strip()) if whole else _lines(path)
    for number, item in enumerate(filter(bytes.strip, items), start=1):
        try:
            yield _wrapped(item, _members(item), number, schema)
        except (ValueError, RecursionError):
            yield item


def _lines(path: Path) -> Iterator[bytes]:
    with ndjson(path, f"--events {path}") as lines:
        rows = (row.removesuffix(b"\r") for chunk in lines.chunks if not isinstance(chunk, Table) for row in chunk.data)
        first = next(filter(bytes.strip, rows), b"")
        if first.lstrip().startswith(b"["):
            raise UsageError(
                f"--events {path}: an array of {path.stat().st_size:,} bytes; write a file of more than "
                f"{_LARGEST_WHOLE:,} bytes as NDJSON, an event a line"
            )
        yield first
        yield from rows


def _items(content: bytes) -> list[bytes]:
    """Return the members of an array, one object that may have several lines, or else the lines."""
    with contextlib.suppress(ValueError, RecursionError):
        return list(map(bytes, _array(content)))
    with contextlib.suppress(ValueError, RecursionError):
        _members(content)
        return [content]
    return content.splitlines()


def _wrapped(item: bytes, members: dict[str, msgspec.Raw], number: int, schema: EventSchema) -> bytes:
    envelope = schema.envelope
    if envelope.entity in members or (not envelope.entity and (not envelope.id or envelope.id in members)):
        return item
    identifier = {envelope.id: members.get(envelope.id, msgspec.Raw(b"%d" % number))} if envelope.id else {}
    columns = {column.name for column in schema.columns}
    row: dict[str, Any] = {name: raw for name, raw in members.items() if name != envelope.id or name in columns}
    return msgspec.json.encode({**({envelope.entity: row} if envelope.entity else row), **identifier})


def _entry(data: bytes, number: int, schema: EventSchema) -> Entry:
    event, id_of = schema.decode(data), schema.id_of()
    if id_of is None or isinstance(event, InvalidRecord):
        return Entry(f"event-{number}", data)
    return Entry(str(id_of(event)), data)
