"""``POST /predict``: one ride event or a list, and every way in which it can be refused."""

import asyncio
import json
from typing import Any

import pytest

from stream_consumer.consumer import Consumer
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.prediction import encode_prediction
from stream_consumer.contract.record import Record
from stream_consumer.inference import Decider
from tests.rides import minutes_of, ride_event
from tests.web.client import JSON, Request, ServedModel, app, ask, post
from tests.web.loop import run

ONE = b'{"model":"ride-duration","version":"7","prediction":{"ride_duration":3790.205,"ride_id":256},"event_id":null}'


def test_one_ride_event_becomes_one_prediction_event_byte_for_byte() -> None:
    reply = post(app(), ride_event(256))
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "application/json", ONE)
    assert reply.headers["cache-control"] == "no-store"


def test_a_list_becomes_a_list_in_order() -> None:
    events = b" [" + ride_event(1, distance=2.0) + b" , " + ride_event("b", pickup=7) + b"]\n"
    reply = post(app(), events)
    assert reply.status == 200
    minutes = [(one["prediction"]["ride_id"], one["prediction"]["ride_duration"]) for one in reply.json]
    assert minutes == [(1, minutes_of(130, 205, 2.0)), ("b", minutes_of(7, 205, 3.66))]
    assert post(app(), b"[]").body == b"[]"


def test_a_list_with_a_bad_item_is_207_with_an_error_in_its_place() -> None:
    reply = post(app(), b"[" + ride_event(1, distance=-1) + b"," + ride_event(2) + b",3]")
    assert reply.status == 207
    first, second, third = reply.json
    assert first == {
        "index": 0,
        "reason": "bounds",
        "path": "$.ride.trip_distance",
        "detail": "Expected `float` >= 0.0",
    }
    assert second["prediction"]["ride_id"] == 2
    assert third == {"index": 2, "reason": "schema", "path": "$", "detail": "Expected `object`, got `int`"}


@pytest.mark.parametrize(
    ("body", "status", "members"),
    [
        (ride_event(1, distance="far"), 422, {"reason": "schema", "path": "$.ride.trip_distance", "index": 0}),
        (ride_event(1, pickup=266), 422, {"reason": "bounds", "path": "$.ride.PULocationID"}),
        (ride_event(1.5), 422, {"reason": "schema", "path": "$.ride_id"}),
        (b'"text"', 422, {"reason": "schema", "path": "$"}),
        (b"{", 400, {"reason": "undecodable", "title": "The body cannot be read."}),
        (b"", 400, {"reason": "undecodable", "detail": "no data at all"}),
        (b'{"ride": "\xff"}', 400, {"reason": "undecodable"}),
        (b"[1, ", 400, {"detail": "Input data was truncated"}),
        (b"[" * 200_000, 400, {"type": "urn:stream-consumer:problem:undecodable"}),
        (b"[1,2,3,4]", 413, {"detail": "more than the 3 items that are decided in one request"}),
    ],
)
def test_what_is_wrong_with_a_body_is_a_problem_that_says_so(body: bytes, status: int, members: dict[str, Any]) -> None:
    reply = post(app(WEB_MAX_ITEMS="3"), body)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json | members == reply.json
    assert reply.json["status"] == status


def test_a_row_that_the_model_refuses_is_its_own_fault_and_told_in_utf_8() -> None:
    def row(*_: float) -> float:
        raise ValueError("no such ride \ud800")

    reply = post(app(ServedModel(row)), ride_event(1))
    assert (reply.status, reply.json["reason"], reply.json["detail"]) == (
        422,
        "unscorable",
        "ValueError: no such ride ?",
    )


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
    ],
)
def test_another_media_type_is_refused(content_type: str | None) -> None:
    reply = post(app(), ride_event(1), headers={"content-type": content_type} if content_type else {})
    assert reply.status == 415
    assert reply.json["detail"] == f"Content-Type is {content_type or ''!r}; wanted application/json, in UTF-8"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=UTF-8",
        "application/json;charset=utf8",
        'application/json; charset="utf-8"',
        "Application/JSON",
    ],
)
def test_json_may_say_that_it_is_utf_8(content_type: str) -> None:
    assert post(app(), ride_event(1), headers={"content-type": content_type}).status == 200


