"""
Who scores an object: a claim beside its output, an S3 object that is written only if nobody else's is there.

The rule: S3 decides. A claim is made by a conditional write (If-None-Match), renewed, taken over and removed only by
who knows its ETag (If-Match), and each write changes its content and so its ETag. It is old when S3's own clock says
so: the age is the answer's ``Date`` less ``Last-Modified``, so the workers' clocks may differ.

Source: Amazon S3 user guide, "Add preconditions to S3 operations with conditional requests".
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.batch.locations import beside, bucket_and_key
from stream_consumer.errors import StreamConsumerError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Both times are in whole seconds.
_ROUNDING_SECONDS = 2.0

# 409: another write of the key is being answered. 404: it was there and is gone.
_REFUSED = frozenset({404, 409, 412})


class ClaimLost(StreamConsumerError):
    """Another worker took the claim over; whatever this one still does is in vain."""


@dataclass(frozen=True, slots=True)
class _Found:
    etag: str
    owner: str
    left_seconds: float


class Claim:
    """A claim on the output *target*, an ``s3://`` URL; *owner* must be another for every claim that is made."""

    def __init__(self, s3: "S3Client", target: str, *, owner: str, lease_seconds: float) -> None:
        self._s3 = s3
        self._bucket, self._key = bucket_and_key(beside(target, ".claim"))
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._etag = ""
        self._renewals = 0

    def take(self) -> float:
        """Make the claim, and return 0; or the seconds for which another's may still hold."""
        if self._write(IfNoneMatch="*"):
            return 0.0
        found = self._find()
        if found is None:  # it was removed between the two
            return 0.0 if self._write(IfNoneMatch="*") else self._lease_seconds
        if found.owner == self._owner:  # an answer was lost, and botocore asked again
            self._etag = found.etag
            return 0.0
        if found.left_seconds > 0:
            return found.left_seconds
        return 0.0 if self._write(IfMatch=found.etag) else self._lease_seconds

    def renew(self) -> None:
        """
        Hold the claim for another lease.

        Raises:
            ClaimLost: It is another's, or gone.
        """
        if self._write(IfMatch=self._etag):
            return
        found = self._find()
        if found is None or found.owner != self._owner or not self._write(IfMatch=found.etag):
            raise ClaimLost(f"the claim s3://{self._bucket}/{self._key} was taken over")

    def release(self) -> None:
        """Remove the claim if it is still ours; one that cannot be removed grows old."""
        with suppress(ClientError, BotoCoreError):
            self._s3.delete_object(Bucket=self._bucket, Key=self._key, IfMatch=self._etag)

    def _write(self, **condition: Any) -> bool:
        self._renewals += 1
        content = {"owner": self._owner, "lease_seconds": self._lease_seconds, "renewals": self._renewals}
        try:
            answer = self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=json.dumps(content).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in _REFUSED:
                return False
            raise
        self._etag = answer["ETag"]
        return True

    def _find(self) -> _Found | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except self._s3.exceptions.NoSuchKey:
            return None
        content = msgspec.json.decode(answer["Body"].read(), type=_Content)
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        left = content.lease_seconds + _ROUNDING_SECONDS - (now - answer["LastModified"]).total_seconds()
        return _Found(answer["ETag"], content.owner, left)


class _Content(msgspec.Struct):
    owner: str
    lease_seconds: float
