"""The page at /docs in a real headless Chromium, without any network but this server."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from integration_tests.web.conftest import TOKEN

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


def test_trying_it_gives_a_prediction(seen: dict[str, Any]) -> None:
    status, body = seen["answers"]["predict"].split("\n", 1)
    assert status.startswith("200 in ")
    assert json.loads(body)["prediction"]["ride_id"] == 256


@pytest.mark.parametrize("what", ["invocations", "csv", "ready", "version", "metrics"])
def test_the_other_operations_can_be_tried_too(seen: dict[str, Any], what: str) -> None:
    assert seen["answers"][what].startswith("200 in ")


def test_what_the_server_says_is_shown_as_text(seen: dict[str, Any]) -> None:
    assert MARKUP + SHOWN in seen["answers"]["markup"]
    assert seen["images"] == 0


def test_a_refusal_is_shown_in_place_of_the_answer_before(seen: dict[str, Any]) -> None:
    assert seen["answers"]["refused"].startswith("422 in ")


def test_the_console_has_no_errors_and_nothing_is_asked_for_elsewhere(seen: dict[str, Any]) -> None:
    assert (seen["errorsBefore"], seen["elsewhere"]) == ([], [])