def test_a_body_may_come_in_parts() -> None:
    body = ride_event(256)
    reply = run(Request("POST", "/predict", (body[:9], b"", body[9:]), JSON).of(app()))
    assert reply is not None
    assert reply.body == ONE


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    small = app(WEB_MAX_BODY_BYTES="1000")
    declared = ask(small, "POST", "/predict", b"", JSON | {"content-length": "1001"})
    assert (declared.status, "connection" in declared.headers) == (413, False)
    asked = ask(small, "POST", "/predict", b"", JSON | {"content-length": "1001", "expect": "100-continue"})
    assert (asked.status, asked.headers["connection"]) == (413, "close"), "its body may never come"
    undeclared = run(Request("POST", "/predict", (b"x" * 600,) * 100, JSON).of(small))
    assert undeclared is not None
    assert undeclared.json["detail"] == "1,200 bytes or more; at most 1,000 are read"


def test_a_client_that_goes_before_its_body_is_whole_gets_no_answer() -> None:
    assert run(Request("POST", "/predict", (b'{"ri',), JSON, goes=True).of(app())) is None


def test_when_the_queue_is_full_the_answer_is_503_and_when_to_come_again() -> None:
    busy = app(WEB_QUEUE_ITEMS="2", WEB_MAX_ITEMS="2")
    busy._batcher.queued = 1  # noqa: SLF001 (as much as waits while a call runs)
    reply = post(busy, b"[" + ride_event(1) + b"," + ride_event(2) + b"]")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.json["type"] == "urn:stream-consumer:problem:queue-full"


def test_a_request_that_is_not_decided_in_time_is_503() -> None:
    slow = app(None, 0, WEB_TIMEOUT_MS="1500")
    slow._batcher._spawn = lambda _: None  # noqa: SLF001 (a model that never returns)
    reply = post(slow, ride_event(1))
    assert (reply.status, reply.json["detail"]) == (503, "not decided within 1.5 s")


def test_a_model_that_is_broken_is_500_and_its_message_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def row(*_: float) -> float:
        raise ValueError("shape")

    reply = post(app(ServedModel(row, healthy=False)), ride_event(1))
    assert (reply.status, reply.json["detail"]) == (500, "the model failed; the server's log says how")
    assert "ModelError: the fake model fails on its own input example" in caplog.text


def test_a_broken_model_is_one_call_and_one_line_of_the_log_however_many_requests_shared_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def row(*_: float) -> float:
        raise ValueError("shape")

    model = ServedModel(row, healthy=False)
    application = app(model)

    async def together() -> list[int]:
        requests = [Request("POST", "/predict", (ride_event(at),), JSON) for at in range(3)]
        replies = await asyncio.gather(*(request.of(application) for request in requests))
        return [reply.status for reply in replies if reply]

    assert run(together()) == [500, 500, 500]
    assert model.calls == [3]
    assert [record.getMessage() for record in caplog.records] == [
        "a model call failed: ModelError: the fake model fails on its own input example"
    ]


def test_what_nobody_foresaw_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    application = app()
    application._batcher._limits = None  # type: ignore[assignment]  # noqa: SLF001
    assert post(application, ride_event(1)).status == 500
    assert [record.getMessage()[:33] for record in caplog.records] == ["a request failed: AttributeError:"]


def test_the_models_own_columns_decide_what_is_read() -> None:
    """No code knows the rides' columns."""
    model = ServedModel(lambda tip: tip * 2, columns=[Column("tip", "double", required=False)])
    assert post(app(model), b'{"ride": {"tip": 2}, "ride_id": 1}').json["prediction"]["ride_duration"] == 4.0


def test_the_verdicts_are_those_of_the_stream() -> None:
    """Item by item, the list's entries are what the stream's consumer makes of the same bytes."""
    datas = [ride_event(1), ride_event(2, distance=201), ride_event(None), b'{"ride": {}}', ride_event("x" * 257)]
    result = Consumer(decider=Decider(ServedModel()), predictions=None, dead_letters=None).process(
        [Record(data) for data in datas]
    )
    entries = post(app(), b"[" + b",".join(datas) + b"]").json
    assert [one for one in entries if "prediction" in one] == [
        json.loads(encode_prediction(prediction)) for prediction in result.predictions
    ]
    assert [(one["reason"], one["path"], one["detail"]) for one in entries if "reason" in one] == [
        (letter.reason, letter.path, letter.detail) for letter in result.dead_letters
    ]
