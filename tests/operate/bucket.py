"""A bucket that can be read, too, and both kinds of document to lay in it."""

import hashlib
import io
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec

from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters, encode_dead_letters
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.local.mapping.delivery_rules import Batch, Condition, Discarded
from stream_consumer.local.mapping.lambda_records import ShardSource
from stream_consumer.local.mapping.on_failure import Origin, S3Destination
from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket
from tests.fakes import FakeKinesis, FakeS3, FakeTime, Fault, client_error
from tests.rides import ARRIVAL, SHARD, STREAM_ARN, ride_event, sequence_number

BUCKET = "dead-letters-bucket"
OURS = f"dead-letters/ride_events/{SHARD}/"
MAPPINGS = f"aws/lambda/7c39d6f6-1111-4222-8333-444455556666/{SHARD}/2026/11/21/2026-11-21T01.02.03-"


class ReadableS3(FakeS3):
    """S3 as far as operators call it: listed in pages, read, and deleted if the ETag still matches."""

    def __init__(self, time: FakeTime | None = None, faults: Iterable[Fault | None] = (), page: int = 2) -> None:
        super().__init__(time, faults, [BUCKET])
        self.unreadable: dict[str, Exception] = {}
        """What reading or deleting a key raises."""
        self.sizes: dict[str, int] = {}
        """What S3 says of the length of a key, if not the truth."""
        self._page = page

    def get_paginator(self, operation: str) -> "ReadableS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 (AWS's names)
        assert Bucket in self.buckets
        found = sorted(key for key in self.objects if key.startswith(Prefix))
        for first in range(0, len(found), self._page):
            yield {"Contents": [{"Key": key} for key in found[first : first + self._page]]}
        if not found:
            yield {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        assert Bucket in self.buckets
        if Key in self.unreadable:
            raise self.unreadable[Key]
        if Key not in self.objects:
            raise client_error("NoSuchKey", 404)("GetObject")
        body = self.objects[Key]
        return {"Body": io.BytesIO(body), "ContentLength": self.sizes.get(Key, len(body)), "ETag": _etag(body)}

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str) -> None:  # noqa: N803 (AWS's names)
        assert Bucket in self.buckets
        if Key in self.unreadable:
            raise self.unreadable[Key]
        if _etag(self.objects[Key]) != IfMatch:
            raise client_error("PreconditionFailed", 412)("DeleteObject")
        del self.objects[Key]

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def bucket(self) -> DeadLetterBucket:
        return DeadLetterBucket(self.client, BUCKET, "dead-letters")


class Account(FakeKinesis):
    """The streams of STREAM_ARN's account and region; ``targets`` are the streams as the requests named them."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, time: FakeTime | None = None) -> None:
        super().__init__(time, streams=["ride_events"])
        self.targets: list[str] = []
        self.may_describe = True

    def describe_stream_summary(self, *, StreamName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        if not self.may_describe:
            raise client_error("AccessDeniedException", 400)("DescribeStreamSummary")
        if StreamName not in self.streams:
            raise client_error("ResourceNotFoundException", 400)("DescribeStreamSummary")
        arn = STREAM_ARN.replace("ride_events", StreamName)
        return {"StreamDescriptionSummary": {"StreamARN": arn}}

    def put_records(self, **request: Any) -> dict[str, Any]:
        self.targets.append(request.get("StreamName") or request["StreamARN"])
        return super().put_records(**request)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def event_id(position: int) -> str:
    return f"{SHARD}:{sequence_number(position)}"


def dead_letter(
    position: int, data: bytes | None = None, reason: Reason = Reason.SCHEMA, *, key: str | None = "", index: str = ""
) -> DeadLetter:
    """*index* is that of a sub-record, ``.3``; *key* defaults to ``key-<position>``."""
    record = Record(
        ride_event(position, distance="3.66") if data is None else data,
        event_id(position) + index,
        sequence_number(position),
        f"key-{position}" if key == "" else key,
        ARRIVAL + position,
        STREAM_ARN,
    )
    return DeadLetter.of(record, InvalidRecord(reason, "$.ride.trip_distance", "Expected `float`, got `str`"))


def lay_ours(s3: ReadableS3, *letters: DeadLetter) -> str:
    """Write *letters* as the function does; their document's key."""
    written = DeadLetters(s3.client, BUCKET, "dead-letters", retry=FakeTime().retry()).write(letters, 1e9)
    assert not written.unwritten
    return s3.requests[-1].key


def lay_mappings(
    s3: ReadableS3,
    records: Collection[tuple[int, bytes]],
    condition: Condition = Condition.RETRY_ATTEMPTS_EXHAUSTED,
) -> str:
    """Write records, by position, as the mapping gives them up; their document's key."""
    source = ShardSource(STREAM_ARN, SHARD)
    batch = Batch(
        tuple(
            source.record(
                {
                    "SequenceNumber": sequence_number(position),
                    "PartitionKey": f"key-{position}",
                    "Data": data,
                    "ApproximateArrivalTimestamp": datetime.fromtimestamp(ARRIVAL + position, UTC),
                }
            )
            for position, data in records
        ),
        invocations=4,
    )
    origin = Origin(
        "7c39d6f6-1111-4222-8333-444455556666", "arn:aws:lambda:us-east-1:1:function:f", STREAM_ARN, SHARD, ARRIVAL
    )
    S3Destination(s3.client, BUCKET).deliver(Discarded(batch, condition), origin)
    return s3.requests[-1].key


def lay_raw(s3: ReadableS3, key: str, body: bytes) -> str:
    s3.objects[key] = body
    return key


def older(s3: ReadableS3, key: str) -> None:
    """Make the dead letters under *key* what was written before they kept the ARN."""
    s3.objects[key] = encode_dead_letters(
        [msgspec.structs.replace(letter, stream_arn=None) for letter in decode_dead_letters(s3.objects[key])]
    )
