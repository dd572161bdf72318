"""
The alarms and saved queries of CloudWatch on loopback: kept as told, read back whole, refused where AWS refuses.

The rule: any other operation of CloudWatch and its logs goes to the emulator behind it. That one keeps no metrics of an
expression, leaves out fields in the protocol of Terraform's provider, and knows no saved query.
Source: Amazon CloudWatch API reference, "PutCompositeAlarm" and "DeleteAlarms"; Amazon CloudWatch Logs API reference,
"PutQueryDefinition".
"""

import json
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

from moto.core.parse import QueryParser
from moto.core.serialize import QuerySerializer
from moto.core.utils import get_service_model

from infra.tests.terraform import ACCOUNT, REGION

_MODEL = get_service_model("cloudwatch")
_ERROR = (
    '<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type>'
    "<Code>ValidationError</Code><Message>{}</Message></Error></ErrorResponse>"
)


class _Refused(Exception):
    """AWS would refuse it; the message is AWS's."""


class AlarmService:
    """What an account holds of alarms; ``held`` is by name, as the Put operations brought it."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "PutMetricAlarm": self._put,
            "PutCompositeAlarm": self._put,
            "DescribeAlarms": self._describe,
            "DeleteAlarms": self._delete,
            "ListTagsForResource": self._tags,
        }

    def answer(self, operation: str, values: Mapping[str, str]) -> tuple[int, str]:
        """Return the status and the body for a request in the query protocol."""
        model = _MODEL.operation_model(operation)
        request: Any = {"values": values}  # the query protocol puts nothing anywhere else
        asked = QueryParser(model).parse(request)
        try:
            result = self.operations[operation](asked)
        except _Refused as refusal:
            return 400, _ERROR.format(refusal)
        return 200, str(QuerySerializer(model).serialize(result)["body"])

    def _put(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := sorted(_named_by(asked) - self.held.keys()):
            raise _Refused(f"Could not save the composite alarm as alarms {unknown} in the alarm rule do not exist")
        arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{asked['AlarmName']}"
        self.held[asked["AlarmName"]] = {"ActionsEnabled": True, **asked, "AlarmArn": arn, "StateValue": "OK"}
        return {}

    def _describe(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        found = [alarm for name, alarm in self.held.items() if name in asked.get("AlarmNames", self.held)]
        kinds = asked.get("AlarmTypes", ["MetricAlarm"])
        return {
            "MetricAlarms": [alarm for alarm in found if "AlarmRule" not in alarm and "MetricAlarm" in kinds],
            "CompositeAlarms": [alarm for alarm in found if "AlarmRule" in alarm and "CompositeAlarm" in kinds],
        }

    def _delete(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in asked["AlarmNames"]:
            if any(name in _named_by(alarm) for alarm in self.held.values()):
                raise _Refused(f"Cannot delete {name} as there are composite alarm(s) depending on it.")
            self.held.pop(name, None)
        return {}

    def _tags(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Tags": self.held[asked["ResourceARN"].rpartition(":")[2]].get("Tags", [])}


class SavedQueries:
    """What an account holds of saved queries; ``held`` is by identifier."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "PutQueryDefinition": self._put,
            "DescribeQueryDefinitions": self._describe,
            "DeleteQueryDefinition": self._delete,
        }

    def _put(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        its = asked.get("queryDefinitionId") or str(uuid.uuid4())
        said = {name: asked[name] for name in ("name", "queryString", "logGroupNames") if name in asked}
        self.held[its] = {"queryDefinitionId": its, **said}
        return {"queryDefinitionId": its}

    def _describe(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        prefix = asked.get("queryDefinitionNamePrefix", "")
        return {"queryDefinitions": [query for query in self.held.values() if query["name"].startswith(prefix)]}

    def _delete(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"success": self.held.pop(asked["queryDefinitionId"], None) is not None}


def _named_by(alarm: Mapping[str, Any]) -> set[str]:
    return set(re.findall(r'ALARM\("(.+?)"\)', alarm.get("AlarmRule", "")))


@contextmanager
def serving(alarms: AlarmService, queries: SavedQueries, emulator: str) -> Iterator[str]:
    """Serve *alarms* and *queries* before the *emulator*; the value is the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            values = dict(parse_qsl(body.decode(), keep_blank_values=True)) if body.startswith(b"A") else {}
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            kind = "application/x-amz-json-1.1" if target else "text/xml"
            if (operation := values.get("Action", "")) in alarms.operations:
                status, text = alarms.answer(operation, values)
                answer = text.encode()
            elif target in queries.operations:
                status, answer = 200, json.dumps(queries.operations[target](json.loads(body))).encode()
            else:
                status, answer = self._forwarded(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _forwarded(self, body: bytes) -> tuple[int, bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            request = urllib.request.Request(emulator + self.path, body, headers)  # noqa: S310 (loopback)
            try:
                with urllib.request.urlopen(request) as answered:  # noqa: S310 (loopback)
                    return answered.status, answered.read()
            except urllib.error.HTTPError as refusal:
                return refusal.code, refusal.read()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
