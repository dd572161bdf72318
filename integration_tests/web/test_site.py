"""The site of the documentation in a real headless Chromium: narrow and wide, light and dark, checked by axe-core."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
PAGES = [
    "README.html",
    "CONTRIBUTING.html",
    "docs/architecture.html",
    "docs/getting-back.html",
    "docs/site/commands.html",
]


@pytest.fixture(scope="module")
def looks() -> list[dict[str, Any]]:
    subprocess.run(["make", "--silent", "site"], cwd=ROOT, check=True, timeout=300)  # noqa: S607 (as a user builds it)
    program = Path(__file__).with_name("pages.mjs")
    done = subprocess.run(  # noqa: S603 (ours)
        ["node", str(program), *(str(SITE / page) for page in PAGES)],  # noqa: S607 (as make finds it)
        check=False,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(seen) == 4 * len(PAGES)
    return seen


def test_every_page_fits_a_telephone_and_a_screen(looks: list[dict[str, Any]]) -> None:
    assert [look for look in looks if look["overflow"]] == []


def test_no_table_is_cut_off_on_a_screen(looks: list[dict[str, Any]]) -> None:
    assert [(look["file"], look["cutTables"]) for look in looks if look["width"] == 1280 and look["cutTables"]] == []


def test_the_colours_are_those_that_the_reader_wants(looks: list[dict[str, Any]]) -> None:
    light, dark = (
        {look["background"] for look in looks if look["colorScheme"] == scheme} for scheme in ("light", "dark")
    )
    assert (len(light), len(dark), light & dark) == (1, 1, set())


def test_axe_finds_nothing_to_complain_about(looks: list[dict[str, Any]]) -> None:
    wanted = {"color-contrast", "document-title", "html-has-lang", "link-name"}
    assert [(look["file"], look["violations"]) for look in looks if look["violations"]] == []
    assert [wanted - set(look["passes"]) for look in looks] == [set()] * len(looks)


def test_nothing_is_fetched_from_elsewhere(looks: list[dict[str, Any]]) -> None:
    assert [look["errors"] for look in looks if look["errors"]] == []
    assert [url for look in looks for url in look["elsewhere"] if not url.startswith(("file:", "data:"))] == []


def test_the_site_has_the_commands_and_the_picture() -> None:
    assert "stream-consumer-dead-letters-redrive" in (SITE / "docs/site/commands.html").read_text(encoding="utf-8")
    assert not re.search(r"^\* .*\.\.\.$", (ROOT / "docs/site/commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert "PredictionReader" in (SITE / "docs/site/python.html").read_text(encoding="utf-8")
    assert (SITE / "_images/stream.svg").is_file()
    assert "docs/site/index.html" in (SITE / "index.html").read_text(encoding="utf-8")
