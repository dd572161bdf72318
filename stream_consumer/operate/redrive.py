"""
Redrive: letters go back on their stream, each once, and what went back is marked.

The rule: put, then mark, then perhaps delete, each only when the one before is acknowledged. So nothing is ever lost,
and the next run goes on behind the last mark. A crash between a put and its mark makes that run put the chunk, at most
500 records, again. What is put is a new record with a new event id; order is kept among the records of a document, not
with what the stream has carried since.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.aws.retry import Patience, is_transient
from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import iso_milliseconds
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import StreamConsumerError
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_REQUEST_BYTES
from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket, Document, Foreign, Identity, Letter
from stream_consumer.operate.jq_edit import Edit, NotEdited
from stream_consumer.sinks import Entry, Sink

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MARKS_PREFIX = "redriven/"

# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry".
_MAX_KEY = 256
_PATIENCE_SECONDS = 60.0


class NotMarked(StreamConsumerError):
    """Records were put back and that could not be written down, or what was written down cannot be read."""


class Mark(msgspec.Struct, frozen=True):
    """One letter that went back."""

    stream: str | None
    event: str
    """Its event id or, without one, the SHA-256 of its data."""
    document: str
    put_on: str
    at: str


@dataclass(frozen=True, slots=True)
class Order:
    """What goes back, and where."""

    letter: Letter
    stream: str
    entry: Entry

    @property
    def size(self) -> int:
        return len(self.entry.data) + len(self.entry.partition_key.encode())


@dataclass(frozen=True, slots=True)
class Refused:
    """A letter that did not go back, and why."""

    letter: Letter
    why: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """What becomes of each letter on its way back."""

    stream: str | None = None
    """The stream to put it on; by default the one it came from."""
    edit: Edit | None = None
    schema: EventSchema | None = None
    """What the data must be valid by."""

    def __call__(self, letter: Letter) -> Order | Refused:
        stream = self.stream or letter.stream
        if stream is None:
            return Refused(letter, "it came by a direct invocation, so no stream is known: name one with --stream")
        # Nothing but its content can stand in for a key that nobody ever gave.
        key = hashlib.sha256(letter.data).hexdigest() if letter.partition_key is None else letter.partition_key
        if not 1 <= len(key) <= _MAX_KEY:
            return Refused(letter, f"its partition key has {len(key)} characters; Kinesis takes 1 to {_MAX_KEY}")
        try:
            order = Order(letter, stream, Entry(key, self.edit(letter.data) if self.edit else letter.data))
        except NotEdited as error:
            return Refused(letter, str(error))
        if order.size > MAX_ENTRY_BYTES:
            return Refused(
                letter, f"it has {order.size:,} bytes with its key, more than the {MAX_ENTRY_BYTES:,} of a put"
            )
        fault = self._fault(order.entry.data)
        return Refused(letter, f"still {fault.reason} at {fault.path}: {fault.detail}") if fault else order

    def _fault(self, data: bytes) -> InvalidRecord | None:
        if self.schema is None:
            return None
        try:
            parts = [part.data for part in kpl.unfold(data)] if data.startswith(kpl.MAGIC) else [data]
        except kpl.CorruptAggregate:
            parts = [data]
        return next((fault for fault in map(self.schema.decode, parts) if isinstance(fault, InvalidRecord)), None)


class Marks:
    """What was put back, in objects of the same bucket, one a chunk: whole or not there."""

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        *,
        patience: Patience | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._patience = patience or Patience()
        self._now = now

    def load(self) -> set[Identity]:
        """
        Return the identities of all letters that were put back.

        Raises:
            NotMarked: An object under the prefix is no list of marks; going on could put its letters again.
        """
        found: set[Identity] = set()
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=MARKS_PREFIX):
            for key in (item["Key"] for item in page.get("Contents", ())):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                try:
                    marks = msgspec.json.Decoder(Mark).decode_lines(body)
                except ValueError as error:
                    raise NotMarked(
                        f"s3://{self._bucket}/{key} is no list of redriven letters: {error}; restore it, or move it "
                        f"away if it does not belong under {MARKS_PREFIX}"
                    ) from None
                found.update((mark.stream, mark.event) for mark in marks)
        return found

    def add(self, orders: Sequence[Order]) -> None:
        """
        Write down that *orders* were put, trying for a minute.

        Raises:
            NotMarked: It could not be written.
        """
        at = iso_milliseconds(self._now())
        marks = [Mark(*order.letter.identity, order.letter.document, order.stream, at) for order in orders]
        body = msgspec.json.Encoder().encode_lines(marks)
        key = f"{MARKS_PREFIX}{at}-{hashlib.sha256(body).hexdigest()[:12]}.jsonl"
        attempt, deadline = 0, self._patience.clock() + _PATIENCE_SECONDS
        while True:
            try:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")
            except (ClientError, BotoCoreError) as error:
                hopeless = isinstance(error, ClientError) and not is_transient(error)
                if hopeless or not self._patience.wait(attempt, deadline):
                    raise NotMarked(
                        f"{len(orders)} records were put on {orders[0].stream}, from {marks[0].event} to "
                        f"{marks[-1].event}, but s3://{self._bucket}/{key} could not be written, so the next run will "
                        f"put them again: {error}"
                    ) from error
                attempt += 1
            else:
                return


@dataclass(slots=True)
class Outcome:
    """What a run has done."""

    put: int = 0
    skipped: int = 0
    """Selected letters that an earlier run had put back."""
    refused: list[Refused] = field(default_factory=list)
    unput: list[Refused] = field(default_factory=list)
    """Letters that the stream did not take; the run ends with the first such chunk."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Puts letters back, in order, at a rate."""

    prepare: Callable[[Letter], Order | Refused]
    sink: Callable[[str], Sink]
    """The sink of the stream so called."""
    marks: Marks
    rate: float | None = None
    """Records a second; None for as fast as the stream takes them."""
    patience: Patience = field(default_factory=Patience)

    def run(self, letters: Iterable[Letter], done: set[Identity]) -> Outcome:
        """
        Put back those of *letters* that are not *done*, and add to *done* what was put and marked.

        Raises:
            NotMarked: Letters were put and not marked.
        """
        outcome, begun = Outcome(), self.patience.clock()
        most = MAX_ENTRIES if self.rate is None else min(MAX_ENTRIES, max(1, round(self.rate)))
        for chunk in _chunks(self._orders(letters, done, outcome), most):
            if self.rate:
                self.patience.sleep(max(0.0, begun + outcome.put / self.rate - self.patience.clock()))
            self._put(chunk, done, outcome)
            if outcome.unput:
                break
        return outcome

    def _orders(self, letters: Iterable[Letter], done: AbstractSet[Identity], outcome: Outcome) -> Iterator[Order]:
        for letter in letters:
            if letter.identity in done:
                outcome.skipped += 1
                continue
            order = self.prepare(letter)
            if isinstance(order, Refused):
                outcome.refused.append(order)
            else:
                yield order

    def _put(self, chunk: Sequence[Order], done: set[Identity], outcome: Outcome) -> None:
        deadline = self.patience.clock() + _PATIENCE_SECONDS
        written = self.sink(chunk[0].stream).write([order.entry for order in chunk], deadline)
        reasons = {unwritten.position: unwritten.reason for unwritten in written.unwritten}
        outcome.unput += [Refused(chunk[at].letter, reason) for at, reason in reasons.items()]
        put = [order for at, order in enumerate(chunk) if at not in reasons]
        if put:
            self.marks.add(put)
            done.update(order.letter.identity for order in put)
            outcome.put += len(put)


def _chunks(orders: Iterable[Order], most: int) -> Iterator[list[Order]]:
    """Yield *orders* of one stream together, as many as one request takes."""
    chunk: list[Order] = []
    size = 0
    for order in orders:
        if chunk and (order.stream != chunk[0].stream or len(chunk) == most or size + order.size > MAX_REQUEST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(order)
        size += order.size
    if chunk:
        yield chunk


def delete_redriven(
    bucket: DeadLetterBucket, documents: Iterable[Document | Foreign], done: AbstractSet[Identity]
) -> tuple[int, list[str]]:
    """Delete the documents whose every letter is *done*: how many, and the keys of those that changed meanwhile."""
    deleted, changed = 0, []
    for document in documents:
        if isinstance(document, Document) and all(letter.identity in done for letter in document.letters):
            if bucket.delete(document):
                deleted += 1
            else:
                changed.append(document.key)
    return deleted, changed
