"""The other paths: health, metrics, version, the page; and who may see them."""

import re
import time
from typing import Any

import pytest

from stream_consumer.web.app import web_app
from tests.rides import ride_event
from tests.web.client import JSON, TOKEN, ServedModel, app, ask, post, settings

OTHER = "a-token-of-ours-0002"
BOTH = {"WEB_TOKEN": f"{TOKEN}, {OTHER}"}


def bearer(token: str) -> dict[str, str]:
    return JSON | {"authorization": f"Bearer {token}"}


def test_alive_is_open_and_always_200() -> None:
    assert ask(app(**BOTH), "GET", "/healthz", headers={}).json == {"status": "alive"}


def test_ready_until_it_drains() -> None:
    application = app(**BOTH)
    assert ask(application, "GET", "/readyz", headers={}).json == {"status": "ready"}
    application.drain()
    for path in ("/readyz", "/ping"):
        reply = ask(application, "GET", path, headers={})
        assert (reply.status, reply.json["reason"]) == (503, "the server is shutting down")
    assert ask(application, "GET", "/healthz", headers={}).status == 200
    assert post(application, ride_event(1), headers=bearer(TOKEN)).status == 200, "what was accepted is answered"


def test_not_ready_while_the_queue_is_full() -> None:
    application = app(WEB_MAX_ITEMS="1", WEB_QUEUE_ITEMS="1")
    application._batcher.queued = 1  # noqa: SLF001 (as much as waits while a call runs)
    assert ask(application, "GET", "/readyz").json["reason"] == "as many events wait for the model as may"


def test_not_ready_while_a_call_does_not_end() -> None:
    application = app(None, 0, WEB_TIMEOUT_MS="10")
    batcher = application._batcher  # noqa: SLF001 (whose model never returns)
    batcher._spawn = lambda _: None  # noqa: SLF001
    assert post(application, ride_event(1)).status == 503
    batcher._clock = lambda: time.monotonic() + 0.01  # noqa: SLF001
    reply = ask(application, "GET", "/readyz")
    assert (reply.status, reply.json["reason"]) == (503, "the model call that runs does not end")
    assert ask(application, "GET", "/healthz").status == 200


def fragile(**options: Any) -> tuple[ServedModel, list[bool]]:
    """Return a model that fails on all rows, its example among them, while the list that is returned says True."""
    broken = [True]

    def row(*_: float) -> float:
        if broken[0]:
            raise ValueError("shape")
        return 1.0

    return ServedModel(row, **options), broken


def test_a_model_that_fails_on_all_rows_is_not_ready_until_it_predicts_again() -> None:
    """Nothing is sent to a server that is not ready, so the model predicts its example when readiness is asked for."""
    model, broken = fragile(healthy=False)
    application = app(model)
    assert post(application, ride_event(1)).status == 500
    for _ in range(2):
        reply = ask(application, "GET", "/readyz")
        assert (reply.status, reply.json["reason"]) == (503, "the latest model call failed on every event")
    assert ask(application, "GET", "/healthz").status == 200
    broken[0] = False
    assert ask(application, "GET", "/readyz").status == 200
    calls = len(model.calls)
    assert ask(application, "GET", "/readyz").status == 200
    assert len(model.calls) == calls, "a model that is well is not asked"


def test_an_event_that_is_predicted_shows_that_the_model_is_well() -> None:
    model, broken = fragile(healthy=False, example=())
    application = app(model)
    assert post(application, ride_event(1)).status == 500
    assert ask(application, "GET", "/readyz").status == 503
    broken[0] = False
    assert post(application, ride_event(1)).status == 200
    assert ask(application, "GET", "/readyz").status == 200


def test_without_an_example_it_is_ready_after_a_few_seconds_for_an_event_to_try_it() -> None:
    application = app(fragile(healthy=False, example=())[0])
    batcher = application._batcher  # noqa: SLF001 (whose clock is the test's)
    assert post(application, ride_event(1)).status == 500
    batcher._clock = lambda: time.monotonic() + 10  # noqa: SLF001
    assert ask(application, "GET", "/readyz").status == 200


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/metrics", "/version"])
@pytest.mark.parametrize(
    "headers", [{}, bearer("wrong"), bearer(""), {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}]
)
def test_without_a_token_of_ours_nobody_is_let_in(path: str, headers: dict[str, str]) -> None:
    method = "POST" if path in {"/predict", "/invocations"} else "GET"
    reply = ask(app(**BOTH), method, path, ride_event(1), headers | JSON)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="stream-consumer"')


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_each_of_the_tokens_lets_in(token: str) -> None:
    assert post(app(**BOTH), ride_event(1), headers=bearer(token)).status == 200
    assert ask(app(**BOTH), "GET", "/version", headers={"authorization": f"bearer {token}"}).status == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/ping", "/openapi.json", "/docs", "/docs/page.js", "/docs/fields.js"]
)
def test_health_and_the_description_are_open(path: str) -> None:
    assert ask(app(**BOTH), "GET", path, headers={}).status == 200


