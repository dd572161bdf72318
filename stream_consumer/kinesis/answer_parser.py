"""
PutRecords on the wire, without botocore's walk through the shape of every record.

The rule: a request has the same content as botocore's, a response becomes the same dictionary, and every error is
botocore's own. Botocore's walk through request and response costs more processor time than predicting.

The code hooks into a client's events. Source: boto3 guide, "Extensibility guide", and the modules ``botocore.client``
and ``botocore.endpoint``.
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
    Make *client* put records the short way. The client must have been made with ``parameter_validation=False``.

    Botocore would miss the records, since the hooks take them out before botocore looks.
    """
    events: Any = client.meta.events  # the stubs do not allow for a handler's return value
    events.register("provide-client-params.kinesis.PutRecords", _take_records)
    events.register("before-call.kinesis.PutRecords", _give_body)
    events.register("before-parse.kinesis.PutRecords", _read_answer)
    return client


def _take_records(params: dict[str, Any], context: dict[str, Any], **_: object) -> dict[str, Any]:
    context[_BODY] = _encode(params)  # bytes become base64, as Kinesis expects
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
