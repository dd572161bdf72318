"""Lambda's event and KPL aggregates: how what Lambda hands over becomes records."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract import kpl
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.kpl import CorruptAggregate, SubRecord
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.errors import NotAKinesisEvent
from tests.rides import ARRIVAL, RIDE_COLUMNS, SHARD, STREAM_ARN, kinesis_event, ride_event, sequence_number

# What the format's specification calls for, byte by byte: fold and unfold must not only be each other's inverse.
GOLDEN_PARTS = [SubRecord("a", b"one"), SubRecord("b", b""), SubRecord("a", b"two")]
GOLDEN_BODY = (
    b"\x0a\x01a\x0a\x01b"  # field 1, the keys
    b"\x1a\x07\x08\x00\x1a\x03one"  # field 3, a record: field 1, the key's index; field 3, the data
    b"\x1a\x04\x08\x01\x1a\x00"
    b"\x1a\x07\x08\x00\x1a\x03two"
)


def sealed(body: bytes) -> bytes:
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body, usedforsecurity=False).digest()


def test_a_record_carries_what_lambda_says_of_it() -> None:
    [record] = records_from_lambda(kinesis_event([b"\x00data"], first=7))
    assert record == Record(
        data=b"\x00data",
        event_id=f"{SHARD}:{sequence_number(7)}",
        sequence_number=sequence_number(7),
        partition_key="key-7",
        arrival=ARRIVAL,
        stream_arn=STREAM_ARN,
    )
    assert record.shard == "shardId-000000000000"
    assert record.stream == "ride_events"


def test_a_direct_invocation_may_leave_out_everything_but_the_data() -> None:
    [record] = records_from_lambda({"Records": [{"kinesis": {"data": "e30="}}]})
    assert record == Record(b"{}")
    assert record.shard is None
    assert record.stream is None


def test_no_records_are_no_records() -> None:
    assert records_from_lambda({"Records": []}) == []


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (None, "Expected `object`, got `null`"),
        ([], "Expected `object`, got `array`"),
        ("Records", "Expected `object`, got `str`"),
        ({}, "Object missing required field `Records`"),
        ({"records": []}, "Object missing required field `Records`"),
        ({"Records": None}, "Expected `array`, got `null` - at `$.Records`"),
        ({"Records": {}}, "Expected `array`, got `object` - at `$.Records`"),
        ({"Records": [{"body": "{}"}]}, "Object missing required field `kinesis` - at `$.Records[0]`"),
        ({"Records": [{"kinesis": {}}]}, "Object missing required field `data` - at `$.Records[0].kinesis`"),
        ({"Records": [{"kinesis": {"data": None}}]}, "Expected `bytes`, got `null` - at `$.Records[0].kinesis.data`"),
        ({"Records": [{"kinesis": {"data": "e30"}}]}, "Invalid base64 encoded string - at `$.Records[0].kinesis.data`"),
        (
            {"Records": [{"kinesis": {"data": "é==="}}]},
            "Invalid base64 encoded string - at `$.Records[0].kinesis.data`",
        ),
        (
            {"Records": [{"kinesis": {"data": "", "sequenceNumber": 1}}]},
            "Expected `str | null`, got `int` - at `$.Records[0].kinesis.sequenceNumber`",
        ),
        (
            {"Records": [{"kinesis": {"data": "", "approximateArrivalTimestamp": float("nan")}}]},
            "Expected `float` >= 0.0 - at `$.Records[0].kinesis.approximateArrivalTimestamp`",
        ),
        (
            {"Records": [{"kinesis": {"data": "", "approximateArrivalTimestamp": 1e18}}]},
            "Expected `float` < 253402300800.0 - at `$.Records[0].kinesis.approximateArrivalTimestamp`",
        ),
    ],
)
def test_what_no_mapping_sends_is_refused_as_a_whole(event: Any, what: str) -> None:
    """No record is at fault: the caller is, and is told what was wanted."""
    with pytest.raises(NotAKinesisEvent) as caught:
        records_from_lambda(event)
    assert str(caught.value) == (
        f"this is not the event of a Kinesis mapping: {what}; "
        'wanted {"Records": [{"kinesis": {"data": "<base64>"}}, …]}'
    )


def test_an_aggregate_has_exactly_these_bytes() -> None:
    assert kpl.fold(GOLDEN_PARTS) == sealed(GOLDEN_BODY)
    assert kpl.unfold(sealed(GOLDEN_BODY)) == GOLDEN_PARTS


def test_hash_keys_and_unknown_fields_of_an_aggregate_are_skipped() -> None:
    """Later versions of the format add tags to a record; the first version has explicit hash keys."""
    body = b"\x0a\x01a\x12\x0212\x1a\x0d\x08\x00\x10\x00\x1a\x01x\x22\x04\x0a\x02id"
    assert kpl.unfold(sealed(body)) == [SubRecord("a", b"x")]


CORRUPT: dict[str, tuple[bytes, str]] = {
    "the magic alone": (kpl.MAGIC, "KPL aggregate whose MD5 digest does not match its content"),
    "shorter than its digest": (kpl.MAGIC + bytes(15), "KPL aggregate whose MD5 digest does not match its content"),
    "a flipped bit": (
        sealed(GOLDEN_BODY)[:9] + b"x" + sealed(GOLDEN_BODY)[10:],
        "KPL aggregate whose MD5 digest does not match its content",
    ),
    "a truncated message": (sealed(GOLDEN_BODY[:-1]), "KPL aggregate that is not a valid message"),
    "no protobuf at all": (sealed(b'{"ride":1}'), "KPL aggregate that is not a valid message"),
    "a key that is not UTF-8": (
        sealed(b"\x0a\x01\xff\x1a\x05\x08\x00\x1a\x01x"),
        "KPL aggregate with a partition key that is not UTF-8",
    ),
    "a record without data": (
        sealed(b"\x0a\x01a\x1a\x02\x08\x00"),
        "KPL aggregate with a user record that lacks its key or its data",
    ),
    "a record without a key": (
        sealed(b"\x0a\x01a\x1a\x03\x1a\x01x"),
        "KPL aggregate with a user record that lacks its key or its data",
    ),
    "a key index out of range": (
        sealed(b"\x0a\x01a\x1a\x05\x08\x01\x1a\x01x"),
        "KPL aggregate with a partition key index out of range",
    ),
    "the highest key index": (
        sealed(b"\x0a\x01a\x1a\x0e\x08" + b"\xff" * 9 + b"\x01\x1a\x01x"),
        "KPL aggregate with a partition key index out of range",
    ),
    "empty": (sealed(b""), "KPL aggregate without a single user record"),
    "keys and no records": (sealed(b"\x0a\x01a"), "KPL aggregate without a single user record"),
    "a key that Kinesis would refuse": (
        kpl.fold([SubRecord("a" * 257, b"x")]),
        "KPL aggregate with a partition key of more than 256 characters",
    ),
}


@pytest.mark.parametrize(("data", "detail"), CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_aggregate_stays_one_record_and_is_undecodable(data: bytes, detail: str) -> None:
    """It is neither half unfolded nor handed on as if it were whole, and its dead letter holds all its bytes."""
    with pytest.raises(CorruptAggregate, match=r"^KPL aggregate"):
        kpl.unfold(data)
    before, corrupt, after = records_from_lambda(kinesis_event([b"before", data, b"after"]))
    assert (before.data, corrupt.data, after.data) == (b"before", data, b"after")
    assert EventSchema(RIDE_COLUMNS).decode(corrupt.data) == InvalidRecord(Reason.UNDECODABLE, "$", detail)


@pytest.mark.parametrize("count", [20, 20_000])
def test_empty_user_records_are_records_like_others(count: int) -> None:
    assert kpl.unfold(kpl.fold([SubRecord("a", b"")] * count)) == [SubRecord("a", b"")] * count


def test_rides_beside_a_few_tiny_records_are_records_as_those_are() -> None:
    parts = [b"{}"] * 15 + [ride_event(at) for at in range(10)] + [b"{}"] * 15
    records = records_from_lambda(kinesis_event([kpl.fold([SubRecord("k", part) for part in parts])]))
    assert [record.data for record in records] == parts


@pytest.mark.parametrize("key", ["k", "\U0001f695" * 256], ids=["a short key", "a long key"])
def test_rides_beside_many_tiny_records_are_records_and_those_stay_an_aggregate(key: str) -> None:
    """Not a byte is lost, and the rides keep the index that they have in the aggregate."""
    parts = [SubRecord(key, b"{}")] * 5_000 + [SubRecord(key, ride_event(1))] + [SubRecord(key, b"{}")] * 5_000
    crumbs, ride = records_from_lambda(kinesis_event([kpl.fold(parts)]))
    number = sequence_number(0)
    assert (ride.data, ride.partition_key, ride.event_id) == (ride_event(1), key, f"{SHARD}:{number}.5000")
    assert (crumbs.event_id, crumbs.partition_key) == (f"{SHARD}:{number}.0", "key-0")
    assert kpl.unfold(crumbs.data) == [SubRecord(key, b"{}")] * 10_000


def test_sub_records_share_the_sequence_number_and_append_their_index() -> None:
    """The key is the producer's own; a record that is no aggregate is left alone."""
    aggregate = kpl.fold([SubRecord("x", b"0"), SubRecord("y", b"1")])
    records = records_from_lambda(kinesis_event([aggregate, b"plain"], first=3))
    number = sequence_number(3)
    assert [(record.data, record.partition_key, record.event_id, record.sequence_number) for record in records] == [
        (b"0", "x", f"{SHARD}:{number}.0", number),
        (b"1", "y", f"{SHARD}:{number}.1", number),
        (b"plain", "key-4", f"{SHARD}:{sequence_number(4)}", sequence_number(4)),
    ]
    assert {(record.arrival, record.stream_arn) for record in records} == {(ARRIVAL, STREAM_ARN)}


