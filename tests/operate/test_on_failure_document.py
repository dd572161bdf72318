"""What a mapping of Kafka writes when it gives records up, as AWS documents it, is found as dead letters are."""

import json
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.contract.kafka_event import records_from_kafka
from stream_consumer.contract.record import Header, KafkaOrigin
from stream_consumer.operate.dead_letter_bucket import Foreign, Selection, StoredDeadLetter, letters
from stream_consumer.operate.on_failure_document import GivenUp, read_on_failure_document
from tests.operate.bucket import ReadableS3, lay_raw
from tests.rides import ride_event

CASES = Path(__file__).parents[1] / "cases"
KEY = "aws/lambda/7c39d6f6-1111-4222-8333-444455556666/green-rides-0/2026/11/20/2026-11-20T20.22.06-document"


def document(**changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((CASES / "on_failure_kafka.json").read_text())
    return written | changes


def event(name: str) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((CASES / f"{name}.event.json").read_text())
    return written


def read(document: dict[str, Any]) -> GivenUp:
    return read_on_failure_document(json.dumps(document).encode())


def found(document: dict[str, Any]) -> tuple[list[StoredDeadLetter], list[Foreign]]:
    """Return what an operator finds in a bucket with *document*."""
    s3, foreign = ReadableS3(), list[Foreign]()
    lay_raw(s3, KEY, json.dumps(document).encode())
    bucket = s3.bucket()
    return list(letters(bucket.documents(bucket.keys()), Selection(), foreign.append)), foreign


def test_each_record_that_a_kafka_mapping_gave_up_is_a_letter_with_its_key_headers_and_offset() -> None:
    (first, second), _ = found(document(payload=json.dumps(event("kafka_msk"))))
    topic = "arn:aws:kafka:eu-central-1:123456789012:topic/taxis/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3/green-rides"
    headers = [Header("trace", b"abc"), Header("trace", b"\xff\x00\x7f\x80")]
    assert first == StoredDeadLetter(
        document=KEY,
        event_id="green-rides-0:15",
        reason="RetryAttemptsExhausted",
        path="",
        detail="given up after 11 invocations",
        stream="green-rides",
        shard="green-rides-0",
        sequence_number="15",
        partition_key="256",
        arrival="2026-11-21T01:02:03.456Z",
        data=ride_event(),
        stream_arn=topic,
        kafka=KafkaOrigin("green-rides", 0, 15, b"256", 1_795_222_923_456, "CREATE_TIME", headers),
    )
    assert (second.event_id, second.data) == ("green-rides-12:15", b"")
    assert second.kafka is not None
    assert second.kafka.null_value


@pytest.mark.parametrize("name", ["kafka_msk", "kafka_self_managed"])
@pytest.mark.parametrize("as_text", [True, False], ids=["on S3", "on a topic"])
def test_the_records_are_those_of_the_event(name: str, *, as_text: bool) -> None:
    """On a topic the payload is an object, and what is said of the batch has no offsets by partition."""
    given, info = event(name), {"batchSize": 1, "recordInfo": {"offset": "15"}}
    given_up = read(document(payload=json.dumps(given)) if as_text else document(payload=given, KafkaBatchInfo=info))
    assert given_up == GivenUp("RetryAttemptsExhausted", 11, records_from_kafka(given))


def test_a_document_without_a_payload_names_the_offsets() -> None:
    """A queue is sent such documents, and S3 is not."""
    with pytest.raises(ValueError, match="it names records") as caught:
        read(document())
    assert str(caught.value) == (
        "it names records but does not hold them; the topic has them until its retention ends, green-rides-0 from 15 "
        "to 15, green-rides-12 from 15 to 15; an S3 destination would keep them"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"KafkaBatchInfo": None}, "its mapping is neither of Kinesis nor of Kafka"),
        ({"payload": '{"records": [1]}'}, "this is not the event of a Kafka mapping"),
        ({"payload": '{"messages": []}'}, "this is not the event of a Kinesis mapping"),
        ({"payload": "[]"}, "Expected `object`, got `array`"),
        ({"payload": "5"}, "Expected `object`, got `int`"),
        ({"payload": '{"records": {}}'}, "no dead letter in it"),
    ],
)
def test_what_is_none_is_passed_over_and_says_why(changes: dict[str, Any], why: str) -> None:
    nothing, [foreign] = found(document(**changes))
    assert nothing == []
    assert why in foreign.why
