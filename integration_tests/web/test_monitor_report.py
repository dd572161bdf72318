"""The monitoring report in a real headless Chromium: narrow and wide, light and dark, checked by axe-core."""

from typing import Any

import pytest

from integration_tests.web.conftest import Looks
from stream_consumer.archive.layout import archive_at
from stream_consumer.batch.storage import Stores
from stream_consumer.reporting.collect import collect
from stream_consumer.reporting.page import render
from tests.monitor.test_lambda_function import MODEL, rides
from tests.reporting.days import TODAY, days, errors, profile_of, put_result, put_window


@pytest.fixture(scope="module")
def looks(looks_at: Looks, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a browser saw of a page with all that there can be, of which some rings."""
    folder = tmp_path_factory.mktemp("report")
    for number, day in enumerate(days(8)):
        factor = 1.6 if number > 5 else 1.0
        sample = [(pickup, dropoff, miles * factor) for pickup, dropoff, miles in rides(900, seed=number)]
        put_window(folder / "profiles", day, 1, profile_of(sample), 903)
        groups = {f"a long name of the zone {zone}": errors(4.0 + zone, 90) for zone in range(20)}
        put_result(folder / "results", day, 5.0 + number, groups, rings=("ride-duration 3",) if number == 7 else ())
    at = [archive_at(str(folder / name)) for name in ("profiles", "results")]
    page = folder / "monitor.html"
    page.write_text(render(collect(Stores(), MODEL, days(8), *at, today=TODAY)))
    return looks_at(page)


def test_it_fits_a_telephone_and_a_screen(looks: list[dict[str, Any]]) -> None:
    assert [(look["width"], look["overflow"]) for look in looks] == [(390, 0), (390, 0), (1280, 0), (1280, 0)]


def test_it_is_dark_where_the_reader_wants_it(looks: list[dict[str, Any]]) -> None:
    found = {look["colorScheme"]: look["background"] for look in looks}
    assert found == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}


def test_axe_finds_nothing_to_complain_about(looks: list[dict[str, Any]]) -> None:
    """Contrast, names of drawings, heads of tables and scrolling by keyboard are among what it looks at."""
    wanted = {"color-contrast", "svg-img-alt", "document-title", "html-has-lang"}
    assert [look["violations"] for look in looks] == [[]] * 4
    assert [wanted - set(look["passes"]) for look in looks] == [set()] * 4


def test_it_needs_nothing_else(looks: list[dict[str, Any]]) -> None:
    assert [(look["errors"], look["elsewhere"]) for look in looks] == [([], [])] * 4