def test_an_aggregate_stays_folded_where_it_is_wanted_as_it_came() -> None:
    event = kinesis_event([kpl.fold(GOLDEN_PARTS)])
    assert [record.data for record in records_from_lambda(event, unfold=False)] == [sealed(GOLDEN_BODY)]


def test_sub_records_of_a_direct_invocation_have_no_event_id() -> None:
    event = kinesis_event([kpl.fold([SubRecord("x", b"0")])])
    del event["Records"][0]["eventID"]
    assert [record.event_id for record in records_from_lambda(event)] == [None]


def test_a_thousand_sub_records_with_a_poison_one_among_them_are_judged_one_by_one() -> None:
    datas = [ride_event(number) for number in range(1_000)]
    datas[500] = b"poison"
    records = records_from_lambda(kinesis_event([kpl.fold([SubRecord("k", data) for data in datas])]))
    assert [record.data for record in records] == datas
    schema = EventSchema(RIDE_COLUMNS)
    verdicts = [isinstance(schema.decode(record.data), InvalidRecord) for record in records]
    assert [position for position, invalid in enumerate(verdicts) if invalid] == [500]


def test_aggregates_do_not_nest() -> None:
    """An aggregate within an aggregate is handed on as bytes, so no record unfolds without bound."""
    inner = kpl.fold([SubRecord("k", ride_event())])
    [record] = records_from_lambda(kinesis_event([kpl.fold([SubRecord("k", inner)])]))
    assert record.data == inner
    assert EventSchema(RIDE_COLUMNS).decode(record.data) == InvalidRecord(
        Reason.UNDECODABLE, "$", "a KPL aggregate inside a KPL aggregate"
    )


