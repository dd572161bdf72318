"""Databases, on SQLite; integration_tests has PostgreSQL."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.batch.chunks import CHUNK_BYTES
from stream_consumer.batch.errors import MixedIds, StoreFailed, UnusableInput
from stream_consumer.batch.job import Job, Options, committed, run
from stream_consumer.batch.locations import Location
from stream_consumer.batch.sources import source_of
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.record import Reason
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from tests.batch.files import RIDES, letters, rides_file, rows

QUERY = "select * from rides order by ride_id"


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "taxi.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table rides (PULocationID, DOLocationID, trip_distance, ride_id, driver)")
        connection.executemany(
            "insert into rides values (?, ?, ?, ?, 'somebody')",
            [(130, 205, 3.5, 7), (74, 75, 1, 8), (75, 300, 2.0, 9), (74, 42, None, 10)],
        )
    connection.close()
    return f"sqlite:///{path}"


def selected(url: str, query: str) -> list[Any]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_querys_rows_are_scored(database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    job = Job.of(database, str(tmp_path / "minutes.parquet"))
    summary = run(job, model=model, stores=stores, options=Options(query=QUERY))
    assert (summary.rows, summary.predicted, summary.rejected) == (4, 2, {Reason.SCHEMA: 1, Reason.BOUNDS: 1})
    assert [(row["ride_id"], row["ride_duration"]) for row in rows(tmp_path / "minutes.parquet")] == [
        (7, 12.0),
        (8, 7.0),
    ]
    [first, _] = letters(tmp_path / "minutes.parquet.rejected.jsonl")
    assert first.event_id == f"{summary.source}:2"
    assert first.data == b'{"ride":{"PULocationID":75,"DOLocationID":300,"trip_distance":2.0},"ride_id":9}'


def test_nobody_knows_whether_a_query_would_still_select_the_same(
    database: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    job, options = Job.of(database, str(tmp_path / "minutes.parquet")), Options(query=QUERY)
    run(job, model=model, stores=stores, options=options)
    assert committed(job, stores, options=options) is None


def test_ids_are_made_of_the_databases_name(database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    options = Options(query="select PULocationID, DOLocationID, trip_distance from rides where trip_distance > 1")
    run(Job.of(database, str(tmp_path / "minutes.parquet")), model=model, stores=stores, options=options)
    assert rows(tmp_path / "minutes.parquet")[0]["ride_id"] == "taxi.db_0"


def test_predictions_go_into_tables(database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    source = str(rides_file(tmp_path / "rides.csv"))
    job, options = Job.of(source, database), Options(table="minutes")
    summary = run(job, model=model, stores=stores, options=options)
    assert selected(database, "select * from minutes") == [
        (source, 7, 12.0, "batch", "run-batch"),
        (source, 8, 7.0, "batch", "run-batch"),
    ]
    assert selected(database, "select source, event_id, reason, path from minutes_rejected") == [
        (source, f"{source}:2", "bounds", "$.ride.DOLocationID"),
        (source, f"{source}:3", "schema", "$.ride.trip_distance"),
    ]
    assert committed(job, stores, model=model, options=options) == summary


@pytest.mark.parametrize("table", ["rides", "zones"])
def test_a_table_that_no_run_made_is_refused_before_a_row_is_read(
    table: str, database: str, model: Model, stores: Stores
) -> None:
    """The input's own, for instance, or one whose name is that of the rejected rows of another."""
    with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
        connection.execute("create table zones_rejected (name)")
    before = selected(database, "select name from sqlite_master"), selected(database, "select * from rides")
    read: list[object] = []
    with pytest.raises(UsageError, match=rf"taxi\.db: the table {table}\w* is there and no run of batch made it"):
        run(
            Job.of(database, database),
            model=model,
            stores=stores,
            options=Options(query=QUERY, table=table),
            progress=lambda *seen: read.append(seen),
        )
    after = selected(database, "select name from sqlite_master"), selected(database, "select * from rides")
    assert (after, read) == (before, [])


