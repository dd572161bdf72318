"""Dead letters as they lie in S3, found again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from stream_consumer.contract import DeadLetter, decode_dead_letters

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Stored(NamedTuple):
    """A dead letter and the object that holds it."""

    key: str
    letter: DeadLetter


def stored_letters(s3: "S3Client", bucket: str, prefix: str) -> Iterator[Stored]:
    """
    Yield the dead letters under *prefix*, each event once, by object key and then in the order of the batch.

    A redelivery that begins at another record writes another object, so the same event can lie in two of them.

    Raises:
        ValueError: An object holds something else.
    """
    seen: set[str] = set()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    for key in (item["Key"] for page in pages for item in page.get("Contents", ())):
        for letter in decode_dead_letters(s3.get_object(Bucket=bucket, Key=key)["Body"].read()):
            if letter.event_id is None or letter.event_id not in seen:
                seen.add(letter.event_id or "")
                yield Stored(key, letter)
