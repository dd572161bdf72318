"""The report says what profiles and results say, as text."""

import math
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stream_consumer.archive.layout import archive_at
from stream_consumer.batch.storage import Stores
from stream_consumer.monitor.profile_archive import ProfileUnreadable, WindowProfile
from stream_consumer.reporting.collect import collect
from stream_consumer.reporting.findings import Findings, together
from stream_consumer.reporting.page import render
from tests.monitor.test_lambda_function import MODEL, rides
from tests.reporting.days import (
    TODAY,
    days,
    errors,
    profile_of,
    put_result,
    put_window,
)


class Page(HTMLParser):
    """The tables of a page by caption, the labels of its drawings, and whatever points outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.labels: list[str] = []
        self.outside: list[str] = []
        self.paragraphs: list[str] = []
        self._within = ""
        self._caption = ""
        self._rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.outside += [f"{tag} {name}" for name in ("src", "href") if given.get(name)]
        if tag == "svg":
            self.labels.append(str(given["aria-label"]))
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in {"th", "td"}:
            self._rows[-1].append("")
        if tag == "p":
            self.paragraphs.append("")
        if tag in {"th", "td", "caption", "p"}:
            self._within = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.tables[self._caption] = self._rows
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "caption":
            self._caption = data
        if self._within in {"th", "td"}:
            self._rows[-1][-1] += data
        if self._within == "p":
            self.paragraphs[-1] += data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def found(folder: Path, count: int = 3, today: date = TODAY + timedelta(days=1)) -> Findings:
    results = archive_at(str(folder / "results"))
    at = archive_at(str(folder / "profiles"))
    return collect(Stores(), MODEL, days(count), at, results, today=today)


def test_windows_add_up_by_day_and_drift_is_told_by_column_and_day(folder: Path) -> None:
    before, today = days(2)
    sample = rides(1_200, seed=1)
    for hour in (1, 2):
        put_window(folder / "profiles", before, hour, profile_of(sample[:600]), 603)
    put_window(
        folder / "profiles", today, 1, profile_of([(pickup, drop, miles * 9) for pickup, drop, miles in sample]), 1_203
    )
    page = Page(render(found(folder, 2)))
    assert dict(page.tables["What this page is about"][1:]) == {
        "model": f"{MODEL.name} {MODEL.version}",
        "days, in UTC": "2026-11-20 to 2026-11-21",
        "windows": "3, 0 more of other models",
        "records": "2,409",
        "invalid": "3",
        "not profiled": "6",
        "days with outcomes": "0",
    }
    drift = {row[0]: row[1:] for row in page.tables["Drift of the period"][1:]}
    assert drift["trip_distance"][0] == "2,400"
    assert {name: row[-1] for name, row in drift.items()} == {
        "PULocationID": "as in training",
        "DOLocationID": "as in training",
        "trip_distance": "RINGS",
        "prediction": "RINGS",
    }
    assert "trip_distance drifts on 2026-11-21." in page.paragraphs
    assert "trip_distance drifts on 2026-11-20." not in page.paragraphs
    assert [row[0] for row in page.tables["Size by day"][1:]] == ["2026-11-20", "2026-11-21"]
    assert page.labels[2].startswith("trip_distance: from ")


def test_shares_stand_beside_those_of_the_reference(folder: Path) -> None:
    put_window(folder / "profiles", TODAY, 1, profile_of([(1, 2, 0.5)] * 3 + [(1, 2, math.nan)]), 4)
    page = Page(render(found(folder, 1)))
    rows = page.tables["Shares of trip_distance"]
    assert rows[0][:3] == ["bin", "reference", "period"]
    assert rows[-1][:3] == ["missing", "0.0%", "25.0%"]
    assert sum(float(row[2].rstrip("%")) for row in rows[1:]) == pytest.approx(100, abs=0.5)


def test_errors_are_told_by_day_and_the_worst_group_comes_first(folder: Path) -> None:
    before, today = days(2)
    put_result(
        folder / "results", before, 6.0, {"74": errors(5.0, 100), "<b>": errors(6.0, 100), "9": errors(99.0, 20)}
    )
    put_result(folder / "results", today, 7.0, {"74": errors(11.0, 300)}, rings=("rides 3",))
    page = Page(render(found(folder)))
    assert [row[:4] for row in page.tables["Errors by day"][1:]] == [
        ["2026-11-20", "1,200", "50.0%", "6.00"],
        ["2026-11-21", "1,200", "50.0%", "7.00"],
    ]
    assert [(row[0], row[1], row[3]) for row in page.tables["Errors by group"][1:]] == [
        ("74", "800", "9.85"),
        ("<b>", "200", "6.00"),
    ]
    assert page.paragraphs[0] == "The error of rides 3 is too large on 2026-11-21 and the day before."
    assert "RMSE: from 6 to 7, the last 7" in page.labels


def test_errors_of_days_add_up_as_their_predictions_do() -> None:
    """Squares of 25 for 100 and of 121 for 300 are 97 in the mean."""
    both = together([errors(5.0, 100), errors(11.0, 300)])
    assert (both.judged, both.predictions, both.missing) == (400, 800, 400)
    assert both.rmse == pytest.approx(97**0.5)
    assert both.mae == pytest.approx(4.75)
    assert (both.bias, both.accuracy) == (-0.5, None)


def test_days_without_anything_are_a_page_too_that_needs_nothing_else(folder: Path) -> None:
    text = render(found(folder))
    page = Page(text)
    assert page.paragraphs[0].startswith("There is no verdict: the windows have too few rows or hours")
    assert "No day of the period has a result of `stream-consumer monitor quality`." in page.paragraphs
    assert page.outside == []
    assert "://" not in text


def test_windows_of_another_model_are_counted_and_not_added(folder: Path) -> None:
    put_window(folder / "profiles", TODAY, 1, profile_of(rides(9, seed=1)), 9)
    [path] = (folder / "profiles").rglob("*.json")
    window = WindowProfile.decode(path.read_bytes())
    other = path.read_bytes().replace(b'"PULocationID"', b'"tenure"').replace(b"shardId-0", b"shardId-1")
    path.with_name(path.name.replace("shardId-0", "shardId-1")).write_bytes(other)
    [day] = found(folder, 1).days
    assert (day.windows, day.others, day.records) == (1, 1, window.records)


def test_an_object_that_is_no_profile_is_named(folder: Path) -> None:
    path = folder / "profiles" / str(TODAY) / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ProfileUnreadable, match=r"x\.json is not a profile of a window: .*; move it out of the folder"):
        found(folder)


@pytest.mark.parametrize(("count", "limit"), [(7, 0.025), (6, 0.2)])
def test_seven_days_of_windows_are_judged_as_a_week(folder: Path, count: int, limit: float) -> None:
    for day in days(count):
        put_window(folder / "profiles", day, 1, profile_of(rides(9, seed=1)), 9)
    assert found(folder, 10).limits.size == limit


def test_hours_of_a_day_that_is_not_over_do_not_ring_before_they_are_18(folder: Path) -> None:
    """Of the TLC's days up to 9, 10 or 11 h in UTC 2 in 95 would ring."""
    before, today = days(2)
    put_window(folder / "profiles", before, 1, profile_of(rides(600, seed=1)), 603)
    drifted = profile_of(rides(1_200, seed=1, kilometres=True))
    put_window(folder / "profiles", today, 0, drifted, 1_203)
    morning = found(folder, 2, TODAY)
    assert morning.rings == []
    page = Page(render(morning))
    assert page.paragraphs[0].startswith("There is no verdict")
    assert {row[-1] for row in page.tables["Drift of the period"][1:]} == {"too few hours"}
    assert "Its windows span too few hours" in page.paragraphs[1]

    put_window(folder / "profiles", today, 18, drifted, 1_203)
    assert "trip_distance drifts on 2026-11-21." in found(folder, 2, TODAY).rings


def test_the_first_hours_of_a_model_do_not_ring(folder: Path) -> None:
    put_window(folder / "profiles", TODAY, 1, profile_of(rides(1_200, seed=1, kilometres=True)), 1_203)
    assert found(folder).rings == []


def test_a_page_says_that_nothing_rings_only_if_something_was_judged(folder: Path) -> None:
    for hour in (0, 20):
        put_window(folder / "profiles", TODAY, hour, profile_of(rides(600, seed=hour)), 603)
    assert Page(render(found(folder))).paragraphs[0] == "Nothing rings."
