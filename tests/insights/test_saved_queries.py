"""The saved queries of the runbook, run on lines that the function really writes."""

from pathlib import Path
from typing import Any

import pytest

from tests.insights.discovery import MOST_FIELDS, discovered
from tests.insights.lines import NEWER, log_group
from tests.insights.query import fields_of, run
from tests.rides import SHARD, sequence_number

QUERIES = {
    file.stem: file.read_text(encoding="utf-8")
    for file in Path(__file__).parents[2].glob("infra/modules/observability/queries/*.txt")
}

Events = list[dict[str, Any]]


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Events:
    return log_group(capsys)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_each_field_of_a_query_is_on_a_line(name: str, events: Events) -> None:
    """A misspelt field is no error of Logs Insights: it is empty for ever."""
    there = {field for event in events for field in event}
    assert fields_of(QUERIES[name]) - there == set()


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_each_query_finds_something_and_leaves_no_column_empty(name: str, events: Events) -> None:
    rows = run(QUERIES[name], events)
    assert rows
    for column in rows[0]:
        assert [row[column] for row in rows if row[column] is not None], column


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_each_query_begins_with_its_question(name: str) -> None:
    assert QUERIES[name].startswith("# ")
    assert "?" in QUERIES[name].partition("\n")[0]


def test_a_line_of_metrics_has_no_more_fields_than_are_discovered(events: Events) -> None:
    assert max(map(len, events)) < MOST_FIELDS


def test_dead_letters_say_record_and_reason(events: Events) -> None:
    rows = run(QUERIES["dead-letters"], events)
    assert {(row["event_id"], row["reason"], row["path"]) for row in rows} == {
        (f"{SHARD}:{sequence_number(2)}", "undecodable", "$"),
        (f"{SHARD}:{sequence_number(3)}", "schema", "$.ride.PULocationID"),
    }
    reasons = run(QUERIES["dead-letter-reasons"], events)
    assert {(row["reason"], row["records"]) for row in reasons} == {("undecodable", 1), ("schema", 1)}


def test_redeliveries_say_from_which_record_on(events: Events) -> None:
    rows = run(QUERIES["redeliveries"], events)
    assert {(row["sequence_number"], row["unsettled"]) for row in rows} == {
        (sequence_number(5), 1),
        (sequence_number(2), 1),
    }


def test_errors_are_those_of_the_code_and_of_the_runtime(events: Events) -> None:
    rows = run(QUERIES["errors-by-version"], events)
    assert {(row["version"], row["what"][:33], row["error"], row["errors"]) for row in rows} == {
        ("8", "2026-11-21T01:02:03.456Z 8f507cfc", None, 1),
        ("7", "init failed", "ModelError", 1),
        ("7", "[ERROR] BatchFailed: nothing of t", None, 1),
    }


def test_starts_are_those_with_init_and_those_from_a_snapshot(events: Events) -> None:
    [row] = run(QUERIES["cold-starts"], events)
    assert (row["starts"], row["longest_ms"], row["mean_ms"]) == (2, 1200.0, pytest.approx(837.08))


def test_memory_is_in_the_unit_of_its_setting(events: Events) -> None:
    [row] = run(QUERIES["memory"], events)
    assert (row["used_mb"], row["size_mb"]) == (160.0, 1769.0)


def test_the_slowest_come_first(events: Events) -> None:
    assert [row["@duration"] for row in run(QUERIES["slow-invocations"], events)] == [250.1, 20.0, 15.74]
    batches = run(QUERIES["slow-batches"], events)
    assert [row["records"] for row in batches].count(4.0) == 1
    assert batches == sorted(batches, key=lambda row: -row["busy_ms"])


def test_a_canary_is_told_from_the_version_before(events: Events) -> None:
    newer, older = run(QUERIES["canary"], events)
    assert (newer["version"], older["version"]) == ("8", "7")
    assert (newer["batches"], newer["records"], newer["dead_letters"], newer["unsettled"]) == (2, 6.0, 2.0, 1.0)
    assert (older["batches"], older["records"], older["dead_letters"]) == (2, 3.0, 0.0)


def test_batches_have_a_size_and_an_age(events: Events) -> None:
    [row] = run(QUERIES["batch-sizes"], events)
    assert (row["batches"], row["mean"], row["largest"], row["oldest_ms"]) == (4, 2.25, 4.0, 2500.0)


def test_challenger_and_model_are_those_of_the_version(events: Events) -> None:
    [row] = run(QUERIES["challenger"], events)
    assert (row["version"], row["compared"], row["disagreements"]) == ("7", 2.0, 2.0)
    [loaded] = run(QUERIES["models"], events)
    assert (loaded["@logStream"], loaded["version"], loaded["digest"]) == (NEWER, "Test123", "d" * 64)


@pytest.mark.parametrize(
    "query", ["filer reason = 1", "stats median(x)", "fields bytes(x)", "filter x == 1", "sort x down", "limit 1 2"]
)
def test_what_insights_does_not_know_is_no_query(query: str) -> None:
    """Else a misspelt query would pass."""
    with pytest.raises((KeyError, ValueError)):
        run(query, [discovered("{}", stream=NEWER, timestamp=0.0)])
