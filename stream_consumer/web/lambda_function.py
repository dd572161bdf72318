"""
The web service as a Lambda function, behind a function URL or an HTTP API (payload format 2.0).

The rule: authorization happens in front of the function, by IAM unless Terraform says otherwise. WEB_TOKEN is for
deployments without signatures: a signature uses the header of the token.
"""

import asyncio
import functools
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from stream_consumer.aws.warm_up import asks_for_nothing
from stream_consumer.errors import InitError, UsageError
from stream_consumer.models.loading import load_model
from stream_consumer.telemetry import telemetry
from stream_consumer.web.app import web_app
from stream_consumer.web.problems import MEDIA_TYPE
from stream_consumer.web.settings import VARIABLES, WebSettings


@functools.cache
def _adapter() -> Mangum:
    report = telemetry(os.environ)
    try:
        settings = WebSettings.of(os.environ)
        report.misspelt(VARIABLES, os.environ)
        model = load_model(settings.model.model_location, choice=settings.model.choice)
    except InitError as error:
        report.failed_to_start(error)
        raise
    report.started(model)
    # Mangum runs requests on the current loop. Without a current loop, Python 3.12 and 3.13 make one with a warning.
    asyncio.set_event_loop(asyncio.new_event_loop())
    # A type outside this list would be sent as base64.
    return Mangum(web_app(model, settings), lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """
    Answer an HTTP request. A warm-up or a null event loads the model and gets 204.

    Raises:
        UsageError: The event is not an HTTP request.
    """
    if asks_for_nothing(event):
        _adapter()
        return {"statusCode": HTTPStatus.NO_CONTENT.value}
    http = _http(event)
    # A browser's preflight that the gateway passes on. The gateway adds its headers, and browsers expect a status of
    # success.
    if http.get("method") == "OPTIONS":
        return {"statusCode": HTTPStatus.NO_CONTENT.value}
    return _adapter()(dict(event), context)


def _http(event: Any) -> Mapping[str, Any]:
    try:
        http: Mapping[str, Any] = event["requestContext"]["http"]
    except (KeyError, TypeError):
        keys = sorted(map(str, event)) if isinstance(event, Mapping) else type(event).__name__
        raise UsageError(
            f"the event is no HTTP request of payload format 2.0: it has {keys}; invoke the function through a "
            "function URL or an HTTP API of that format"
        ) from None
    return http


# Lambda's init phase is the import of this module. Outside Lambda the import has no effect.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    _adapter()
