"""
Reading dead letters, the records that were not scored, from the bucket.

Two kinds of document hold dead letters: the consumer's JSON lines under the prefix, and on-failure documents of event
source mappings, with the invocation's whole event as payload. The rule: reading never stops at an object. Any other
object is a value, :class:`Foreign`, with the reason.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from stream_consumer.aws.retry import is_transient
from stream_consumer.contract.dead_letter import decode_dead_letters
from stream_consumer.contract.record import KafkaOrigin
from stream_consumer.contract.timestamps import iso_milliseconds
from stream_consumer.errors import NotAKafkaEvent, NotAKinesisEvent, UsageError
from stream_consumer.operate.identity import Identities, Identity, of_record, of_row, sha256
from stream_consumer.operate.on_failure_document import read_on_failure_document

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MAPPING_PREFIX = "aws/lambda/"
"""Source: AWS Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source"."""

# The documents of the largest batch, 6 MB of the smallest events, stay below it.
MAX_DOCUMENT_BYTES = 256 * 2**20

# Documents are mostly small, so the round trips take most of the time.
_READERS = 16


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """One record that was not scored, and the document that holds it."""

    document: str
    """Key of the object."""
    event_id: str | None
    reason: str
    """A dead letter's reason, or the condition under which the mapping gave the record up."""
    path: str
    """JSON path of the fault. Empty if the record was not at fault."""
    detail: str
    stream: str | None
    shard: str | None
    sequence_number: str | None
    partition_key: str | None
    arrival: str | None
    """ISO 8601, UTC, milliseconds."""
    data: bytes
    stream_arn: str | None = None
    """ARN, with account and region. None in older dead letters."""
    kafka: KafkaOrigin | None = None
    """Topic, partition and offset of a record from Kafka, whose stream is a topic. Otherwise None."""
    copy: int = 0
    """Number of earlier dead letters in the document with the same event, for example from two identical rows."""

    @property
    def is_row(self) -> bool:
        """Whether the record is a row of a file, and came by no stream."""
        return self.event_id is not None and self.stream is None and self.sequence_number is None

    @property
    def event(self) -> str:
        """Event id or, without one, SHA-256 of the data."""
        return self.event_id or sha256(self.data)

    @property
    def identity(self) -> Identity:
        """Identity of the event, equal in every document that holds the record."""
        if self.is_row:
            return of_row(self.document, self.event, sha256(self.data), self.copy)
        return of_record(self.stream_arn, self.stream, self.event, self.copy)


@dataclass(frozen=True, slots=True)
class Document:
    """An object with one dead letter or more, in the order of the shard."""

    key: str
    etag: str
    letters: Sequence[StoredDeadLetter]


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object that has no dead letters or cannot be read."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter of dead letters. A field that is empty or None does not filter."""

    event_ids: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    shards: frozenset[str] = frozenset()
    since: str | None = None
    """Earliest arrival, inclusive, in the form of :attr:`StoredDeadLetter.arrival`."""
    until: str | None = None
    """Latest arrival, exclusive."""

    def __contains__(self, letter: StoredDeadLetter) -> bool:
        return (
            (not self.event_ids or letter.event_id in self.event_ids)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.shards or letter.shard in self.shards)
            # Texts of one form and width compare as the times that they mean. A record without an arrival never
            # matches.
            and (self.since is None or (letter.arrival is not None and letter.arrival >= self.since))
            and (self.until is None or (letter.arrival is not None and letter.arrival < self.until))
        )


def letters(
    documents: Iterable[Document | Foreign], selection: Selection, foreign: Callable[[Foreign], object]
) -> Iterator[StoredDeadLetter]:
    """
    Yield the selected dead letters, each event once, from the first document that holds it.

    Several documents can hold the same event. A redelivery that begins at another record writes another document, and a
    record that the mapping gave up may be a dead letter already. *foreign* gets the other objects.
    """
    seen = Identities()
    for document in documents:
        if isinstance(document, Foreign):
            foreign(document)
            continue
        for letter in document.letters:
            if letter.identity not in seen:
                seen.add(letter.identity)
                if letter in selection:
                    yield letter


