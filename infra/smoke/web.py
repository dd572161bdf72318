"""
Request a prediction of the web interface's own example, with a signed request like any caller.

The example comes from ``/openapi.json``, in which the interface describes the running model.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Annotated, Any, NoReturn

import boto3
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionError, HTTPClientError  # noqa: A004
from botocore.httpsession import URLLib3Session

from infra.clients import Aws
from infra.smoke.wait import MakeWait, Result, SmokeTestFailed, TimeUp, Untestable, Wait

PART = "web"

_SECONDS = 180.0
_POLL_SECONDS = 5.0
_REQUEST_SECONDS = 30
# New permissions and addresses take a while to spread, and a new environment may be slow or refused.
_MAY_PASS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS})

Send = Callable[[AWSPreparedRequest], Any]
"""Sends a request and returns a response with ``status_code`` and ``content``."""


class _Answer(msgspec.Struct):
    """A prediction event with any names in its envelope."""

    model: str
    version: str
    prediction: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]


def through(aws: Aws, outputs: Mapping[str, Any], wait: MakeWait, send: Send | None = None) -> Result:
    """
    Return the interface's prediction of its example.

    Raises:
        SmokeTestFailed: The interface does not answer, or not with a prediction.
        Untestable: The model has no example that fits into an event.
    """
    caller = _Caller(aws, outputs, wait(_SECONDS), send or URLLib3Session(timeout=_REQUEST_SECONDS).send)
    description = msgspec.json.decode(caller.ask("GET", "/openapi.json"))
    body = description["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    if "one" not in body.get("examples", {}):
        raise Untestable("its model has no input example that fits into an event: log it with an input_example")
    event = msgspec.json.encode(body["examples"]["one"]["value"])
    answer = caller.ask("POST", "/predict", event)
    try:
        msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as fault:
        raise SmokeTestFailed(f"{caller.url}/predict answers {answer[:500]!r}, no prediction event: {fault}") from None
    return Result(PART, answer.decode())


class _Caller:
    """Sends signed requests, and retries while the refusal may be temporary."""

    def __init__(self, aws: Aws, outputs: Mapping[str, Any], wait: Wait, send: Send) -> None:
        self._web = outputs["web"]
        self.url = self._web["url"].rstrip("/")
        self._region = outputs["region"]
        self._wait = wait
        self._send = send
        function = aws("lambda").get_function_configuration(
            FunctionName=self._web["function_name"], Qualifier=self._web["alias"]
        )
        self._token = function["Environment"]["Variables"].get("WEB_TOKEN", "").partition(",")[0].strip()
        self._said = "nothing yet"

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """
        Return the body of the answer.

        Raises:
            SmokeTestFailed: The request is refused permanently, or until the wait is over.
        """
        while True:
            try:
                response = self._send(self._request(method, self.url + path, body))
                status, answer = int(response.status_code), bytes(response.content)
            except (ConnectionError, HTTPClientError) as error:
                self._said = str(error)
            else:
                if status == HTTPStatus.OK:
                    return answer
                self._said = f"{status} {responses.get(status, '')}: {answer[:500].decode(errors='replace')}"
                if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _MAY_PASS:
                    self._fail(path)
            try:
                self._wait.pause(_POLL_SECONDS, lambda: f"{self.url}{path} answers {self._said}")
            except TimeUp:
                self._fail(path)

    def _request(self, method: str, url: str, body: bytes) -> AWSPreparedRequest:
        headers = {"Content-Type": "application/json"} if body else {}
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        if self._token:  # a token and a signature use the same header
            request.headers["Authorization"] = f"Bearer {self._token}"
        else:
            # The host of a function URL is <id>.lambda-url.<region>.on.aws.
            service = "lambda" if ".lambda-url." in url else "execute-api"
            SigV4Auth(_credentials(), service, self._region).add_auth(request)
        return request.prepare()

    def _fail(self, path: str) -> NoReturn:
        raise SmokeTestFailed(
            f"{self.url}{path} answers {self._said}. A 403 means that this caller may not ask: it needs the policy in "
            f"the output web.caller_policy. Otherwise look at the function's log: "
            f"aws logs tail /aws/lambda/{self._web['function_name']} --since 15m"
        )


def _credentials() -> Credentials:
    found: Credentials | None = boto3.Session().get_credentials()
    if found is None:
        raise SmokeTestFailed("there are no AWS credentials to sign a request with: set AWS_PROFILE")
    return found
