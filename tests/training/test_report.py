"""The report of a training."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from stream_consumer.training.plots import evaluation_plots
from stream_consumer.training.progress import Stages, silent
from stream_consumer.training.promotion import Rival, Verdict
from stream_consumer.training.proof import Comparison, Group
from stream_consumer.training.report import report_of
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.trial import Trial, run_trial
from tests.training.trips import rides_of


@pytest.fixture(scope="module")
def trial() -> Trial:
    trial = run_trial(synthetic_rides(500, seed=42), seed=7, stages=Stages(silent))
    return replace(trial, origin="<b>rides</b>.parquet")


class Page(HTMLParser):
    """The rows of the tables, and the names of the images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.images: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
            self._in_cell = True
        if tag == "img":
            self.images.append(str(dict(attrs)["alt"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_the_report_tells_the_verdict_and_each_zone_against_the_champion(trial: Trial) -> None:
    groups = (Group("pickups in zone 74", 600, 6.0, 5.0), Group("dropoffs in zone 9", 700, 4.0, 0.0))
    rival = Rival("3", Comparison(1_000, 28, 5.9, 6.1, -0.1, groups, groups))
    report = report_of("rides, version 4", trial, rival, Verdict(promoted=False, reason="worse in a zone"))
    page = Page(report.page)
    assert page.rows[:3] == [
        ["verdict", "candidate"],
        ["reason", "worse in a zone"],
        ["rides", "<b>rides</b>.parquet"],
    ]
    assert [row for row in page.rows if "zone" in row[0]] == [
        ["dropoffs in zone 9", "700", "4.00", "0.00", ""],
        ["pickups in zone 74", "600", "6.00", "5.00", "+20.0%"],
    ]
    assert "On 1,000 rides of 28 full days" in report.page
    assert page.images == list(report.plots)
    assert len(page.images) == 6
    assert all(content.startswith(b"\x89PNG") for content in report.plots.values())
    assert "://" not in report.page, "it needs nothing else"


def test_without_a_champion_there_is_no_comparison(trial: Trial) -> None:
    report = report_of("rides, version 1", trial, None, Verdict(promoted=True, reason="there was no champion"))
    assert "Against the champion" not in report.page
    assert Page(report.page).rows[0] == ["verdict", "champion"]


def test_errors_are_drawn_by_hour_zone_and_distance() -> None:
    rides = rides_of([(7, 1), (7, 1), (9, 1)], [0.2, 1.2, 13.0], [10.0, 10.0, 10.0])
    rides = replace(rides, pickup_time=np.datetime64("2021-01-01T00:30", "s") + np.array([0, 0, 23 * 3600]))
    figures = evaluation_plots(rides, np.array([11.0, 13.0, 5.0]))

    def bars(name: str) -> dict[str, float]:
        [axes] = figures[f"plots/error_by_{name}.png"].axes
        labels = [label.get_text() for label in axes.get_xticklabels()]
        return dict(
            zip(labels, [bar.get_bbox().height for bar in axes.patches if isinstance(bar, Rectangle)], strict=True)
        )

    assert bars("hour") == {"0": 2.0, "23": 5.0}
    assert bars("zone") == {"7": 2.0, "9": 5.0}
    assert bars("distance") == {"0-0.5": 1.0, "1-1.5": 3.0, "12+": 5.0}


def test_calibration_is_drawn_for_fewer_rides_than_tenths() -> None:
    rides = rides_of([(1, 2)] * 2, [1.0, 2.0], [10.0, 20.0])
    [axes] = evaluation_plots(rides, np.array([11.0, 19.0]))["plots/calibration.png"].axes
    assert np.asarray(axes.lines[0].get_xydata()).tolist() == [[11.0, 10.0], [19.0, 20.0]]
