"""The report of the demo in a real headless Chromium: narrow and wide, light and dark, checked by axe-core."""

from pathlib import Path

from integration_tests.web.conftest import Looks
from stream_consumer.local.demo.report import render
from tests.local.outcomes import outcome


def test_the_looks_of_the_demo_s_report(looks_at: Looks, tmp_path: Path) -> None:
    about = [("model", "ride-duration, version 3"), ("command", "stream-consumer demo --malformed 1%")]
    page = tmp_path / "demo-report.html"
    page.write_text(render(outcome(), about, [("put", "207")], []), encoding="utf-8")
    looks = looks_at(page)
    assert [(look["width"], look["overflow"]) for look in looks] == [(390, 0), (390, 0), (1280, 0), (1280, 0)]
    assert [look["violations"] for look in looks] == [[]] * 4
    assert [{"color-contrast", "image-alt"} - set(look["passes"]) for look in looks] == [set()] * 4
    assert [look["errors"] for look in looks] == [[]] * 4
    pictures = [asked for look in looks for asked in look["elsewhere"]]
    assert [asked for asked in pictures if not asked.startswith("data:image/png")] == []
