"""
PutRecords on the wire, without botocore's walk through every record's shape.

The rule: a request says what botocore's would say, an answer is the dictionary that botocore would make, and every
error is botocore's own. That walk, there and back, costs more processor time than predicting does.

The seam is a client's events. Source: boto3 guide, "Extensibility guide"; ``botocore.client``, ``botocore.endpoint``.
"""

from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

_OK = 200
_BODY = "stream_consumer.kinesis.answer_parser.body"


class _Result(TypedDict, total=False):
    SequenceNumber: str | None
    ShardId: str | None
    ErrorCode: str | None
    ErrorMessage: str | None


class _Output(TypedDict, total=False):
    FailedRecordCount: int | None
    Records: list[_Result]
    EncryptionType: str | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Output).decode


def shorten(client: "KinesisClient") -> "KinesisClient":
    """
    Have *client* put records the short way; it must have been made with ``parameter_validation=False``.

    Botocore would miss the records, which it no longer gets to see.
    """
    events: Any = client.meta.events  # whose stubs do not know that a handler may answer
    events.register("provide-client-params.kinesis.PutRecords", _take_records)
    events.register("before-call.kinesis.PutRecords", _give_body)
    events.register("before-parse.kinesis.PutRecords", _read_answer)
    return client


def _take_records(params: dict[str, Any], context: dict[str, Any], **_: object) -> dict[str, Any]:
    context[_BODY] = _encode(params)  # bytes become base64, as Kinesis wants them
    return {name: value for name, value in params.items() if name != "Records"}


def _give_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    params["body"] = context.pop(_BODY)


def _read_answer(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    if response_dict["status_code"] != _OK:
        return
    try:
        customized_response_dict.update(_decode(response_dict["body"]))
    except ValueError as error:
        raise ResponseParserError(f"the answer to PutRecords cannot be read: {error}") from None
    response_dict["body"] = b"{}"
