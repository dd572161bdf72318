"""What a client or a model's author wrote reaches whoever reads a problem, a page or the log as text."""

import json
import logging
from typing import Any

import pytest

from tests.hostile import HOSTILE, SHOWN
from tests.rides import ride_event
from tests.web.client import ServedModel, app, ask, post

MARKUP = f"<script>{HOSTILE}</script>"
ROW = {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 3.5}


def refusing(*row: Any) -> float:
    if row == (130, 205, 3.66):  # the example
        return 1.0
    raise ValueError(f"cannot convert {MARKUP}")


def rows(value: object) -> tuple[str, bytes]:
    return "/invocations", json.dumps(value).encode()


REFUSED = {
    "one event": ("/predict", ride_event(MARKUP, 1)),
    "a list": ("/predict", b"[%b]" % ride_event(MARKUP, 1)),
    "rows": rows({"inputs": [ROW]}),
    "members": rows({MARKUP: 1}),
    "columns without rows": rows({"inputs": {MARKUP: [], "b": []}}),
    "columns of other lengths": rows({"inputs": {MARKUP: [1], "b": [1, 2]}}),
    "a row too short": rows({"dataframe_split": {"columns": [MARKUP, "b"], "data": [[1]]}}),
    "no JSON": ("/invocations", MARKUP.encode()),
    "a path": (f"/{MARKUP}", b""),
}


@pytest.mark.parametrize(("path", "body"), REFUSED.values(), ids=REFUSED)
def test_no_refusal_lets_a_text_be_obeyed(path: str, body: bytes) -> None:
    reply = post(app(ServedModel(refusing)), body, path)
    assert reply.status in {207, 400, 404, 422}
    assert reply.body.decode().isprintable()
    assert "json" in reply.headers["content-type"], "no browser takes it for a page"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("headers", [{"content-type": f"text/{HOSTILE[:-1].replace(chr(0x202E), '')}"}, {}])
def test_neither_does_the_refusal_of_a_media_type(headers: dict[str, str]) -> None:
    for path in ("/predict", "/invocations"):
        reply = post(app(), b"", path, headers)
        assert (reply.status, reply.body.decode().isprintable()) == (415, True)


def test_neither_does_the_refusal_of_a_csv() -> None:
    for text in (f"{MARKUP},b\n1\n", f"PULocationID,DOLocationID,trip_distance,{MARKUP}\n1,2\n", f'"{MARKUP}'):
        reply = post(app(), text.encode(), "/invocations", {"content-type": "text/csv"})
        assert (reply.status, reply.body.decode().isprintable()) == (400, True)


def test_an_escaped_refusal_says_what_was_sent() -> None:
    reply = post(app(ServedModel(refusing)), ride_event(1, 1))
    assert reply.json["detail"] == f"ValueError: cannot convert {MARKUP}"
    assert SHOWN in reply.body.decode()


def test_metrics_have_the_model_s_name_as_text() -> None:
    text = ask(app(ServedModel(name=HOSTILE, version=HOSTILE)), "GET", "/metrics").body.decode()
    assert all(line.isprintable() for line in text.split("\n"))
    assert SHOWN.replace("\\", "\\\\") in text


@pytest.mark.parametrize("path", ["/version", "/openapi.json", "/readyz", "/docs"])
def test_neither_page_nor_document_has_a_text_to_obey(path: str) -> None:
    text = ask(app(ServedModel(name=MARKUP, version=HOSTILE)), "GET", path).body.decode()
    assert all(line.isprintable() for line in text.split("\n"))
    assert path != "/docs" or "owned" not in text


def test_the_log_has_neither_what_a_client_sent_nor_a_text_to_obey(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: float) -> float:
        raise ValueError(f"cannot convert 'SECRET' {HOSTILE}")

    with caplog.at_level(logging.ERROR):
        assert post(app(ServedModel(broken, healthy=False, example=())), ride_event(1)).status == 500
    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert "SECRET" not in record.getMessage()
