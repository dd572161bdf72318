"""Dead letters in the bucket: both kinds of document, each event once, and objects that are neither."""

import json
from collections.abc import Collection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stream_consumer.contract import kpl
from stream_consumer.contract.record import Reason
from stream_consumer.local.mapping.delivery_rules import Condition
from stream_consumer.operate.dead_letter_bucket import Foreign, Selection, StoredDeadLetter, letters
from tests.fakes import client_error
from tests.operate.bucket import (
    MAPPINGS,
    OURS,
    ReadableS3,
    dead_letter,
    event_id,
    lay_mappings,
    lay_ours,
    lay_raw,
    older,
)
from tests.rides import SHARD, STREAM_ARN, ride_event, sequence_number


def found(s3: ReadableS3, selection: Selection | None = None) -> tuple[list[StoredDeadLetter], list[Foreign]]:
    bucket, foreign = s3.bucket(), list[Foreign]()
    return list(letters(bucket.documents(bucket.keys()), selection or Selection(), foreign.append)), foreign


def positions(found_letters: Collection[StoredDeadLetter]) -> list[int]:
    return [int(str(letter.sequence_number)) - int(sequence_number(0)) for letter in found_letters]


def test_a_dead_letter_is_found_with_all_that_is_known_of_it() -> None:
    s3 = ReadableS3()
    key = lay_ours(s3, dead_letter(0, b"data"))
    [letter], foreign = found(s3)
    assert letter == StoredDeadLetter(
        document=key,
        event_id=event_id(0),
        reason="schema",
        path="$.ride.trip_distance",
        detail="Expected `float`, got `str`",
        stream="ride_events",
        shard="shardId-000000000000",
        sequence_number=sequence_number(0),
        partition_key="key-0",
        arrival="2026-11-21T01:02:03.456Z",
        data=b"data",
        stream_arn=STREAM_ARN,
    )
    assert foreign == []


def test_each_record_that_the_mapping_gave_up_on_is_a_letter_with_the_condition_as_reason() -> None:
    s3 = ReadableS3()
    document = lay_mappings(s3, [(1, b"one"), (2, b"two")], Condition.RECORD_AGE_EXCEEDED)
    [first, second], _ = found(s3)
    assert first == StoredDeadLetter(
        document=document,
        event_id=event_id(1),
        reason="RecordAgeExceeded",
        path="",
        detail="given up after 4 invocations",
        stream="ride_events",
        shard="shardId-000000000000",
        sequence_number=sequence_number(1),
        partition_key="key-1",
        arrival="2026-11-21T01:02:04.456Z",
        data=b"one",
        stream_arn=STREAM_ARN,
    )
    assert (second.partition_key, second.data) == ("key-2", b"two")


@pytest.mark.parametrize("as_text", [True, False], ids=["as AWS writes it", "as LocalStack does"])
def test_the_payload_of_the_mappings_document_is_text_or_an_object(*, as_text: bool) -> None:
    s3 = ReadableS3()
    key = lay_mappings(s3, [(1, b"one")])
    document = json.loads(s3.objects[key])
    event = json.loads(document["payload"])
    s3.objects[key] = json.dumps({**document, "payload": json.dumps(event) if as_text else event}).encode()
    [letter], _ = found(s3)
    assert (letter.event_id, letter.data) == (event_id(1), b"one")


def test_an_older_dead_letter_is_read_without_the_arn() -> None:
    s3 = ReadableS3()
    key = lay_ours(s3, dead_letter(0, b"data"))
    older(s3, key)
    assert b"stream_arn" not in s3.objects[key]
    [letter], _ = found(s3)
    assert (letter.stream, letter.stream_arn, letter.data) == ("ride_events", None, b"data")


