"""The batch interface on a real PostgreSQL: streamed out of it, and into it in one transaction."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from infra.container.example_model import write_example_model
from integration_tests.conftest import loaded
from integration_tests.postgres import PASSWORD, binaries, postgres
from stream_consumer.batch.errors import MixedIds, StoreFailed, UnfitTable
from stream_consumer.batch.job import Job, Options, committed, run
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.record import Reason
from stream_consumer.model import Model
from stream_consumer.outputs import Output

RIDES = """
create table rides as select
  n as ride_id, 1 + n % 265 as "PULocationID", 1 + n % 200 as "DOLocationID", (n % 100)::numeric(5, 2) as trip_distance
from generate_series(0, 19999) as n;
insert into rides values (20000, 300, 1, 1), (20001, 1, 1, null), (20002, 1, 1, 'NaN')
"""
QUERY = "select * from rides where 'a:b%c' like '%:b%' and ride_id::text <> '' order by ride_id"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    folder = binaries()
    if folder is None:
        said = "PostgreSQL is not installed; apt-get install postgresql"
        if "CI" in os.environ:  # nowhere else does a whole run depend on it
            pytest.fail(said)
        pytest.skip(said)
    with postgres(folder) as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(RIDES, execution_options={"no_parameters": True})
        engine.dispose()
        yield url


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model") / "example"
    write_example_model(folder)
    return loaded(folder)


def selected(url: str, query: str) -> list[Any]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()
    return found


def executed(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_query_is_scored_into_a_file(server: str, model: Model, tmp_path: Path) -> None:
    """A numeric is a number, a NaN is none, and neither colons nor per cent signs in the query mean anything."""
    target = tmp_path / "minutes.parquet"
    summary = run(Job.of(server, str(target)), model=model, stores=Stores(), options=Options(query=QUERY))
    assert (summary.rows, summary.predicted) == (20_003, 20_000)
    assert summary.rejected == {Reason.SCHEMA: 2, Reason.BOUNDS: 1}
    assert pq.read_table(target)["ride_id"].to_pylist() == list(range(20_000))
    assert PASSWORD not in (tmp_path / "minutes.parquet.summary.json").read_text(encoding="utf-8")


def test_predictions_replace_those_of_the_same_query(server: str, model: Model) -> None:
    options, job = Options(query=QUERY, table="public.minutes"), Job.of(server, server)
    for _ in range(2):
        run(job, model=model, stores=Stores(), options=options)
    assert selected(server, "select count(*), count(distinct ride_id) from minutes") == [(20_000, 20_000)]
    assert selected(server, "select reason, count(*) from minutes_rejected group by reason order by reason") == [
        ("bounds", 1),
        ("schema", 2),
    ]
    assert PASSWORD not in str(selected(server, "select * from minutes_summaries"))
    assert committed(job, Stores(), options=options) is None


def test_a_transaction_that_fails_changes_nothing(server: str, model: Model) -> None:
    """At its end, when all but the mark is written."""
    options, job = Options(query=QUERY, table="trips"), Job.of(server, server)
    run(job, model=model, stores=Stores(), options=options)
    before = selected(server, "select xmin, * from trips order by ride_id limit 5")
    executed(server, "alter table trips_summaries add constraint no check (summary is null) not valid")
    with pytest.raises(StoreFailed, match='violates check constraint "no"'):
        run(job, model=model, stores=Stores(), options=options)
    assert selected(server, "select xmin, * from trips order by ride_id limit 5") == before


def test_ids_are_not_cast_to_those_of_the_table(server: str, model: Model) -> None:
    options, job = Options(query=QUERY, table="kept"), Job.of(server, server)
    run(job, model=model, stores=Stores(), options=options)
    texts = Options(query=QUERY.replace("*", "*, '0' || ride_id as name"), table="kept", id_column="name")
    with pytest.raises(MixedIds, match="the table kept has ride_id BIGINT and these ids are texts"):
        run(job, model=model, stores=Stores(), options=texts)


def test_two_reruns_at_once_leave_each_row_once(server: str, model: Model) -> None:
    """The second comes when the first has deleted what was there and not committed yet."""
    options = Options(query=QUERY.replace("order", "and ride_id < 100 order"), table="twice")
    again = functools.partial(run, Job.of(server, server), model=model, stores=Stores(), options=options)
    again()
    others: list[threading.Thread] = []

    def second() -> None:
        with contextlib.suppress(StoreFailed):
            again()

    def before_inserting(_: object, statement: object, *__: object) -> None:
        if not isinstance(statement, sa.Insert) or others:
            return
        others.append(threading.Thread(target=second))
        others[0].start()
        deadline = time.monotonic() + 60
        while selected(server, "select 1 from pg_stat_activity where wait_event_type = 'Lock'") == []:
            assert time.monotonic() < deadline, "the second run never waited for the first"
            time.sleep(0.05)

    sa.event.listen(sa.Engine, "before_execute", before_inserting)
    try:
        again()
    finally:
        sa.event.remove(sa.Engine, "before_execute", before_inserting)
        for other in others:
            other.join(60)
    assert selected(server, "select count(*), count(distinct ride_id) from twice") == [(100, 100)]


@pytest.mark.parametrize(
    "query",
    [
        "drop table rides",
        "truncate rides",
        "delete from rides returning *",
        "with gone as (delete from rides returning *) select * from gone",
        "select *, nextval('counted') from rides",
        "create table copied as select * from rides",
        "commit; drop table rides",
        "set transaction read write; drop table rides",
        "select * from rides; commit; drop table rides",
        "select * from rides; rollback; begin read write; drop table rides; commit",
        "select set_config('transaction_read_only', 'off', false) from rides; drop table rides",
    ],
)
def test_a_query_changes_nothing(query: str, server: str, model: Model, tmp_path: Path) -> None:
    """PostgreSQL itself refuses, so nothing is to be rolled back that no rollback would bring back."""
    executed(server, "create sequence if not exists counted")
    before = selected(server, "select count(*), (select last_value from counted) from rides")
    with pytest.raises(StoreFailed, match=r"read-only|syntax error|multiple commands|data-modifying"):
        run(Job.of(server, str(tmp_path / "out.csv")), model=model, stores=Stores(), options=Options(query=query))
    assert selected(server, "select count(*), (select last_value from counted) from rides") == before
    assert list(tmp_path.iterdir()) == []


def test_a_refused_password_is_not_said(server: str, model: Model, tmp_path: Path) -> None:
    wrong = server.replace(PASSWORD, "wr0ng-one")
    with pytest.raises(StoreFailed, match="password authentication failed") as failure:
        run(Job.of(wrong, str(tmp_path / "out.parquet")), model=model, stores=Stores(), options=Options(query=QUERY))
    assert "wr0ng-one" not in str(failure.value)


def test_predictions_are_not_rounded_into_the_columns_that_are_there(server: str, model: Model, tmp_path: Path) -> None:
    """PostgreSQL would make 12 of 12.3 in a column of integers."""
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create table whole (source text, ride_id bigint, ride_duration bigint, model text, version text)"
        )
    engine.dispose()
    job, options = Job.of(server, server), Options(query=QUERY, table="whole")
    with pytest.raises(UnfitTable, match="the table whole has ride_duration BIGINT and this run has DOUBLE"):
        run(job, model=model, stores=Stores(scratch=tmp_path), options=options)
    assert selected(server, "select count(*) from whole") == [(0,)]


@pytest.mark.parametrize(
    ("values", "kind"), [([2.5, 3.0], "double precision"), ([True], "boolean"), (["a"], "text"), ([2], "bigint")]
)
def test_a_table_that_was_made_for_predictions_takes_more_of_them(
    server: str, model: Model, values: list[Any], kind: str, tmp_path: Path
) -> None:
    """And a member that some lack."""
    answers = [{"value": values[0]}, {"value": values[-1], "note": "x"}, {}]
    odd = replace(
        model, predict=lambda columns: [answers[at % 3] for at in range(len(columns[0]))], output=Output.of(answers)
    )
    table = f"odd_{kind.partition(' ')[0]}"
    for _ in range(2):
        run(
            Job.of(server, server),
            model=odd,
            stores=Stores(scratch=tmp_path),
            options=Options(query=QUERY.replace("order by", "and ride_id < 300 order by"), table=table),
        )
    columns = "ride_duration_value, ride_duration_note, pg_typeof(ride_duration_value)::text"
    found = selected(server, f"select distinct {columns} from {table}")  # noqa: S608 (our own)
    assert set(found) == {(values[0], None, kind), (values[-1], "x", kind), (None, None, kind)}
