"""The short way to put records says and hears what botocore's own way does."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.aws.clients import client_config
from stream_consumer.kinesis.answer_parser import shorten

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

STREAM = {"StreamName": "ride_predictions"}
ACKNOWLEDGED = {"SequenceNumber": "4963", "ShardId": "shardId-000000000000"}
REJECTED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard …"}
# What differs from one call to the next.
PASSING_HEADERS = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}


class Body(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """A client whose requests stop short of the network."""

    def __init__(self, *, short: bool, status: int = 200, answer: bytes = b'{"Records":[]}') -> None:
        client = boto3.client(
            "kinesis",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 (no secret)
            config=client_config(1, parameter_validation=False),
        )
        self.client: KinesisClient = shorten(client) if short else client
        self.requests: list[AWSPreparedRequest] = []
        self._status = status
        self._answer = answer
        # Source: botocore's documentation, "Botocore Events": before-send may answer in the service's place.
        events: Any = client.meta.events
        events.register("before-send.kinesis", self._send)

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(request)
        headers = HTTPHeaders()
        headers["x-amzn-requestid"] = "1"
        return AWSResponse(request.url, self._status, headers, Body(self._answer))

    @property
    def body(self) -> bytes:
        [request] = self.requests
        assert isinstance(request.body, bytes)
        return request.body

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def headers(self) -> dict[str, str]:
        [request] = self.requests
        headers = dict(request.headers.items())
        assert headers.pop("Content-Length") == str(len(self.body))
        return {name: value for name, value in headers.items() if name not in PASSING_HEADERS}


def both(records: Sequence[Any], stream: dict[str, str] = STREAM) -> tuple[Wire, Wire]:
    wires = Wire(short=True), Wire(short=False)
    for wire in wires:
        wire.client.put_records(Records=records, **stream)  # type: ignore[arg-type]
    return wires


@pytest.mark.parametrize("stream", [STREAM, {"StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}])
def test_the_request_is_the_one_that_botocore_would_send(stream: dict[str, str]) -> None:
    ours, botocores = both([{"Data": b'{"a":1}', "PartitionKey": "256"}, {"Data": b"", "PartitionKey": "🚕"}], stream)
    assert ours.said == botocores.said
    assert ours.headers == botocores.headers
    assert ours.requests[0].url == botocores.requests[0].url
    assert ours.said == stream | {
        "Records": [{"Data": "eyJhIjoxfQ==", "PartitionKey": "256"}, {"Data": "", "PartitionKey": "🚕"}]
    }


@given(st.lists(st.fixed_dictionaries({"Data": st.binary(), "PartitionKey": st.text(min_size=1)}), max_size=3))
def test_whatever_the_records_are(records: list[dict[str, Any]]) -> None:
    ours, botocores = both(records)
    assert ours.said == botocores.said


@pytest.mark.parametrize(
    "answer",
    [
        {"FailedRecordCount": 0, "Records": [ACKNOWLEDGED, ACKNOWLEDGED], "EncryptionType": "NONE"},
        {"FailedRecordCount": 1, "Records": [ACKNOWLEDGED, REJECTED]},
        {"Records": []},
        {"Records": [ACKNOWLEDGED | {"Unheard": {"of": 1}}], "Unheard": "of"},
    ],
)
def test_the_answer_is_the_dictionary_that_botocore_would_make(answer: dict[str, Any]) -> None:
    content = json.dumps(answer).encode()
    heard = [
        Wire(short=short, answer=content).client.put_records(Records=[], StreamName="s") for short in (True, False)
    ]
    assert heard[0] == heard[1]
    assert heard[0]["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_null_error_is_none() -> None:
    """Some emulators spell out that there is no error."""
    wire = Wire(short=True, answer=b'{"Records":[{"SequenceNumber":"1","ErrorCode":null}]}')
    [record] = wire.client.put_records(Records=[], StreamName="s")["Records"]
    assert record.get("ErrorCode") is None


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, b'{"__type":"ResourceNotFoundException","message":"Stream s not found."}'),
        (400, b'{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded"}'),
        (500, b'{"__type":"InternalFailure"}'),
        (503, b"<html>try later</html>"),
    ],
)
def test_an_error_of_the_service_is_botocores(status: int, answer: bytes) -> None:
    raised = []
    for short in (True, False):
        with pytest.raises(ClientError) as caught:
            Wire(short=short, status=status, answer=answer).client.put_records(Records=[], StreamName="s")
        raised.append((type(caught.value).__name__, caught.value.response["Error"], str(caught.value)))
    assert raised[0] == raised[1]


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[]", b'{"Records":5}', b'{"Records":[5]}', b'{"Records":[{}', b"<html>"]
)
def test_an_answer_that_cannot_be_read_is_an_unreadable_answer(answer: bytes) -> None:
    wire = Wire(short=True, answer=answer)
    with pytest.raises(ResponseParserError, match="the answer to PutRecords cannot be read"):
        wire.client.put_records(Records=[], StreamName="s")


def test_other_operations_go_botocores_way() -> None:
    wire = Wire(short=True, answer=json.dumps(ACKNOWLEDGED).encode())
    answer = wire.client.put_record(StreamName="s", Data=b"x", PartitionKey="1")
    assert wire.said == {"StreamName": "s", "Data": "eA==", "PartitionKey": "1"}
    assert answer["SequenceNumber"] == "4963"
