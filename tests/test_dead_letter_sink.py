"""Dead letters: what is in the bucket, under which key, and what comes back as unwritten."""

import itertools
from collections.abc import Sequence

import pytest

from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.sinks import Unwritten, Written
from tests.fakes import (
    CONNECT_TIMEOUT,
    HANG,
    HOPELESS_FAULTS,
    INTERNAL_FAILURE,
    RESET_BEFORE,
    TRANSIENT_FAULTS,
    FakeS3,
    FakeTime,
    Fault,
)
from tests.rides import ARRIVAL, STREAM_ARN

MIB = 2**20
LATE = "the deadline came before an answer"


def letters(*datas: bytes, sequence_number: str | None = "49630") -> list[DeadLetter]:
    fault = InvalidRecord(Reason.UNDECODABLE, "$", "no")
    event_id = f"shardId-000000000007:{sequence_number}" if sequence_number else None
    arn = STREAM_ARN if sequence_number else None
    return [DeadLetter.of(Record(data, event_id, sequence_number, "k", ARRIVAL, arn), fault) for data in datas]


class Bucket:
    """Dead letters on fakes, and what to ask of them."""

    def __init__(self, *faults: Fault | None, prefix: str = "dead-letters") -> None:
        self.time = FakeTime()
        self.s3 = FakeS3(self.time, faults)
        self.sink = DeadLetters(self.s3.client, "dead-letters-bucket", prefix, retry=self.time.retry())

    def write(self, items: Sequence[DeadLetter], seconds: float = 60.0) -> Written:
        return self.sink.write(items, self.time.clock() + seconds)


def test_no_dead_letters_are_no_object() -> None:
    bucket = Bucket()
    assert bucket.write([]) == Written([], 0)
    assert bucket.s3.requests == []


def test_the_dead_letters_of_a_batch_are_one_object_of_json_lines() -> None:
    bucket = Bucket()
    assert bucket.write(letters(b"1", b"2")) == Written([], 0)
    [request] = bucket.s3.requests
    assert (request.bucket, request.key) == (
        "dead-letters-bucket",
        "dead-letters/ride_events/shardId-000000000007/49630-10e7334caa702773.jsonl",
    )
    assert request.content_type == "application/x-ndjson"
    assert request.body.count(b"\n") == 2
    assert bucket.s3.letters == letters(b"1", b"2")


def test_a_redelivered_batch_overwrites_its_own_object() -> None:
    bucket = Bucket()
    bucket.write(letters(b"1", b"2"))
    bucket.write(letters(b"1", b"2"))
    assert bucket.s3.letters == letters(b"1", b"2")


def test_a_smaller_delivery_that_ends_later_overwrites_nothing_of_a_larger_one() -> None:
    """Two pollers may deliver the same range of a shard at once, in batches of different size."""
    bucket = Bucket()
    bucket.write(letters(b"1", b"2"))
    bucket.write(letters(b"1"))
    assert {letter.data for letter in bucket.s3.letters} == {b"1", b"2"}


def test_the_key_of_a_direct_invocation_is_made_from_its_content() -> None:
    bucket = Bucket(prefix="a/b")
    bucket.write(letters(b"{}", sequence_number=None))
    assert list(bucket.s3.objects) == [
        "a/b/direct/692a6b0c587414ebac54cba27b989d97c68eb68ad66348be12bdbfc1875e1e42.jsonl"
    ]


def test_a_direct_invocation_that_names_only_the_sequence_number_has_a_key_too() -> None:
    bucket = Bucket()
    bucket.write([DeadLetter.of(Record(b"", None, "7"), InvalidRecord(Reason.UNDECODABLE, "$", "no"))])
    assert list(bucket.s3.objects) == ["dead-letters/direct/direct/7-ad4714fb0a1fe0e1.jsonl"]


def test_a_dead_letter_may_have_any_size() -> None:
    """More than a Kinesis record of today holds, byte for byte."""
    data = bytes(range(256)) * (10 * MIB // 256)
    bucket = Bucket()
    assert bucket.write(letters(data)) == Written([], 0)
    assert [letter.data for letter in bucket.s3.letters] == [data]


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS, ids=lambda fault: fault.name)
def test_after_a_transient_fault_the_dead_letters_are_there(fault: Fault) -> None:
    bucket = Bucket(fault)
    assert bucket.write(letters(b"1", b"2")) == Written([], 2)
    assert bucket.s3.letters == letters(b"1", b"2")


@pytest.mark.parametrize("fault", HOPELESS_FAULTS, ids=lambda fault: fault.name)
def test_dead_letters_meet_a_hopeless_fault_only_once(fault: Fault) -> None:
    bucket = Bucket(fault)
    assert [unwritten.position for unwritten in bucket.write(letters(b"1", b"2")).unwritten] == [0, 1]
    assert len(bucket.s3.requests) == 1


def test_dead_letters_are_tried_until_the_deadline() -> None:
    bucket = Bucket(*itertools.repeat(INTERNAL_FAILURE, 99))
    written = bucket.write(letters(b"1"), seconds=1.0)
    assert len(written.unwritten) == 1
    assert len(bucket.s3.requests) == 5
    assert bucket.time.now < 1_001.0


@pytest.mark.parametrize("fault", [HANG, CONNECT_TIMEOUT, RESET_BEFORE], ids=lambda fault: fault.name)
def test_dead_letters_that_got_no_answer_in_time_are_unwritten(fault: Fault) -> None:
    bucket = Bucket(fault)
    assert len(bucket.write(letters(b"1"), seconds=0.01).unwritten) == 1
    assert bucket.s3.objects == {}


def test_no_dead_letters_are_sent_after_the_deadline() -> None:
    bucket = Bucket()
    assert bucket.write(letters(b"1"), seconds=0.0) == Written([Unwritten(0, LATE)], 0)
    assert bucket.s3.requests == []
