"""
Profiles of windows in S3, one object for each window of a shard.

The rule: a window's final invocation may come twice, so its key says which window it is of, and nothing else.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from stream_consumer.aws.bounded_calls import Calls, Failure
from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.profiling.profile import Profile

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class ColumnDrift(msgspec.Struct, frozen=True):
    """How far one column is from the reference; see :class:`stream_consumer.monitor.drift.Drift`."""

    column: str
    psi: float
    size: float
    z: float


class WindowProfile(msgspec.Struct, frozen=True):
    """What is kept of a window."""

    stream: str
    """ARN."""
    shard: str
    start: datetime
    end: datetime
    model: str
    version: str
    digest: str
    records: int
    invalid: int
    skipped: int
    drift: tuple[ColumnDrift, ...]
    profile: msgspec.Raw
    """JSON of :meth:`stream_consumer.profiling.profile.Profile.encode`."""

    @property
    def key(self) -> str:
        """
        The end of the object's key: ``2026-11-21/shardId-000000000000-20261121T010000Z.json``.

        The date is that on which the window began, in UTC.
        """
        return f"{self.start:%Y-%m-%d}/{self.shard}-{self.start:%Y%m%dT%H%M%SZ}.json"

    def counts(self) -> Profile:
        """Return the profile."""
        return Profile.decode(bytes(self.profile))

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, content: bytes) -> "WindowProfile":
        """
        Return what :meth:`encode` has written.

        Raises:
            ValueError: *content* is of another shape.
        """
        return msgspec.json.decode(content, type=cls)


class ProfileArchive:
    """The windows' profiles in a bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, *, retry: RetryPolicy | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._calls = Calls(1, retry or RetryPolicy())

    def write(self, window: WindowProfile, deadline: float) -> str:
        """Put the profile of *window*; returns why S3 did not take it by *deadline*, or an empty text."""
        key, body = f"{self._prefix}/{window.key}", window.encode()
        answer, _ = self._calls.persist(lambda: self._put(key, body), deadline)
        return answer.reason if isinstance(answer, Failure) else ""

    def _put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
