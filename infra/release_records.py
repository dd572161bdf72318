"""
The records of releases: a file for each release, beside the models.

The rule: a record is written once and never changed. Terraform's state has the current deployment, and the records
have its history. Their location is ``releases/<environment>/`` in the bucket of models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from infra.environment import Environment
from infra.publish import ReleaseFailed
from stream_consumer.contract.timestamps import iso_milliseconds
from stream_consumer.models.champion import ModelVersion

# Source: Amazon S3 API reference, "PutObject": 412 if the object exists, 409 if another request ran at the same time.
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The cause of a release."""

    event: str = "desk"
    """``push``, ``workflow_dispatch`` or ``repository_dispatch`` of GitHub, or ``desk``."""
    champion: str = ""
    """Location of the new ``champion.json``. Empty for other events."""
    version: str = ""
    """S3's version of that file."""
    run: str = ""
    """URL of the workflow's run."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One release."""

    at: str
    environment: str
    outcome: str
    """``released`` or ``failed``."""
    reason: str = ""
    """Reason of a failure."""
    cause: Cause
    commit: str
    images: Mapping[str, str]
    """Digests, by kind."""
    model_digests: Mapping[str, str] = {}
    """Digests of the models in the images, by kind."""
    model: ModelVersion | None = None
    """The model's entry in ``champion.json``: version, digest, metrics and rides."""
    challenger: str = ""
    canary: Sequence[str] = ()
    """The output of the canary, with the challenger's numbers."""
    smoke: Sequence[str] = ()
    """The results of the smoke test, by part."""

    def summary(self) -> str:
        """Return the record as a table of Markdown."""
        rows = [
            ("outcome", f"{self.outcome} {self.reason}".strip()),
            ("event", " ".join(filter(None, (self.cause.event, self.cause.champion, self.cause.version)))),
            ("commit", self.commit),
            *((f"image {kind}", digest) for kind, digest in self.images.items()),
        ]
        if self.model:
            errors = ", ".join(f"{name} {value:g}" for name, value in self.model.metrics.items())
            rows.append(("model", f"version {self.model.version}, {self.model.digest}; {errors}"))
        rows += [("canary", line) for line in self.canary]
        rows += [("smoke test", line) for line in self.smoke]
        cells = (f"| {name} | {value.replace('|', '/').replace(chr(10), ' ')} |" for name, value in rows)
        return "\n".join([f"| {self.environment} | {self.at} |", "| --- | --- |", *cells, ""])


def now() -> str:
    return iso_milliseconds(datetime.now(UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Records:
    """The records of an environment, in its bucket of models."""

    s3: Any
    bucket: str
    environment: str

    @classmethod
    def of(cls, environment: Environment, s3: Any) -> "Records":
        return cls(s3, environment.models_bucket(), environment.root.name)

    @property
    def prefix(self) -> str:
        return f"releases/{self.environment}/"

    def write(self, record: Record) -> str:
        """Write *record* and return its location. The second record of a millisecond has ``_2`` behind its time."""
        content = msgspec.json.format(msgspec.json.encode(record)) + b"\n"
        key, number = f"{self.prefix}{record.at}.json", 1
        while not self._put(key, content):
            number += 1
            key = f"{self.prefix}{record.at}_{number}.json"
        return f"s3://{self.bucket}/{key}"

    def _put(self, key: str, content: bytes) -> bool:
        """Write *content* to *key* unless *key* exists. Return whether it was written."""
        to = {"Bucket": self.bucket, "Key": key}
        try:
            self.s3.put_object(**to, Body=content, ContentType="application/json", IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TAKEN:
                raise
            return False
        return True

    def newest(self, most: int) -> list[Record]:
        """
        Return the *most* recent records, the newest first.

        Raises:
            ReleaseFailed: An object is not a record.
        """
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        return [self._read(key) for key in reversed(keys[-most:])]

    def _read(self, key: str) -> Record:
        content = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        try:
            return msgspec.json.decode(content, type=Record)
        except msgspec.MsgspecError as fault:
            raise ReleaseFailed(f"s3://{self.bucket}/{key} is not a record of a release: {fault}; remove it") from None
