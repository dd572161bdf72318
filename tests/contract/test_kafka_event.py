"""Lambda's event of a Kafka mapping: what its records are, and what a mapping is told of them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters, encode_dead_letters
from stream_consumer.contract.kafka_event import item_identifier, records_from_kafka, topic_url
from stream_consumer.contract.record import Header, InvalidRecord, KafkaOrigin, Reason, Record
from stream_consumer.errors import NotAKafkaEvent
from tests.rides import ARRIVAL, TOPIC_ARN, kafka_event, ride_event

CASES = Path(__file__).parents[1] / "cases"
NULL_VALUE = InvalidRecord(Reason.UNDECODABLE, "$", "the value is null, a tombstone: there is nothing to predict")


def case(name: str) -> list[Record]:
    return records_from_kafka(json.loads((CASES / f"{name}.event.json").read_text()))


def one(**fields: Any) -> Record:
    """Return the record of an event whose only item has *fields*."""
    item = {"topic": "rides", "partition": 0, "offset": 1, "value": "e30="} | fields
    [record] = records_from_kafka({"records": {"rides-0": [item]}})
    return record


def test_a_record_of_amazon_msk_keeps_its_key_timestamp_and_headers() -> None:
    first, second = case("kafka_msk")
    topic = "arn:aws:kafka:eu-central-1:123456789012:topic/taxis/5c0a9d52-7d34-4a55-9e1c-2b5a0a3d1f10-3/green-rides"
    headers = [Header("trace", b"abc"), Header("trace", b"\xff\x00\x7f\x80")]
    assert first == Record(
        ride_event(),
        event_id="green-rides-0:15",
        sequence_number="15",
        partition_key="256",
        arrival=1_795_222_923.456,
        stream_arn=topic,
        kafka=KafkaOrigin("green-rides", 0, 15, b"256", 1_795_222_923_456, "CREATE_TIME", headers),
    )
    assert (first.stream, first.shard, first.lane) == ("green-rides", "green-rides-0", "green-rides-0")
    assert second == Record(
        b"",
        event_id="green-rides-12:15",
        sequence_number="15",
        arrival=1_795_222_923.457,
        stream_arn=topic,
        kafka=KafkaOrigin("green-rides", 12, 15, None, 1_795_222_923_457, "LOG_APPEND_TIME", null_value=True),
        fault=NULL_VALUE,
    )


def test_a_record_of_a_cluster_without_an_arn_names_the_brokers() -> None:
    """A key that is no text stays bytes, and the schemas of a registry are named."""
    [record] = case("kafka_self_managed")
    assert record.stream_arn == "kafka://kafka-1.example.net:9093,kafka-2.example.net:9093/rides"
    assert (record.stream, record.event_id, record.partition_key) == ("rides", "rides-0:7", None)
    assert record.kafka == KafkaOrigin(
        "rides",
        0,
        7,
        b"\xff\xfe",
        1_795_222_923_456,
        "CREATE_TIME",
        key_schema={"dataFormat": "AVRO", "schemaId": "3"},
        value_schema={"dataFormat": "JSON", "schemaId": "7d55d475-2244-4485-8341-f74468c1e058"},
    )


def test_the_order_of_the_brokers_does_not_change_a_topics_name() -> None:
    assert topic_url("b:1,a:1", "rides") == topic_url("a:1,b:1", "rides") == "kafka://a:1,b:1/rides"


def test_a_record_of_kinesis_is_in_no_lane_of_its_own() -> None:
    assert Record(b"", "shardId-000000000000:1", "1").lane is None


def test_an_event_without_records_has_none() -> None:
    assert records_from_kafka({"records": {}}) == records_from_kafka({"records": {"rides-0": []}}) == []


def test_an_empty_value_is_no_tombstone() -> None:
    record = one(value="")
    assert (record.data, record.fault) == (b"", None)
    assert record.kafka is not None
    assert not record.kafka.null_value


def test_a_key_that_reads_null_in_base64_is_a_key() -> None:
    record = one(key="null")
    assert record.kafka is not None
    assert record.kafka.key == b"\x9e\xe9\x65"


def test_a_partition_may_be_written_as_text() -> None:
    """As older examples of AWS have it."""
    assert one(partition="3").event_id == "rides-3:1"


@pytest.mark.parametrize("timestamp", [-1, 253_402_300_800_000, 2**63 - 1])
def test_a_timestamp_that_is_no_time_is_kept_and_is_no_arrival(timestamp: int) -> None:
    """A producer sets it as it likes; it must not keep its batch from being consumed."""
    record = one(timestamp=timestamp)
    assert record.arrival is None
    assert record.kafka is not None
    assert record.kafka.timestamp == timestamp
    fault = InvalidRecord(Reason.SCHEMA, "$", "no")
    assert decode_dead_letters(encode_dead_letters([DeadLetter.of(record, fault)]))[0].arrival is None


def test_a_header_may_have_no_value() -> None:
    record = one(headers=[{"a": None}, {"b\ud800": []}])
    assert record.kafka is not None
    assert record.kafka.headers == [Header("a", None), Header("b?", b"")]


def test_headers_that_are_null_are_none_and_hold_up_no_batch() -> None:
    record = one(headers=None)
    assert record.kafka is not None
    assert record.kafka.headers == []


@pytest.mark.parametrize(
    "event",
    [
        {"records": [{"topic": "rides"}]},
        {"records": {"rides-0": {"topic": "rides"}}},
        {"records": {"rides-0": [{"topic": "rides", "partition": 0, "value": ""}]}},
        {"records": {"rides-0": [{"topic": "rides", "partition": 0, "offset": -1, "value": ""}]}},
        {"records": {"rides-0": [{"topic": "rides", "partition": "x", "offset": 1, "value": ""}]}},
        {"records": {"rides-0": [{"topic": "rides", "partition": 0, "offset": 1, "value": "not base64!"}]}},
        {"records": {"rides-0": [{"topic": "rides", "partition": 0, "offset": 1, "headers": [{"a": [256]}]}]}},
    ],
)
def test_an_event_of_another_shape_is_refused_with_the_shape_that_is_wanted(event: dict[str, Any]) -> None:
    with pytest.raises(NotAKafkaEvent, match=r'wanted \{"records": \{"topic-0": '):
        records_from_kafka(event)


def test_a_record_is_named_to_the_mapping_by_partition_and_offset() -> None:
    _, record = case("kafka_msk")
    assert item_identifier(record) == {"partition": "green-rides-12", "offset": 15}
    with pytest.raises(ValueError, match="did not come from Kafka"):
        item_identifier(Record(b"", "shardId-000000000000:1"))


LETTERS = {
    "a value": (
        one(
            key="/w==",
            value="e30=",
            timestamp=round(ARRIVAL * 1000),
            headers=[{"h": [1]}],
            valueSchemaMetadata={"a": "b"},
        ),
        (
            b'{"event_id":"rides-0:1","reason":"schema","path":"$.ride","detail":"no","stream":"rides",'
            b'"shard":"rides-0","sequence_number":"1","partition_key":null,"arrival":"2026-11-21T01:02:03.456Z",'
            b'"data":"e30=","stream_arn":"kafka:///rides","kafka":{"topic":"rides","partition":0,"offset":1,'
            b'"key":"/w==","timestamp":1795222923456,"headers":[{"name":"h","value":"AQ=="}],"value_schema":{"a":"b"}}}\n'
        ),
    ),
    "a tombstone": (
        one(key="Nw==", value=None),
        (
            b'{"event_id":"rides-0:1","reason":"schema","path":"$.ride","detail":"no","stream":"rides",'
            b'"shard":"rides-0","sequence_number":"1","partition_key":"7","arrival":null,"data":"",'
            b'"stream_arn":"kafka:///rides","kafka":{"topic":"rides","partition":0,"offset":1,"key":"Nw==",'
            b'"null_value":true}}\n'
        ),
    ),
}


@pytest.mark.parametrize(("record", "data"), LETTERS.values(), ids=LETTERS)
def test_a_dead_letter_of_kafka_has_exactly_these_bytes(record: Record, data: bytes) -> None:
    """It says which kind of source it came from, and holds all that it takes to produce the record again."""
    letter = DeadLetter.of(record, InvalidRecord(Reason.SCHEMA, "$.ride", "no"))
    assert encode_dead_letters([letter]) == data
    assert decode_dead_letters(data) == [letter]


def test_a_dead_letter_of_kafka_is_never_taken_for_one_of_the_stream_of_its_topics_name() -> None:
    """Not by a reader of before either, which knows no field of Kafka and goes by the ARN."""
    [record] = records_from_kafka(kafka_event({0: [b"{}"]}))
    letter = DeadLetter.of(record, InvalidRecord(Reason.SCHEMA, "$.ride", "no"))
    assert (letter.stream, letter.stream_arn) == ("ride_events", TOPIC_ARN)
    assert msgspec.json.decode(encode_dead_letters([letter]))["kafka"]["topic"] == "ride_events"
