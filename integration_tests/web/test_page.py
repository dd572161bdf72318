"""The page at /docs in a real headless Chromium, without any network but this server."""

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from integration_tests.web.conftest import TOKEN, Looks

HERE = Path(__file__).parent
MARKUP = "<img src=x onerror=alert(1)>"
OBEYED = "\u202e\x9b\U000e0001"
SHOWN = r"\u202e\u009b\udb40\udc01"


@pytest.fixture(scope="module")
def seen(url: str) -> dict[str, Any]:
    program = ["node", str(HERE / "page.mjs"), url, TOKEN, MARKUP + OBEYED]
    done = subprocess.run(program, check=False, text=True, capture_output=True, timeout=120)  # noqa: S603 (ours)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_every_operation_of_the_document_is_shown(seen: dict[str, Any], url: str) -> None:
    with urllib.request.urlopen(f"{url}/openapi.json") as response:  # noqa: S310 (our own server)
        document = json.load(response)
    operations = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert seen["operations"] == operations
    assert seen["title"] == document["info"]["title"]


def test_the_root_leads_to_the_page(seen: dict[str, Any], url: str) -> None:
    assert seen["location"] == f"{url}/docs"


def test_the_whole_example_is_visible(seen: dict[str, Any]) -> None:
    assert seen["hidden"] == 0
    assert json.loads(seen["example"])["ride_id"] == 256
    assert seen["example"].count("\n") > 5, "it has a line for each field"


def test_each_field_has_its_type_and_its_bounds(seen: dict[str, Any]) -> None:
    assert seen["fields"] == [
        ["field", "type", "required", "bounds"],
        ["ride.PULocationID", "integer", "yes", "1 to 265"],
        ["ride.DOLocationID", "integer", "yes", "1 to 265"],
        ["ride.trip_distance", "number", "yes", "0 to 200"],
        ["ride_id", "integer or string", "yes", "1 to 256 characters"],
    ]


def curl(line: str, **environment: str) -> Any:
    """Run *line* in a shell as it stands."""
    done = subprocess.run(  # noqa: S603 (ours)
        ["sh", "-c", line],  # noqa: S607 (as a person has it)
        check=True,
        text=True,
        capture_output=True,
        timeout=30,
        env={"PATH": os.environ["PATH"], **environment},
    )
    return json.loads(done.stdout)


def test_the_curl_line_works_as_it_stands(seen: dict[str, Any]) -> None:
    """With the token of the page and, where none is given there, with that of the shell."""
    assert curl(seen["curl"])["prediction"]["ride_id"] == 256
    assert curl(seen["curlBefore"], WEB_TOKEN=TOKEN)["prediction"]["ride_id"] == 256
    assert len(curl(seen["curlCsv"])["predictions"]) == 1
    assert curl(seen["curlMarkup"])["prediction"]["ride_id"] == MARKUP + OBEYED


def test_trying_it_gives_a_prediction(seen: dict[str, Any]) -> None:
    predicted = seen["answers"]["predict"]
    assert predicted["verdict"].startswith("✓ Success: 200 in ")
    assert json.loads(predicted["answer"])["prediction"]["ride_id"] == 256


@pytest.mark.parametrize("what", ["invocations", "csv", "ready", "version", "metrics"])
def test_the_other_operations_can_be_tried_too(seen: dict[str, Any], what: str) -> None:
    assert seen["answers"][what]["verdict"].startswith("✓ Success: 200 in ")


def test_what_the_server_says_is_shown_as_text(seen: dict[str, Any]) -> None:
    assert MARKUP + SHOWN in seen["answers"]["markup"]["answer"]
    assert seen["images"] == 0


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        ("refused", r"✗ Failure: 422 in \d+ ms: \S.*"),
        ("partly", r"✗ Failure: 207 in \d+ ms: an item has no prediction"),
        ("unknown", r"✗ Failure: 401 in \d+ ms: \S.*"),
    ],
)
def test_a_refusal_is_told_apart_by_its_words_its_role_and_its_colour(
    seen: dict[str, Any], what: str, verdict: str
) -> None:
    refused, answered = seen["answers"][what], seen["answers"]["predict"]
    assert re.fullmatch(verdict, refused["verdict"])
    assert (answered["role"], refused["role"]) == ("status", "alert")
    assert answered["color"] != refused["color"]


def test_axe_finds_nothing_to_complain_about_in_answers_and_refusals(seen: dict[str, Any]) -> None:
    assert seen["violations"] == {"light": [], "dark": []}


def test_the_console_has_no_errors_and_nothing_is_asked_for_elsewhere(seen: dict[str, Any]) -> None:
    assert (seen["errorsBefore"], seen["elsewhere"]) == ([], [])


def test_the_looks_of_the_page(looks_at: Looks, url: str) -> None:
    """Narrow and wide, light and dark, with every operation open."""
    looks = looks_at(url)
    assert [(look["width"], look["overflow"]) for look in looks] == [(390, 0), (390, 0), (1280, 0), (1280, 0)]
    found = {look["colorScheme"]: look["background"] for look in looks}
    assert found == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}
    assert [look["violations"] for look in looks] == [[]] * 4
    assert [{"color-contrast", "label", "td-headers-attr"} - set(look["passes"]) for look in looks] == [set()] * 4
    assert [(look["errors"], look["elsewhere"]) for look in looks] == [([], [])] * 4
