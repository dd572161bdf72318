"""
A mapping's on-failure document → the records that the mapping gave up.

The rule: on S3 a document has the invocation's whole event as its payload, and the records come from the payload. The
document's description of the batch only serves to name the records if there is no payload.

Source: AWS Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source" and
"Capturing discarded batches for Amazon MSK and self-managed Apache Kafka event sources".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stream_consumer.contract.kafka_event import is_kafka_event, records_from_kafka
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import Record
from stream_consumer.contract.stream_arn import stream_name


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The records of one document in order, and the reason why the mapping gave them up."""

    condition: str
    """The condition under which the mapping gave them up, for example ``RetryAttemptsExhausted``."""
    invocations: int
    records: Sequence[Record]


# Lambda's own names.
class _RequestContext(msgspec.Struct):
    condition: str
    approximateInvokeCount: int = 0  # noqa: N815


class _KinesisBatch(msgspec.Struct):
    streamArn: str  # noqa: N815
    shardId: str  # noqa: N815
    startSequenceNumber: str  # noqa: N815
    endSequenceNumber: str  # noqa: N815

    def remedy(self) -> str:
        first, last = (f"{self.shardId}:{number}" for number in (self.startSequenceNumber, self.endSequenceNumber))
        return (
            "while the stream still has them, get them with: stream-consumer "
            f"replay --stream {stream_name(self.streamArn)} --from {first} --until {last}"
        )


class _KafkaRange(msgspec.Struct):
    firstRecordOffset: str  # noqa: N815
    lastRecordOffset: str  # noqa: N815


class _KafkaBatch(msgspec.Struct):
    recordsInfo: dict[str, _KafkaRange] = {}  # noqa: N815

    def remedy(self) -> str:
        ranges = [
            f"{name} from {found.firstRecordOffset} to {found.lastRecordOffset}"
            for name, found in self.recordsInfo.items()
        ]
        where = f", {', '.join(ranges)}" if ranges else ""
        return f"the topic has them until its retention ends{where}; an S3 destination would keep them"


class _Document(msgspec.Struct):
    requestContext: _RequestContext  # noqa: N815
    KinesisBatchInfo: _KinesisBatch | None = None
    KafkaBatchInfo: _KafkaBatch | None = None
    payload: str | dict[str, Any] | None = None
    """The invocation's event: JSON in a string on S3, an object on a topic and from LocalStack."""


_decode = msgspec.json.Decoder(_Document).decode
_decode_event = msgspec.json.Decoder(dict[str, Any]).decode


def read_on_failure_document(body: bytes) -> GivenUp:
    """
    Return the records of the document *body*.

    Raises:
        ValueError: *body* is another kind of document, or has no records. Then the message says how to get them.
        NotAKinesisEvent: The payload is the event of neither kind of mapping.
        NotAKafkaEvent: The payload resembles the event of a Kafka mapping, but is not valid.
    """
    document = _decode(body)
    batch = document.KinesisBatchInfo or document.KafkaBatchInfo
    if batch is None:
        raise ValueError("its mapping is neither of Kinesis nor of Kafka")
    if document.payload is None:
        raise ValueError(f"it names records but does not hold them; {batch.remedy()}")
    event = _decode_event(document.payload) if isinstance(document.payload, str) else document.payload
    records = records_from_kafka(event) if is_kafka_event(event) else records_from_lambda(event, unfold=False)
    return GivenUp(document.requestContext.condition, document.requestContext.approximateInvokeCount, records)
