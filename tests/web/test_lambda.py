"""
The same application behind a function URL and an HTTP API: events as AWS documents them, and a real worker.

Source of the events: AWS Lambda developer guide, "Invoking Lambda function URLs"; API Gateway developer guide, "Create
AWS Lambda proxy integrations for HTTP APIs in API Gateway", payload format 2.0.
"""

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.errors import SettingsError, UsageError
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.web import lambda_function
from tests.rides import ride_event

Invoke = Callable[[dict[str, Any]], dict[str, Any]]
JSON = {"content-type": "application/json"}


def function_url_event(method: str, path: str, body: bytes | None = None, **more: Any) -> dict[str, Any]:
    """Return what a function URL hands over; bodies come as base64 unless their type is text."""
    host = "abcdefg.lambda-url.us-east-1.on.aws"
    headers = {
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amzn-tls-version": "TLSv1.2",
        "x-amz-date": "20261121T010203Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=…/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "443",
        "x-forwarded-for": "203.0.113.7",
        "host": host,
        "accept": "*/*",
    }
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers | more.pop("headers", {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefg",
            "authentication": None,
            "authorizer": {"iam": {"accessKey": "…", "accountId": "123456789012", "userArn": "arn:aws:iam::…"}},
            "domainName": host,
            "domainPrefix": "abcdefg",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8",
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Nov/2026:01:02:03 +0000",
            "timeEpoch": 1795222923456,
        },
        "isBase64Encoded": body is not None,
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    return event | more


def http_api_event(method: str, path: str, body: str) -> dict[str, Any]:
    """Return what an HTTP API hands over for a route of its own; JSON comes as text."""
    event = function_url_event(method, path, headers=JSON) | {"body": body, "isBase64Encoded": False}
    event["routeKey"] = event["requestContext"]["routeKey"] = f"{method} {path}"
    event["requestContext"] |= {"authorizer": None, "domainName": "abcdefg.execute-api.us-east-1.amazonaws.com"}
    return event


@pytest.fixture
def invoke(rides_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    lambda_function._adapter.cache_clear()  # noqa: SLF001
    # Nobody makes a loop unasked, as Python 3.14 does not and 3.12 and 3.13 do with a warning; and none is left behind.
    loops: list[asyncio.AbstractEventLoop] = []
    monkeypatch.setattr(asyncio, "set_event_loop", loops.append)
    monkeypatch.setattr(asyncio, "get_event_loop", lambda: loops[-1])
    yield lambda event: lambda_function.lambda_handler(event, None)
    for loop in loops:
        loop.close()
    lambda_function._adapter.cache_clear()  # noqa: SLF001


def test_a_function_urls_base64_body_becomes_a_prediction(invoke: Invoke) -> None:
    """IAM has decided who may ask: its signature in the Authorization header is nobody's bearer token."""
    response = invoke(function_url_event("POST", "/predict", ride_event(256), headers=JSON))
    assert (response["statusCode"], response["isBase64Encoded"]) == (200, False)
    assert response["headers"]["content-type"] == "application/json"
    assert json.loads(response["body"])["prediction"]["ride_id"] == 256


def test_an_http_apis_text_body_becomes_a_prediction(invoke: Invoke) -> None:
    response = invoke(http_api_event("POST", "/predict", f"[{ride_event('ä').decode()}]"))
    assert json.loads(response["body"])[0]["prediction"]["ride_id"] == "ä"


def test_a_browsers_preflight_is_let_pass(invoke: Invoke) -> None:
    """What a page of another origin may do is the gateway's to say."""
    assert invoke(http_api_event("OPTIONS", "/predict", "")) == {"statusCode": 204}


@pytest.mark.parametrize("event", [None, {"source": "serverless-plugin-warmup"}, {"warmer": True, "concurrency": 3}])
def test_a_warm_up_or_a_null_event_loads_the_model_and_answers_nothing(invoke: Invoke, event: Any) -> None:
    assert invoke(event) == {"statusCode": 204}
    assert lambda_function._adapter.cache_info().currsize == 1  # noqa: SLF001 (the model is loaded)


@pytest.mark.parametrize(
    ("event", "has"),
    [
        ({"Records": []}, r"\['Records'\]"),
        ({"requestContext": {"stage": "prod"}, "httpMethod": "GET"}, r"\['httpMethod', 'requestContext'\]"),
        ([], "list"),
        ("text", "str"),
        ({}, r"\[\]"),
    ],
)
def test_what_is_no_http_request_is_refused_by_name(invoke: Invoke, event: Any, has: str) -> None:
    with pytest.raises(UsageError, match=f"no HTTP request of payload format 2.0: it has {has};"):
        invoke(event)


def test_problems_are_text_too(invoke: Invoke) -> None:
    response = invoke(function_url_event("POST", "/predict", b"{", headers=JSON))
    assert (response["statusCode"], response["isBase64Encoded"]) == (400, False)
    assert json.loads(response["body"])["reason"] == "undecodable"


def test_a_binary_body_is_a_problem_and_no_crash(invoke: Invoke) -> None:
    response = invoke(function_url_event("POST", "/predict", bytes(range(256)), headers=JSON))
    assert response["statusCode"] == 400


def test_a_request_without_a_body_with_a_query_and_cookies_is_served(invoke: Invoke) -> None:
    event = function_url_event("GET", "/readyz", rawQueryString="a=1&a=%20", cookies=["one=1", "two=2"])
    assert json.loads(invoke(event)["body"]) == {"status": "ready"}


def test_the_page_comes_as_text(invoke: Invoke) -> None:
    for path in ("/docs", "/docs/fields.js", "/docs/page.js", "/docs/page.css", "/metrics"):
        response = invoke(function_url_event("GET", path))
        assert (response["statusCode"], response["isBase64Encoded"]) == (200, False)


def test_one_invocation_after_another_on_one_loop(invoke: Invoke) -> None:
    """Large batches are decided beside the loop, which exists only while an invocation runs."""
    for size in (1, 1_000, 1, 600):
        body = b"[" + b",".join([ride_event(1)] * size) + b"]"
        response = invoke(function_url_event("POST", "/predict", body, headers=JSON))
        assert (response["statusCode"], len(json.loads(response["body"]))) == (200, size)


def test_a_token_is_demanded_if_there_is_one(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_TOKEN", "a-token-of-ours-0001")
    assert invoke(http_api_event("POST", "/predict", "[]"))["statusCode"] == 401


def test_a_wrong_environment_fails_init_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MODEL_LOCATION", "")
    lambda_function._adapter.cache_clear()  # noqa: SLF001
    with pytest.raises(SettingsError):
        lambda_function.lambda_handler(None, None)
    assert "MODEL_LOCATION is not set" in vars(caplog.records[-1])["remedy"]


def test_a_misspelt_setting_is_named_in_the_log(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt WEB_TOKEN would admit everybody in silence."""
    monkeypatch.setenv("WEB_TOKENS", "a-token-of-ours-0001")
    invoke(function_url_event("GET", "/healthz"))
    warned = [vars(record) for record in caplog.records if record.levelname == "WARNING"]
    assert [(one["msg"], one["variable"], one["meant"]) for one in warned] == [
        ("unknown setting", "WEB_TOKENS", "WEB_TOKEN")
    ]


def test_a_real_worker_loads_the_model_at_init_and_answers(rides_model: Path) -> None:
    config = FunctionConfig("stream_consumer.web.lambda_function.lambda_handler", timeout_seconds=20)
    environment = {"PATH": os.environ["PATH"], "MODEL_LOCATION": str(rides_model)}
    lines: list[str] = []
    with RuntimeFunction(config, environment=environment, log=lines.append) as function:
        assert function.warm_up() is None
        assert any("model loaded" in line for line in lines)
        event = function_url_event("POST", "/predict", ride_event(256), headers=JSON)
        invocation = function.invoke(json.dumps(event).encode())
    assert invocation.error is None
    response = json.loads(invocation.payload)
    assert response["statusCode"] == 200
    assert json.loads(response["body"])["prediction"]["ride_id"] == 256