def test_a_rerun_replaces_the_rows_of_its_input_alone(
    database: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    options = Options(table="minutes")
    for name in ("one.csv", "two.parquet", "one.csv"):
        run(Job.of(str(rides_file(tmp_path / name)), database), model=model, stores=stores, options=options)
    found = selected(database, "select source, count(*) from minutes group by source order by source")
    assert found == [(str(tmp_path / "one.csv"), 2), (str(tmp_path / "two.parquet"), 2)]
    assert selected(database, "select count(*) from minutes_rejected") == [(4,)]


def test_files_of_one_name_in_two_folders_are_two_inputs(
    database: str, model: Model, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one file by two names is one."""
    for folder in ("march", "april"):
        rides_file(tmp_path / folder / "rides.csv")
        monkeypatch.chdir(tmp_path / folder)
        for name in ("rides.csv", "./rides.csv"):
            run(Job.of(name, database), model=model, stores=stores, options=Options(table="minutes"))
    found = selected(database, "select source, count(*) from minutes group by source order by source")
    assert found == [(str(tmp_path / folder / "rides.csv"), 2) for folder in ("april", "march")]


def test_ids_are_not_changed_into_those_of_the_rows_that_are_there(
    database: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    """SQLite would take the text 007 for 7, and PostgreSQL 7 for a text."""
    options = Options(table="minutes")
    texts = rides_file(tmp_path / "texts.parquet", {**RIDES, "ride_id": ["007", "x", "y", "z"]})
    integers = rides_file(tmp_path / "integers.parquet")
    run(Job.of(str(integers), database), model=model, stores=stores, options=options)
    with pytest.raises(MixedIds, match="the table minutes has ride_id BIGINT and these ids are texts"):
        run(Job.of(str(texts), database), model=model, stores=stores, options=options)
    run(Job.of(str(texts), database), model=model, stores=stores, options=Options(table="named"))
    with pytest.raises(MixedIds, match=r"the table named has ride_id VARCHAR\(256\) and these ids are integers"):
        run(Job.of(str(integers), database), model=model, stores=stores, options=Options(table="named"))
    assert selected(database, "select ride_id from minutes") == [(7,), (8,)]


def test_a_file_without_predictions_does_not_say_what_ids_are(
    database: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    options = Options(table="minutes")
    nothing = rides_file(tmp_path / "nothing.parquet", {name: values[2:] for name, values in RIDES.items()})
    job = Job.of(str(nothing), database)
    summary = run(job, model=model, stores=stores, options=options)
    assert committed(job, stores, options=options) == summary
    run(Job.of(str(rides_file(tmp_path / "some.parquet")), database), model=model, stores=stores, options=options)
    run(job, model=model, stores=stores, options=options)
    assert selected(database, "select ride_id from minutes") == [(7,), (8,)]


def test_rows_of_a_query_are_held_by_their_bytes(tmp_path: Path, model: Model, stores: Stores) -> None:
    with sqlite3.connect(tmp_path / "long.db") as connection:
        connection.execute("create table rides (PULocationID, DOLocationID, trip_distance, ride_id)")
        many = [(130, 205, 3.5, "x" * 20_000)] * 2_000
        connection.executemany("insert into rides values (?, ?, ?, ?)", many)
    connection.close()
    seen: list[int] = []
    run(
        Job.of(f"sqlite:///{tmp_path / 'long.db'}", str(tmp_path / "minutes.parquet")),
        model=model,
        stores=stores,
        options=Options(query="select * from rides", max_rejected=1.0),
        progress=lambda rows, _: seen.append(rows),
    )
    assert (seen[-1], seen[0] * 20_000 < CHUNK_BYTES) == (2_000, True)


def test_one_query_of_two_servers_is_two_inputs() -> None:
    stores = Stores()
    labels = {source_of(Location.parse(f"postgresql:///taxi?host={host}"), QUERY, stores).identity for host in "ab"}
    assert len(labels) == 2


def test_two_queries_are_two_inputs(database: str, model: Model, stores: Stores) -> None:
    for low in (1, 2):
        options = Options(query=f"{QUERY.replace('order', f'where trip_distance > {low} order')}", table="minutes")
        run(Job.of(database, database), model=model, stores=stores, options=options)
    [(first, count), (second, _)] = selected(
        database, "select source, count(*) from minutes group by source order by 2"
    )
    assert (count, first != second, first.startswith(f"{database}?query=")) == (1, True, True)


def test_a_transaction_that_fails_changes_nothing(database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    job, options = Job.of(str(rides_file(tmp_path / "rides.csv")), database), Options(table="minutes")
    run(job, model=model, stores=stores, options=options)
    with sqlite3.connect(tmp_path / "taxi.db") as connection:
        connection.execute("create trigger no before insert on minutes_summaries begin select raise(abort, 'no'); end")
    connection.close()
    before = selected(database, "select rowid, * from minutes")
    with pytest.raises(StoreFailed, match="no"):
        run(job, model=model, stores=stores, options=options)
    assert selected(database, "select rowid, * from minutes") == before


@pytest.mark.parametrize(
    "query",
    [
        "drop table rides",
        "delete from rides returning *",
        "update rides set ride_id = 1",
        "insert into rides (ride_id) values (1)",
        "create table t (a)",
        "vacuum",
        "vacuum into '{other}'",
        "attach database '{other}' as other",
        "pragma user_version = 5",
        "pragma query_only = off",
    ],
)
def test_a_query_changes_nothing(query: str, database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    options = Options(query=query.format(other=tmp_path / "other.db"))
    job = Job.of(database, str(tmp_path / "minutes.parquet"))
    with pytest.raises(StoreFailed, match="authoriz"):
        run(job, model=model, stores=stores, options=options)
    assert selected(database, "select count(*) from rides") == [(4,)]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["taxi.db"]


@pytest.mark.parametrize("name", ["taxi.db", "a b#%25.db"])
def test_a_query_makes_no_file(name: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    """SQLite itself makes an empty database of any name that is opened."""
    job, options = Job.of(f"sqlite:///{tmp_path / name}", str(tmp_path / "minutes.parquet")), Options(query=QUERY)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UnusableInput, match=r"there is no SQLite file /.*\.db"):
        run(job, model=model, stores=stores, options=options)
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_is_made_with_its_first_results(model: Model, stores: Stores, tmp_path: Path) -> None:
    """And not when a run looks for the results of an earlier one."""
    job, options = (
        Job.of(str(rides_file(tmp_path / "rides.csv")), f"sqlite:///{tmp_path / 'new.db'}"),
        Options(table="m"),
    )
    assert committed(job, stores, options=options) is None
    assert not (tmp_path / "new.db").exists()
    run(job, model=model, stores=stores, options=options)
    assert selected(job.target.text, "select count(*) from m") == [(2,)]


@pytest.mark.parametrize("name", ["a b?#%.db", "ähnlich.db"])
def test_a_query_reads_a_file_of_any_name_and_journal(name: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    row = "select 130 PULocationID, 205 DOLocationID, 3.5 trip_distance, 7 ride_id"
    with sqlite3.connect(tmp_path / name) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute(f"create table rides as {row}")
    connection.close()
    url = f"sqlite:///{tmp_path / name.replace('%', '%25').replace('?', '%3F')}"
    job = Job.of(url, str(tmp_path / "minutes.parquet"))
    assert run(job, model=model, stores=stores, options=Options(query="select * from rides")).predicted == 1


def test_a_query_may_compute(database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    query = f"with recursive one as (select 1) select r.*, upper('x') from ({QUERY}) r, one"  # noqa: S608 (our own)
    job = Job.of(database, str(tmp_path / "minutes.parquet"))
    assert run(job, model=model, stores=stores, options=Options(query=query)).predicted == 2


@pytest.mark.parametrize("query", ["select ride_id from rides where 'a:b' like '%:%'"])
def test_missing_columns_are_named(query: str, database: str, model: Model, stores: Stores, tmp_path: Path) -> None:
    """And a colon or per cent sign in a query is nothing special."""
    with pytest.raises(UnusableInput, match="lacks the columns 'PULocationID', 'DOLocationID', 'trip_distance'"):
        run(
            Job.of(database, str(tmp_path / "minutes.parquet")),
            model=model,
            stores=stores,
            options=Options(query=query),
        )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense://me:secret@host/db", "needs a driver|is no database URL"),
        ("sqlite:///no/such/folder/taxi.db", "there is no SQLite file .*/no/such/folder/taxi.db"),
        (f"sqlite:///{'x' * 300}.db", "there is no SQLite file"),
        ("postgresql://me:secret@host:port/db?password=secret", "is no database URL"),
        ("postgresql://me:secret@127.0.0.1:9/db?password=secret", "refused"),
        ("http://[me:secret@host/db", "is no database URL|needs a driver"),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_without_its_password(
    url: str, said: str, model: Model, stores: Stores, tmp_path: Path
) -> None:
    with pytest.raises((StoreFailed, UsageError), match=said) as failure:
        run(Job.of(url, str(tmp_path / "out.parquet")), model=model, stores=stores, options=Options(query=QUERY))
    assert "secret" not in str(failure.value)
    assert "secret" not in str(Location.parse(url))


@pytest.mark.parametrize(
    ("job", "options", "said"),
    [
        (Job.of("sqlite:///taxi.db", "out.parquet"), Options(), "a database needs one"),
        (Job.of("in.parquet", "out.parquet"), Options(query=QUERY), r"a query \(--query\) is for a database"),
        (Job.of("in.parquet", "sqlite:///taxi.db"), Options(), "a database needs one"),
        (Job.of("in.parquet", "out.parquet"), Options(table="minutes"), r"a table \(--table\) is for a database"),
    ],
)
def test_a_database_wants_a_query_and_a_table(
    job: Job, options: Options, said: str, model: Model, stores: Stores
) -> None:
    with pytest.raises(UsageError, match=said):
        run(job, model=model, stores=stores, options=options)
