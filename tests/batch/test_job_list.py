"""Names of runs: templates, intervals and jobs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_consumer.batch.job import Job
from stream_consumer.batch.job_list import plan
from stream_consumer.batch.schedule import Interval, Names, Schedule
from stream_consumer.errors import UsageError

NOW = datetime(2021, 3, 1, 0, 30, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "now", "ended"),
    [
        (Interval.MONTH, "2021-03-01T00:30", "2021-02-01"),
        (Interval.MONTH, "2021-01-31T23:59", "2020-12-01"),
        (Interval.DAY, "2021-03-01T00:00", "2021-02-28"),
        (Interval.HOUR, "2021-03-01T00:30", "2021-02-28T23:00"),
        (Interval.HOUR, "2021-03-01T05:00", "2021-03-01T04:00"),
    ],
)
def test_the_interval_just_ended_is_the_default(interval: Interval, now: str, ended: str) -> None:
    assert interval.ended(day(now)) == day(ended)


def source(environ: dict[str, str], **given: str) -> str:
    schedule = Schedule.of({"BUCKET": "rides"} | environ, NOW, **given)
    return schedule.names.fill(schedule.source)


def test_a_schedule_needs_nothing_but_a_bucket() -> None:
    schedule = Schedule.of({"BUCKET": "rides"}, NOW)
    assert schedule.names.fill(schedule.source) == "s3://rides/rides/2021-02.parquet"
    assert schedule.names.fill(schedule.target) == "s3://rides/predictions/2021-02.parquet"


@pytest.mark.parametrize("date", ["2021-03-01", "2021-03", "2021-03-31T23:00:00Z", "2021-03-01T01:00:00+01:00"])
def test_a_date_names_the_interval_that_it_is_in(date: str) -> None:
    assert source({"DATE": date}) == source({}, date=date) == "s3://rides/rides/2021-03.parquet"


def test_the_time_of_the_schedule_names_the_interval_that_ended_then() -> None:
    """A run that comes late is still about its own interval."""
    wanted = "s3://rides/rides/2020-12.parquet"
    assert source({"SCHEDULED_TIME": "2021-01-01T00:00:00Z"}) == wanted
    assert source({"DATE": "2021-05-01"}, scheduled_time="2021-01-01T00:00:00Z") == wanted


def test_what_is_given_goes_before_the_environment() -> None:
    environ = {"DATE": "2020-01-01", "BATCH_INTERVAL": "hour", "BATCH_INPUT": "{bucket}/{date:%d-%H}.csv"}
    assert source(environ) == "rides/01-00.csv"
    assert source(environ, date="2021-03-09T17:00", bucket="other", interval="day") == "other/09-00.csv"
    assert source(environ | {"BATCH_INTERVAL": ""}, date="2021-03-09T17:00") == "rides/01-00.csv"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{month}-{bucket}.csv", r"asks for \{month\}; there are \{bucket\} and \{date:%Y-%m-%d\}"),
        ("{date.year}.csv", r"asks for \{date\.year\}"),
        ("{}.csv", r"asks for \{\}"),
        ("{date:{bucket}{x}}.csv", "is no template"),
        ("{date.csv", "is no template"),
        ("{bucket}.csv", "name it with --bucket or BUCKET"),
    ],
)
def test_an_unknown_placeholder_is_refused_by_name(template: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Names(NOW, None).fill(template)


def test_a_brace_is_written_twice() -> None:
    assert Names(NOW, None).fill("{{rides}}-{date:%Y}.csv") == "{rides}-2021.csv"


@pytest.mark.parametrize("given", [{"date": "yesterday"}, {"interval": "week"}, {"scheduled_time": "soon"}])
def test_what_is_no_date_or_interval_is_refused(given: dict[str, str]) -> None:
    [value] = given.values()
    with pytest.raises(UsageError, match=f"'{value}' is no (date|interval); wanted"):
        Schedule.of({}, NOW, **given)


def test_a_folder_gets_a_file_for_each_input() -> None:
    assert plan(["a/x.parquet", "s3://b/y.csv.gz", "sqlite:///z.db"], "out/") == [
        Job.of("a/x.parquet", "out/x.parquet"),
        Job.of("s3://b/y.csv.gz", "out/y.csv.gz"),
        Job.of("sqlite:///z.db", "out/z.db.parquet"),
    ]


def test_a_database_takes_every_input() -> None:
    assert plan(["x.csv", "y.csv"], "sqlite:///z.db") == [
        Job.of("x.csv", "sqlite:///z.db"),
        Job.of("y.csv", "sqlite:///z.db"),
    ]


@pytest.mark.parametrize(
    ("sources", "target", "said"),
    [
        (["x.csv", "./x.csv"], "out/", "the same input is there more than once"),
        (["a/x.csv", "b/x.csv"], "out/", "two inputs would write one file"),
        (["x.csv", "x.rejected.jsonl"], "out/", r"out/x\.rejected\.jsonl: rejected rows have such names"),
        (["x.csv", "y.csv"], "out.csv", "2 inputs cannot go into one file, out.csv; the last name is the OUTPUT"),
        (["x.csv"], "./x.csv", r"\./x.csv is an input and would be written over"),
        (["out/x.csv"], "out/", "out/x.csv is an input and would be written over"),
        (["s3://b/x.csv"], "s3://b/x.csv", "is an input"),
        (
            ["x.parquet.rejected.jsonl"],
            "x.parquet",
            r"x\.parquet\.rejected\.jsonl is an input and would be written over",
        ),
        (["x.txt"], "out/", "wanted one of .parquet"),
    ],
)
def test_jobs_that_would_spoil_each_other_are_refused(sources: list[str], target: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan(sources, target)


def test_a_folder_without_its_slash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder; end it with /"):
        plan(["x.csv"], str(tmp_path / "out.csv"))