def test_a_key_that_many_sub_records_share_is_kept_once() -> None:
    """Protobuf makes a key anew at each access: without care a small aggregate takes gigabytes."""
    parts = kpl.unfold(kpl.fold([SubRecord("k" * 256, b"x" * 30)] * 1_000))
    assert len({id(part.partition_key) for part in parts}) == 1


def flipped(data: bytes, position: int, bit: int) -> bytes:
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


sub_records = st.builds(
    SubRecord, st.text(st.characters(exclude_categories=["Cs"]), max_size=256), st.binary(min_size=23)
)


@given(st.lists(sub_records, min_size=1))
def test_any_sub_records_survive_folding(parts: list[SubRecord]) -> None:
    assert kpl.unfold(kpl.fold(parts)) == parts


@given(st.lists(sub_records, min_size=1), st.integers(0), st.integers(0, 7))
def test_no_flipped_bit_of_an_aggregate_goes_unnoticed(parts: list[SubRecord], position: int, bit: int) -> None:
    aggregate = flipped(kpl.fold(parts), position, bit)
    [record] = records_from_lambda(kinesis_event([aggregate]))
    assert record.data == aggregate


@pytest.mark.parametrize("seal", [sealed, lambda body: kpl.MAGIC + body], ids=["sealed", "unsealed"])
@given(body=st.binary())
def test_any_bytes_behind_the_magic_are_unfolded_or_kept(seal: Callable[[bytes], bytes], body: bytes) -> None:
    records = records_from_lambda(kinesis_event([seal(body)]))
    assert len(records) >= 1
    assert records == records_from_lambda(kinesis_event([seal(body)]))
