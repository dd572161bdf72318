"""Every reader meets every encoding and container: read, or one line that names what the file is instead."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from stream_consumer.batch.errors import UnusableInput
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from stream_consumer.training.rides import load_rides
from tests.batch.files import RIDES, letters, rows

HTML = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
CSV = "ride_id,PULocationID,DOLocationID,trip_distance\n1,130,205,3.5\n2,74,75,1\n"
NDJSON = "".join(
    json.dumps({"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": miles}, "ride_id": miles}) + "\n"
    for miles in (1, 2)
)
TRIPS = (
    "lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,trip_distance,café\n"
    "2021-01-01 00:00:00,2021-01-01 00:10:00,130,205,3.5,1\n"
    "2021-01-01 00:00:00,2021-01-01 00:20:00,74,75,1,1\n"
)


def parquet_of(text: str) -> bytes:
    """Return the rows of a CSV file as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(pyarrow.csv.read_csv(io.BytesIO(text.encode())), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def variants(text: str) -> dict[str, bytes]:
    plain = text.encode()
    return {
        "UTF-8": plain,
        "BOM": b"\xef\xbb\xbf" + plain,
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without mark": text.encode("utf-16-le"),
        "Latin-1": text.replace("ride_id", "rïde_id").encode("latin-1"),
        "gzip": gzip.compress(plain),
        "zstd": pa.compress(plain, codec="zstd", asbytes=True),
        "empty": b"",
        "HTML": HTML,
        "Parquet": parquet_of(CSV),
    }


def parquet_variants(content: bytes, header_only: bytes) -> dict[str, bytes]:
    return {
        "UTF-8": content,
        "gzip": gzip.compress(content),
        "zstd": pa.compress(content, codec="zstd", asbytes=True),
        "empty": b"",
        "header only": header_only,
        "truncated": content[:-20],
        "HTML": HTML,
        "UTF-16": CSV.encode("utf-16"),
        "BOM": b"\xef\xbb\xbf" + CSV.encode(),
        "Latin-1": "café,1\n".encode("latin-1"),
    }


FILES = {
    "csv": variants(CSV) | {"header only": CSV.splitlines(keepends=True)[0].encode(), "truncated": CSV[:-4].encode()},
    "csv.gz": {
        "UTF-8": gzip.compress(CSV.encode()),
        "BOM": gzip.compress(b"\xef\xbb\xbf" + CSV.encode()),
        "UTF-16": gzip.compress(CSV.encode("utf-16")),
        "plain": CSV.encode(),
        "twice": gzip.compress(gzip.compress(CSV.encode())),
        "truncated": gzip.compress(CSV.encode())[:-12],
        "HTML": gzip.compress(HTML),
        "empty": b"",
    },
    "ndjson": variants(NDJSON) | {"header only": b"", "truncated": NDJSON[:-9].encode()},
    "parquet": parquet_variants(parquet_of(CSV), parquet_of(CSV.splitlines(keepends=True)[0])),
}
# Rows predicted and rejected, or what the refusal says.
VERDICTS: dict[str, dict[str, tuple[int, int] | str]] = {
    "csv": {
        "UTF-8": (2, 0),
        "BOM": (2, 0),
        "UTF-16": "it is UTF-16, and UTF-8 is wanted; convert it: iconv -f UTF-16 -t UTF-8",
        "UTF-16 without mark": "it is UTF-16 without a byte-order mark",
        "Latin-1": r"it is not UTF-8 \(byte 0xe[9f]\), perhaps Latin-1",
        "gzip": r"it is gzip data; .* a name that ends in \.csv\.gz",
        "zstd": "it is Zstandard data",
        "empty": "Empty CSV file",
        "header only": (0, 0),
        "truncated": (1, 1),
        "HTML": "it is HTML",
        "Parquet": r"it is Parquet; give it a name that ends in \.parquet",
    },
    "csv.gz": {
        "UTF-8": (2, 0),
        "BOM": (2, 0),
        "UTF-16": "it is UTF-16",
        "plain": "it is not gzip data",
        "twice": "it is gzip data",
        "truncated": "cannot be read as CSV",
        "HTML": "it is HTML",
        "empty": "cannot be read as CSV",
    },
    "ndjson": {
        "UTF-8": (2, 0),
        "BOM": (2, 0),
        "UTF-16": "it is UTF-16",
        "UTF-16 without mark": "it is UTF-16 without a byte-order mark",
        "Latin-1": (0, 2),
        "gzip": "it is gzip data",
        "zstd": "it is Zstandard data",
        "empty": (0, 0),
        "header only": (0, 0),
        "truncated": (1, 1),
        "HTML": "it is HTML",
        "Parquet": "it is Parquet",
    },
    "parquet": {
        "UTF-8": (2, 0),
        "gzip": "it is gzip data",
        "zstd": "it is Zstandard data",
        "empty": "cannot be read as Parquet",
        "header only": (0, 0),
        "truncated": "cannot be read as Parquet",
        "HTML": "it is HTML",
        "UTF-16": "it is UTF-16",
        "BOM": "cannot be read as Parquet",
        "Latin-1": "cannot be read as Parquet",
    },
}
TRIP_HEADER = TRIPS.splitlines(keepends=True)[0]
TRIP_FILES = {
    "csv": variants(TRIPS) | {"header only": TRIP_HEADER.encode(), "truncated": TRIPS[:-4].encode()},
    "csv.gz": FILES["csv.gz"]
    | {"UTF-8": gzip.compress(TRIPS.encode()), "BOM": gzip.compress(b"\xef\xbb\xbf" + TRIPS.encode())},
    "parquet": parquet_variants(parquet_of(TRIPS), parquet_of(TRIP_HEADER)),
}
TRIP_VERDICTS = VERDICTS | {
    "csv": VERDICTS["csv"] | {"truncated": "cannot be read as trip records", "header only": "has no rows"},
    "parquet": VERDICTS["parquet"] | {"header only": "has no rows"},
    "ndjson": {},
}  # fmt: skip


def cases(table: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    return [(end, content) for end, contents in table.items() for content in contents]


def test_every_content_has_a_verdict() -> None:
    assert {end: set(contents) for end, contents in FILES.items()} == {
        end: set(found) for end, found in VERDICTS.items()
    }


@pytest.mark.parametrize(("end", "content"), cases(VERDICTS))
def test_batch_reads_it_or_names_what_it_is(
    end: str, content: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    source = tmp_path / f"rides.{end}"
    source.write_bytes(FILES[end][content])
    job, verdict = Job.of(str(source), str(tmp_path / "out.ndjson")), VERDICTS[end][content]
    if isinstance(verdict, str):
        with pytest.raises(UnusableInput, match=verdict) as refusal:
            run(job, model=model, stores=stores)
        assert "\n" not in str(refusal.value)
    else:
        summary = run(job, model=model, stores=stores)
        assert (summary.predicted, summary.rows - summary.predicted) == verdict


@pytest.mark.parametrize(("end", "content"), cases(TRIP_VERDICTS))
def test_training_reads_it_or_names_what_it_is(end: str, content: str, tmp_path: Path) -> None:
    source = tmp_path / f"rides.{end}"
    source.write_bytes(TRIP_FILES[end][content])
    verdict = TRIP_VERDICTS[end][content]
    if isinstance(verdict, str):
        wanted = verdict.replace("CSV file", "CSV").replace("read as CSV", "read as trip records")
        with pytest.raises(UsageError, match=wanted.replace("as Parquet", "as trip records")) as refusal:
            load_rides([str(source)])
        assert "\n" not in str(refusal.value)
    else:
        assert len(load_rides([str(source)])) == verdict[0]


def test_nanoseconds_are_read_for_training(tmp_path: Path) -> None:
    times = {
        f"lpep_{what}_datetime": pa.array([minutes * 60 * 10**9 + 123], pa.timestamp("ns"))
        for what, minutes in (("pickup", 0), ("dropoff", 10))
    }
    rides = {"PULocationID": [130], "DOLocationID": [205], "trip_distance": [3.5]}
    pq.write_table(pa.table(times | rides), tmp_path / "rides.parquet")
    assert load_rides([str(tmp_path / "rides.parquet")]).duration.tolist() == [10.0]


def test_uuids_are_ids_as_people_write_them(model: Model, stores: Stores, tmp_path: Path) -> None:
    uuids = pa.array([bytes(range(16)), None, bytes(16), bytes(16)], pa.uuid())
    pq.write_table(pa.table(dict(RIDES) | {"ride_id": uuids}), tmp_path / "rides.parquet")
    run(Job.of(str(tmp_path / "rides.parquet"), str(tmp_path / "out.parquet")), model=model, stores=stores)
    assert rows(tmp_path / "out.parquet")[0]["ride_id"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary(2), pa.large_binary(), pa.binary_view()])
def test_ids_of_bytes_are_refused(kind: pa.DataType, model: Model, stores: Stores, tmp_path: Path) -> None:
    """As base64 they would be ids that nobody wrote."""
    ids = pa.array([b"ab", b"cd", b"ef", b"gh"], kind)
    pq.write_table(pa.table(dict(RIDES) | {"ride_id": ids}), tmp_path / "rides.parquet")
    with pytest.raises(UnusableInput, match="an id is an integer or a text: write them as texts"):
        run(Job.of(str(tmp_path / "rides.parquet"), str(tmp_path / "out.parquet")), model=model, stores=stores)


def test_string_views_are_texts(model: Model, stores: Stores, tmp_path: Path) -> None:
    ids = pa.array(["a", "b", "c", "d"], pa.string_view())
    pq.write_table(pa.table(dict(RIDES) | {"ride_id": ids}), tmp_path / "rides.parquet")
    run(Job.of(str(tmp_path / "rides.parquet"), str(tmp_path / "out.parquet")), model=model, stores=stores)
    assert [row["ride_id"] for row in rows(tmp_path / "out.parquet")] == ["a", "b"]


def test_a_line_of_another_length_is_said_in_words_of_csv(model: Model, stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "rides.csv").write_text(CSV + "3,130,205,3.66,\n4,130\n", encoding="utf-8")
    run(Job.of(str(tmp_path / "rides.csv"), str(tmp_path / "out.csv")), model=model, stores=stores)
    assert [
        (letter.reason, letter.path, letter.detail, letter.data)
        for letter in letters(tmp_path / "out.csv.rejected.jsonl")
    ] == [
        ("undecodable", "$", "5 cells for 4 columns", b"3,130,205,3.66,"),
        ("undecodable", "$", "2 cells for 4 columns", b"4,130"),
    ]


BOMBS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a line without end": (lambda table: table + b"1" * 9_000_000, "straddles two block boundaries"),
    "a quote without end": (lambda table: table + b'"' + b"\n" * 9_000_000, "straddles two block boundaries"),
    "a header without end": (lambda _: b"a" * 9_000_000, "cannot infer number of columns"),
    "columns without end": (lambda _: b"," * 9_000_000, "columns or more, and 32,768 are read"),
    "a million columns": (
        lambda table: table.splitlines()[0] + b",a" * 900_000 + b"\n", "first line has 900,00. columns or more",
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", ["csv", "csv.gz"])
@pytest.mark.parametrize(("content", "said"), BOMBS.values(), ids=BOMBS)
def test_what_never_ends_is_refused_in_one_line_and_in_the_memory_of_a_block(  # noqa: PLR0913, PLR0917 (cases, fixtures)
    end: str, content: Callable[[bytes], bytes], said: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    """By batch and by training, though gzip makes gigabytes of kilobytes."""
    reads: list[tuple[str, Callable[[Path], object]]] = [
        (CSV, lambda path: run(Job.of(str(path), str(tmp_path / "out.csv")), model=model, stores=stores)),
        (TRIPS, lambda path: load_rides([str(path)])),
    ]
    before = pa.default_memory_pool().max_memory()
    for table, read in reads:
        source, made = tmp_path / f"rides.{end}", content(table.encode())
        source.write_bytes(gzip.compress(made) if end == "csv.gz" else made)
        with pytest.raises(UsageError, match=said) as refusal:
            read(source)
        assert "\n" not in str(refusal.value)
    assert pa.default_memory_pool().max_memory() - before < 1e8


def test_lines_that_do_not_fit_the_header_are_not_held(model: Model, stores: Stores, tmp_path: Path) -> None:
    """Neither between good rows nor at the beginning, where a file of nothing else has the wrong header."""
    bad = f"1,130,205,3.66,{'x' * 10_000}\n"
    path = tmp_path / "rides.csv"
    path.write_text(CSV + bad * 4_000 + "3,130,205,1\n", encoding="utf-8")
    tracemalloc.start()
    try:
        summary = run(Job.of(str(path), str(tmp_path / "out.csv")), model=model, stores=stores)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (summary.rows, summary.predicted) == (4_003, 3)
    assert peak < 30e6
    path.write_text(CSV.splitlines(keepends=True)[0] + bad * 8_000, encoding="utf-8")
    with pytest.raises(UnusableInput, match="Expected 4 columns, got 5"):
        run(Job.of(str(path), str(tmp_path / "out.csv")), model=model, stores=stores)