def test_an_aggregate_in_the_mappings_document_stays_the_bytes_it_was() -> None:
    s3 = ReadableS3()
    aggregate = kpl.fold([kpl.SubRecord("a", ride_event(1)), kpl.SubRecord("b", b"poison")])
    lay_mappings(s3, [(0, aggregate)])
    [letter], _ = found(s3)
    assert (letter.event_id, letter.data) == (event_id(0), aggregate)


def test_documents_are_found_through_all_pages_ours_first_each_in_its_order() -> None:
    s3 = ReadableS3(page=2)
    lay_mappings(s3, [(50, b""), (51, b"")])
    for position in (30, 20, 10):
        lay_ours(s3, dead_letter(position), dead_letter(position + 1))
    assert positions(found(s3)[0]) == [10, 11, 20, 21, 30, 31, 50, 51]


def test_an_event_in_several_documents_is_found_once_by_what_is_known_best() -> None:
    """A redelivery may begin at another record, and the mapping may give up on what is a dead letter already."""
    s3 = ReadableS3()
    lay_ours(s3, dead_letter(1), dead_letter(2))
    lay_ours(s3, dead_letter(2), dead_letter(3))
    lay_mappings(s3, [(3, b"same"), (4, b"other")])
    everything, _ = found(s3)
    assert positions(everything) == [1, 2, 3, 4]
    assert [letter.reason for letter in everything] == ["schema", "schema", "schema", "RetryAttemptsExhausted"]


def test_records_of_direct_invocations_are_told_apart_by_their_data() -> None:
    s3 = ReadableS3()
    nowhere: dict[str, Any] = dict.fromkeys(("event_id", "stream", "shard", "sequence_number", "arrival"))
    for name, data in (("1", "AAAA"), ("2", "AAAA"), ("3", "BBBB")):
        lines = {**nowhere, "partition_key": None, "reason": "schema", "path": "$", "detail": "", "data": data}
        lay_raw(s3, f"dead-letters/direct/{name}.jsonl", json.dumps(lines).encode())
    assert [letter.document for letter in found(s3)[0]] == [
        "dead-letters/direct/1.jsonl",
        "dead-letters/direct/3.jsonl",
    ]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [0, 1, 2, 3]),
        (Selection(reasons=frozenset({"schema"})), [0, 1]),
        (Selection(reasons=frozenset({"bounds", "RetryAttemptsExhausted"})), [2, 3]),
        (Selection(shards=frozenset({SHARD})), [0, 1, 2, 3]),
        (Selection(shards=frozenset({"shardId-000000000009"})), []),
        (Selection(event_ids=frozenset({event_id(3), event_id(0)})), [0, 3]),
        (Selection(since="2026-11-21T01:02:04.456Z"), [1, 2, 3]),
        (Selection(until="2026-11-21T01:02:04.456Z"), [0]),
        (Selection(since="2026-11-21T01:02:04.000Z", until="2026-11-21T01:02:05.457Z"), [1, 2]),
        (Selection(reasons=frozenset({"schema"}), since="2026-11-21T01:02:04.000Z"), [1]),
    ],
)
def test_letters_are_selected_by_reason_shard_event_and_time_of_arrival(
    selection: Selection, expected: list[int]
) -> None:
    s3 = ReadableS3()
    lay_ours(s3, dead_letter(0), dead_letter(1), dead_letter(2, reason=Reason.BOUNDS))
    lay_mappings(s3, [(3, b"")])
    assert positions(found(s3, selection)[0]) == expected


def test_a_letter_without_an_arrival_is_at_no_time() -> None:
    unknown = StoredDeadLetter("d", "e", "schema", "", "", None, None, None, None, None, b"")
    assert unknown in Selection()
    assert unknown not in Selection(since="0001-01-01T00:00:00.000Z")
    assert unknown not in Selection(until="9999-01-01T00:00:00.000Z")


def pointer() -> dict[str, Any]:
    """Return what the mapping writes to a queue, or would write to a bucket without the payload."""
    s3 = ReadableS3()
    document: dict[str, Any] = json.loads(s3.objects[lay_mappings(s3, [(0, b""), (1, b"")])])
    del document["payload"]
    return document


