"""
Profiles of windows in S3, one object for each window of a shard.

The rule: the key depends only on the window, since a window's final invocation may come twice.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from stream_consumer.aws.bounded_calls import Calls, Failure
from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.errors import StreamConsumerError
from stream_consumer.profiling.profile import Profile

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

READS_IN_FLIGHT = 16
"""A week of one shard is 672 objects of some 5 kB."""


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ProfileUnreadable(StreamConsumerError):
    """The windows of a day cannot be read, or an object is not a profile of a window."""


class ColumnDrift(msgspec.Struct, frozen=True):
    """The drift of one column from the reference. See :class:`stream_consumer.monitor.drift.Drift`."""

    column: str
    psi: float
    size: float
    z: float


class WindowProfile(msgspec.Struct, frozen=True):
    """The stored profile of a window."""

    stream: str
    """ARN."""
    shard: str
    start: _Moment
    end: _Moment
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

        The date and time are the start of the window, in UTC.
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
        Return the profile that :meth:`encode` has written.

        Raises:
            ValueError: *content* has another shape.
        """
        return msgspec.json.decode(content, type=cls)


def window_of(name: str, content: bytes) -> WindowProfile:
    """
    Return the window in *content*, which was stored as *name*.

    Raises:
        ProfileUnreadable: *content* is not a window, or its window belongs under another name.
    """
    try:
        window = WindowProfile.decode(content)
        window.counts()
    except (ValueError, RecursionError) as error:
        raise ProfileUnreadable(f"{name} is not a profile of a window: {error}; move it out of the folder") from None
    if not name.endswith(f"/{window.key}"):  # the window would be counted twice
        raise ProfileUnreadable(f"{name} is a copy of the window {window.key}; move it out of the folder")
    return window


class ProfileArchive:
    """The windows' profiles in a bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, *, retry: RetryPolicy | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._retry = retry or RetryPolicy()
        self._calls = Calls(READS_IN_FLIGHT, self._retry)

    def write(self, window: WindowProfile, deadline: float) -> str:
        """Put the profile of *window* by *deadline*. Return an empty text, or the reason for a failure."""
        key, body = f"{self._prefix}/{window.key}", window.encode()
        answer, _ = self._calls.persist(lambda: self._put(key, body), deadline)
        return answer.reason if isinstance(answer, Failure) else ""

    def read(self, day: date, deadline: float) -> list[WindowProfile]:
        """
        Return the windows that began on *day*, by key.

        Raises:
            ProfileUnreadable: Reading runs past *deadline*, or an object is not a profile of a window.
        """
        folder = f"{self._prefix}/{day}/"
        [keys] = self._answers([partial(self._list, folder)], folder, deadline)
        bodies = self._answers([partial(self._get, key) for key in keys], folder, deadline) if keys else []
        return [window_of(f"s3://{self._bucket}/{key}", body) for key, body in zip(keys, bodies, strict=True)]

    def drop_connections(self) -> None:
        """Close connections, which must not be in a snapshot. The next call opens them again."""
        self._client.close()

    def _answers(self, calls: Sequence[Callable[[], Any]], folder: str, deadline: float) -> list[Any]:
        """Return the results of *calls*, and retry after transient failures."""
        answers: dict[int, Any] = {}
        due = list(range(len(calls)))
        for _ in self._retry.attempts(deadline):
            answers |= zip(due, self._calls.run([calls[at] for at in due], deadline), strict=True)
            due = [at for at in due if isinstance(answers[at], Failure) and answers[at].transient]
            if not due:
                break
        for answer in answers.values():
            if isinstance(answer, Failure):
                raise ProfileUnreadable(f"s3://{self._bucket}/{folder} cannot be read: {answer.reason}")
        return [answers[at] for at in range(len(calls))]

    def _put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")

    def _list(self, folder: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
        return [item["Key"] for page in pages for item in page.get("Contents", ()) if item["Key"].endswith(".json")]

    def _get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