class DeadLetterBucket:
    """The bucket that holds both kinds of document."""

    def __init__(self, s3: "S3Client", name: str, prefix: str) -> None:
        """*prefix* is the key prefix of the consumer's own documents."""
        self.name = name
        self.prefix = prefix
        self._s3 = s3

    def keys(self) -> list[str]:
        """Return the keys of the documents. The consumer's come before the mapping's, which have fewer details."""
        return [key for prefix in (f"{self.prefix}/", MAPPING_PREFIX) for key in listed(self._s3, self.name, prefix)]

    def documents(self, keys: Sequence[str]) -> Iterator[Document | Foreign]:
        """Yield the object of each of *keys*, in order. Some are read ahead."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="documents") as pool:
            for first in range(0, len(keys), _READERS):
                yield from pool.map(self._read, keys[first : first + _READERS])

    def delete(self, document: Document) -> bool:
        """Delete *document* unless it changed since it was read. Return whether it was deleted."""
        try:
            self._s3.delete_object(Bucket=self.name, Key=document.key, IfMatch=document.etag)
        except ClientError as error:
            if error.response["Error"].get("Code") in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                return False
            raise
        return True

    def _read(self, key: str) -> Document | Foreign:
        try:
            answer = self._s3.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if is_transient(error):
                raise
            return Foreign(key, str(error))
        if answer["ContentLength"] > MAX_DOCUMENT_BYTES:
            return Foreign(key, f"{answer['ContentLength']:,} bytes, more than any document has")
        return _parsed(key, answer["ETag"], answer["Body"].read())


def listed(s3: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    """
    Yield the keys in *bucket* that begin with *prefix*.

    Raises:
        UsageError: The bucket does not exist.
    """
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", ()))
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchBucket":
            raise
        raise UsageError(
            f"the bucket {bucket} of dead letters does not exist. Name the bucket with --bucket or DEAD_LETTER_BUCKET"
        ) from None


def _parsed(key: str, etag: str, body: bytes) -> Document | Foreign:
    try:
        found = _discarded(key, body) if key.startswith(MAPPING_PREFIX) else _dead_letters(key, body)
    except (ValueError, RecursionError, NotAKinesisEvent, NotAKafkaEvent) as error:
        return Foreign(key, str(error))
    return Document(key, etag, _numbered(found)) if found else Foreign(key, "no dead letter in it")


def _numbered(letters: Sequence[StoredDeadLetter]) -> list[StoredDeadLetter]:
    """Return *letters* with numbered copies. Each was a record of its own, even if all fields are equal."""
    seen: Counter[Identity] = Counter()
    numbered = []
    for letter in letters:
        # An older dead letter has no ARN and may belong to any stream of that name.
        event = letter.identity._replace(stream_arn=None)
        copy = seen[event]
        seen[event] += 1
        numbered.append(msgspec.structs.replace(letter, copy=copy) if copy else letter)
    return numbered


def _dead_letters(key: str, body: bytes) -> list[StoredDeadLetter]:
    return [StoredDeadLetter(key, **msgspec.structs.asdict(letter)) for letter in decode_dead_letters(body)]


def _discarded(key: str, body: bytes) -> list[StoredDeadLetter]:
    given_up = read_on_failure_document(body)
    return [
        StoredDeadLetter(
            key,
            record.event_id,
            given_up.condition,
            path="",
            detail=f"given up after {given_up.invocations} invocations",
            stream=record.stream,
            shard=record.shard,
            sequence_number=record.sequence_number,
            partition_key=record.partition_key,
            arrival=iso_milliseconds(record.arrival) if record.arrival is not None else None,
            data=record.data,
            stream_arn=record.stream_arn,
            kafka=record.kafka,
        )
        for record in given_up.records
    ]
