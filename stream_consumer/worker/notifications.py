"""
Read the created objects from the body of a queue's message.

The rule: a body is a notification of S3, plain or inside SNS' envelope, or an event of EventBridge. Any other body is
refused. The version of the object is ignored: an output belongs to a key, and the current version of the key is scored.
When a message about an older version arrives, the output is already committed.
"""

from dataclasses import dataclass
from urllib.parse import unquote_plus

import msgspec

from stream_consumer.contract import guarded_json
from stream_consumer.errors import StreamConsumerError


class Unintelligible(StreamConsumerError):
    """The message names no work for a worker, now or later."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that was created or overwritten."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str


class _Entity(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Record(msgspec.Struct, rename="camel"):
    event_name: str
    s3: _Entity


class _Body(msgspec.Struct):
    """The fields of all forms. The fields present tell the form."""

    records: list[_Record] | None = msgspec.field(name="Records", default=None)
    test: str | None = msgspec.field(name="Event", default=None)
    enveloped: str | None = msgspec.field(name="Message", default=None)
    event: str | None = msgspec.field(name="detail-type", default=None)
    detail: _Entity | None = None


def new_objects(body: str, *, enveloped: bool = False) -> list[NewObject]:
    """
    Return the objects in *body*, in order. A test event, a folder, or an event other than a creation gives none.

    With *enveloped*, *body* comes from an SNS envelope and must not be another envelope.

    Raises:
        Unintelligible: *body* is not a message of S3, SNS or EventBridge.

    Source: Amazon S3 user guide, "Event message structure" and "EventBridge event message structure".
    """
    try:
        message = guarded_json.decode(body, _Body)
    except msgspec.DecodeError as error:
        raise Unintelligible(f"not a notification of S3: {error}") from error
    if message.enveloped is not None and not enveloped:
        return new_objects(message.enveloped, enveloped=True)
    if message.records is not None:
        found = [
            NewObject(record.s3.bucket.name, unquote_plus(record.s3.object.key))
            for record in message.records
            if record.event_name.startswith("ObjectCreated:")
        ]
    elif message.detail is not None:  # EventBridge's keys are not encoded
        created = message.event == "Object Created"
        found = [NewObject(message.detail.bucket.name, message.detail.object.key)] if created else []
    elif message.test == "s3:TestEvent":
        found = []
    else:
        raise Unintelligible("not a notification of S3: it has neither Records nor detail")
    return [new for new in found if not new.key.endswith("/")]  # the console makes such objects for folders