def test_the_version_tells_what_is_served() -> None:
    told = ask(app(), "GET", "/version").json
    assert told["scikit_learn"].startswith("1.9")
    assert (told["model"], told["model_version"], told["model_digest"]) == ("ride-duration", "7", "d" * 64)


def test_metrics_count_requests_items_and_calls() -> None:
    application = app()
    post(application, b"[" + ride_event(1) + b"," + ride_event(2, pickup=0) + b",1]")
    post(application, b"{")
    post(application, ride_event(1), headers={})
    reply = ask(application, "GET", "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = dict(re.findall(r"^(stream_consumer_\S+(?:\{.*\})?) (\S+)$", reply.body.decode(), re.MULTILINE))
    assert (
        values
        | {
            'stream_consumer_requests_total{path="/predict",status="207"}': "1.0",
            'stream_consumer_requests_total{path="/predict",status="400"}': "1.0",
            'stream_consumer_requests_total{path="/predict",status="415"}': "1.0",
            'stream_consumer_request_seconds_count{path="/predict"}': "3.0",
            'stream_consumer_items_total{outcome="prediction"}': "1.0",
            'stream_consumer_items_total{outcome="bounds"}': "1.0",
            'stream_consumer_items_total{outcome="schema"}': "1.0",
            'stream_consumer_items_total{outcome="undecodable"}': "1.0",
            'stream_consumer_items_total{outcome="unscorable"}': "0.0",
            "stream_consumer_call_items_sum": "4.0",
            "stream_consumer_call_items_count": "2.0",
            "stream_consumer_queue_items": "0.0",
            f'stream_consumer_model_info{{digest="{"d" * 64}",name="ride-duration",version="7"}}': "1.0",
        }
        == values
    )


def test_a_call_that_failed_is_counted() -> None:
    def row(*_: float) -> float:
        raise ValueError("shape")

    application = app(ServedModel(row, healthy=False))
    post(application, ride_event(1))
    assert b"stream_consumer_failed_calls_total 1.0" in ask(application, "GET", "/metrics").body


def test_unknown_paths_and_methods_are_problems() -> None:
    missing = ask(app(), "GET", "/nothing")
    assert (missing.status, missing.json["type"]) == (404, "urn:stream-consumer:problem:not-found")
    wrong = ask(app(), "GET", "/predict")
    assert (wrong.status, wrong.headers["allow"], wrong.json["detail"]) == (405, "POST", "wanted POST")


@pytest.mark.parametrize("path", ["/predict/", "/invocations/", "/docs/"])
def test_nobody_is_sent_elsewhere(path: str) -> None:
    reply = ask(app(), "POST", path, ride_event(1), JSON | {"host": "elsewhere.example"})
    assert (reply.status, reply.json["type"]) == (404, "urn:stream-consumer:problem:not-found")
    assert "location" not in reply.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_leads_to_the_page_of_this_server(method: str) -> None:
    """The location is relative, so that no host that a client names and no prefix of a gateway matters."""
    reply = ask(app(**BOTH), method, "/", headers={"host": "elsewhere.example"})
    assert (reply.status, reply.headers["location"], reply.body) == (307, "docs", b"")


def test_the_page_loads_nothing_from_elsewhere() -> None:
    application = app()
    page = ask(application, "GET", "/docs").body.decode()
    policy = ask(application, "GET", "/docs").headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'" in policy
    references = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert set(references) == {"data:,", "docs/page.css", "docs/fields.js", "docs/page.js", "openapi.json"}
    for path in references[1:]:
        reply = ask(application, "GET", f"/{path}")
        assert reply.status == 200
        assert "://" not in reply.body.decode().replace(str(ask(application, "GET", "/openapi.json").body), "")
    assert ask(application, "HEAD", "/docs").status == 200


def test_a_served_model_is_timed_on_its_own_example() -> None:
    model = ServedModel()
    application = web_app(model, settings())
    assert model.calls == [256, 256, 256]
    assert post(application, ride_event(1)).status == 200
