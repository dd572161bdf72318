"""Writing dead letters to S3, one object per batch."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stream_consumer.contract.dead_letter import DeadLetter, encode_dead_letters

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
from stream_consumer.aws.bounded_calls import Calls, Failure
from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.sinks import Unwritten, Written


class DeadLetters:
    """Invalid records as JSON lines in S3, one object per batch."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, *, retry: RetryPolicy | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._calls = Calls(1, retry or RetryPolicy())

    def write(self, items: Sequence[DeadLetter], deadline: float) -> Written:
        """Write all *items* as one object, or none. A redelivered batch overwrites its own object."""
        if not items:
            return Written()
        body = encode_dead_letters(items)
        key = dead_letter_key(self._prefix, items[0], body)
        answer, again = self._calls.persist(lambda: self._put(key, body), deadline)
        failed = isinstance(answer, Failure)
        unwritten = [Unwritten(position, answer.reason) for position in range(len(items))] if failed else []
        return Written(unwritten, again * len(items))

    def _put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")


def dead_letter_key(prefix: str, first: DeadLetter, body: bytes) -> str:
    """
    Return the key of the object for *body*, the dead letters of a batch. *first* is the first of them.

    Equal dead letters have the same key on every delivery, and different ones have different keys. If two deliveries of
    different size overlap, the smaller one may finish last, and must not overwrite the object of the larger one.
    """
    digest = hashlib.sha256(body).hexdigest()
    if first.sequence_number is None:  # a direct invocation has no position in a stream
        return f"{prefix}/direct/{digest}.jsonl"
    return f"{prefix}/{first.stream or 'direct'}/{first.shard or 'direct'}/{first.sequence_number}-{digest[:16]}.jsonl"