FOREIGN = {
    "not JSON": (f"{OURS}x.jsonl", b"SECRET", "JSON is malformed: invalid character (byte 0)"),
    "JSON of something else": (f"{OURS}x.jsonl", b'{"a":"SECRET"}', "Object missing required field `event_id`"),
    "an unknown reason": (
        f"{OURS}x.jsonl",
        b'{"event_id":"e","reason":"late"}',
        "Invalid enum value 'late' - at `$.reason`",
    ),
    "nothing": (f"{OURS}x.jsonl", b"", "no dead letter in it"),
    "nested without end": (f"{OURS}x.jsonl", b'{"a":' + b"[" * 1_000_000, "while deserializing an object"),
    "half a line": (f"{OURS}x.jsonl", b'{"event_id":"SECRET', "Input data was truncated"),
    "another document of AWS": (f"{MAPPINGS}x", b'{"version":"1.0"}', "missing required field `requestContext`"),
    "a payload of another kind": (
        f"{MAPPINGS}x",
        json.dumps({**pointer(), "payload": '{"Records":[{"dynamodb":{}}]}'}).encode(),
        "not the event of a Kinesis mapping",
    ),
    "a payload that is not JSON": (
        f"{MAPPINGS}x",
        json.dumps({**pointer(), "payload": "SECRET"}).encode(),
        "JSON is malformed: invalid character (byte 0)",
    ),
    "a payload without records": (
        f"{MAPPINGS}x",
        json.dumps({**pointer(), "payload": '{"Records":[]}'}).encode(),
        "no dead letter in it",
    ),
}


@pytest.mark.parametrize(("key", "body", "why"), FOREIGN.values(), ids=FOREIGN)
def test_what_holds_no_letters_is_named_and_passed_over(key: str, body: bytes, why: str) -> None:
    """What it holds instead is not repeated."""
    s3 = ReadableS3()
    lay_raw(s3, key, body)
    lay_ours(s3, dead_letter(0))
    [letter], [foreign] = found(s3)
    assert letter.event_id == event_id(0)
    assert foreign.key == key
    assert why in foreign.why
    assert "SECRET" not in foreign.why


def test_a_document_without_the_records_says_how_to_get_them() -> None:
    s3 = ReadableS3()
    lay_raw(s3, f"{MAPPINGS}x", json.dumps(pointer()).encode())
    _, [foreign] = found(s3)
    assert foreign.why == (
        "it names records but does not hold them; while the stream still has them, get them with: "
        f"stream-consumer replay --stream ride_events --from {event_id(0)} --until {event_id(1)}"
    )


def test_an_object_larger_than_any_document_is_not_read() -> None:
    s3 = ReadableS3()
    key = lay_ours(s3, dead_letter(0))
    s3.sizes[key] = 300_000_000
    assert found(s3) == ([], [Foreign(key, "300,000,000 bytes, more than any document has")])


def test_an_object_that_may_not_be_read_or_has_gone_is_passed_over() -> None:
    s3 = ReadableS3()
    keys = [lay_ours(s3, dead_letter(position)) for position in range(3)]
    s3.unreadable = {
        keys[0]: client_error("AccessDenied", 403)("GetObject"),
        keys[1]: client_error("NoSuchKey", 404)("GetObject"),
    }
    [letter], foreign = found(s3)
    assert letter.event_id == event_id(2)
    assert [one.key for one in foreign] == keys[:2]
    assert "AccessDenied" in foreign[0].why


def test_a_bucket_that_does_not_answer_is_no_foreign_object() -> None:
    """Passing it over would hide letters that are there."""
    s3 = ReadableS3()
    s3.unreadable = {lay_ours(s3, dead_letter(0)): client_error("SlowDown", 503)("GetObject")}
    with pytest.raises(ClientError, match="SlowDown"):
        found(s3)
