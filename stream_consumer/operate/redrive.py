"""
Redrive: put dead letters back on their stream, each once, and mark those that went back.

The rule: put, then mark, then perhaps delete. Each step waits until the step before is acknowledged, so nothing is ever
lost, and the next run continues behind the last mark. After a crash between a put and its mark, the next run puts that
chunk of at most 500 records again. A dead letter that cannot be put does not hold up the others. The put makes a new
record with a new event id. Records of one document keep their order among themselves, but not with newer records of
the stream.
"""

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.aws.retry import RetryPolicy, is_transient
from stream_consumer.contract.timestamps import iso_milliseconds
from stream_consumer.errors import StreamConsumerError
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, MAX_REQUEST_BYTES
from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket, Document, Foreign, StoredDeadLetter, listed
from stream_consumer.operate.identity import Identities, Identity, of_record, of_row, sha256
from stream_consumer.operate.preparation import Order, Refused
from stream_consumer.sinks import Sink

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MARKS_PREFIX = "redriven/"

_SETTLING_SECONDS = 60.0
# Refused requests in a row after which the run gives up a stream. Halving a full chunk down to one refused dead letter
# takes ten.
_MOST_FAILURES = 32


class NotMarked(StreamConsumerError):
    """The marks of redriven records cannot be written or read."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """One dead letter that went back."""

    stream: str | None
    event: str
    """Event id or, without one, SHA-256 of the data."""
    document: str
    put_on: str
    at: str
    stream_arn: str | None = None
    sha256: str | None = None
    """SHA-256 of a row's data. A row of a file is identified by document, event id and content."""
    copy: int = 0

    @classmethod
    def of(cls, order: Order, at: str) -> "Mark":
        letter = order.letter
        digest = sha256(letter.data) if letter.is_row else None
        return cls(
            letter.stream, letter.event, letter.document, order.stream, at, letter.stream_arn, digest, letter.copy
        )

    @property
    def identity(self) -> Identity:
        """The identity of the dead letter."""
        if self.sha256 is not None:
            return of_row(self.document, self.event, self.sha256, self.copy)
        return of_record(self.stream_arn, self.stream, self.event, self.copy)


class Marks:
    """The marks of redriven dead letters: one object per chunk in the same bucket, written whole or not at all."""

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        *,
        retry: RetryPolicy | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._retry = retry or RetryPolicy()
        self._now = now

    def load(self) -> Identities:
        """
        Return the identities of all redriven dead letters.

        Raises:
            NotMarked: An object under the prefix is not a list of marks. Continuing could put its dead letters again.
            UsageError: The bucket does not exist.
        """
        found = Identities()
        for key in listed(self._s3, self._bucket, MARKS_PREFIX):
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            try:
                marks = msgspec.json.Decoder(Mark).decode_lines(body)
            except ValueError as error:
                raise NotMarked(
                    f"s3://{self._bucket}/{key} is not a list of redriven dead letters: {error}; restore the "
                    f"object, or move it away if it does not belong under {MARKS_PREFIX}"
                ) from None
            found.update(mark.identity for mark in marks)
        return found

    def add(self, orders: Sequence[Order]) -> None:
        """
        Write a mark for each of *orders*, and retry for a minute.

        Raises:
            NotMarked: The marks could not be written.
        """
        at = iso_milliseconds(self._now())
        marks = [Mark.of(order, at) for order in orders]
        body = msgspec.json.Encoder().encode_lines(marks)
        key = f"{MARKS_PREFIX}{at}-{hashlib.sha256(body).hexdigest()[:12]}.jsonl"
        try:
            self._retry.persist(lambda: self._put(key, body), _passes, _SETTLING_SECONDS)
        except (BotoCoreError, ClientError) as error:
            raise NotMarked(
                f"{len(orders)} dead letters were put on {orders[0].stream}, from {marks[0].event} to "
                f"{marks[-1].event}, but s3://{self._bucket}/{key} could not be written, so the next run will "
                f"put them again: "
                f"{error}"
            ) from error

    def _put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")


def _passes(error: Exception) -> bool:
    """Whether a retry can succeed after *error*, for example a lost connection."""
    return is_transient(error) if isinstance(error, ClientError) else isinstance(error, BotoCoreError)


@dataclass(slots=True)
class Outcome:
    """The counts and refusals of a run."""

    put: int = 0
    """Dead letters whose records were all acknowledged."""
    records: int = 0
    """Acknowledged records. An edit may make several from one dead letter."""
    skipped: int = 0
    """Selected dead letters that an earlier run put back."""
    refused: list[Refused] = field(default_factory=list)
    unput: list[Refused] = field(default_factory=list)
    """Dead letters that their stream refused."""
    untried: int = 0
    """Dead letters of a stream that the run gave up."""


@dataclass(slots=True)
class Redrive:
    """Puts dead letters back, in order, at a rate. A dead letter that cannot be put does not hold up the others."""

    prepare: Callable[[StoredDeadLetter], Order | Refused]
    sink: Callable[[str], Sink]
    """Returns the sink of a stream by its name."""
    marks: Marks
    rate: float | None = None
    """Records per second. None means as fast as the stream accepts records."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    _failures: Counter[str] = field(default_factory=Counter, init=False)
    """Number of requests to each stream since the last accepted record."""

    def run(self, letters: Iterable[StoredDeadLetter], done: Identities) -> Outcome:
        """
        Put back the dead letters that are not in *done*, and add each to *done* once it is marked.

        Raises:
            NotMarked: Dead letters were put and not marked.
        """
        outcome, begun = Outcome(), self.retry.clock()
        most = MAX_ENTRIES if self.rate is None else min(MAX_ENTRIES, max(1, round(self.rate)))
        for chunk in _chunks(self._orders(letters, done, outcome), most):
            if self.rate:
                self.retry.sleep(max(0.0, begun + outcome.records / self.rate - self.retry.clock()))
            self._put(chunk, done, outcome)
        return outcome

    def _orders(self, letters: Iterable[StoredDeadLetter], done: Identities, outcome: Outcome) -> Iterator[Order]:
        for letter in letters:
            if letter.identity in done:
                outcome.skipped += 1
                continue
            order = self.prepare(letter)
            if isinstance(order, Refused):
                outcome.refused.append(order)
            else:
                yield order

    def _given_up(self, stream: str) -> bool:
        return self._failures[stream] >= _MOST_FAILURES

    def _put(self, chunk: Sequence[Order], done: Identities, outcome: Outcome) -> None:
        """
        Put *chunk*. If the stream refuses all of it, put its halves, until each refused dead letter stands alone.

        Dead letters that were not sent because of a refused one are sent after it.
        """
        while chunk:
            if self._given_up(chunk[0].stream):
                outcome.untried += len(chunk)
                return
            put, left, untried = self._write(chunk, outcome)
            if put:
                self.marks.add(put)
                done.update(order.letter.identity for order in put)
                outcome.put += len(put)
            if not put and not untried and len(chunk) > 1 and not self._given_up(chunk[0].stream):
                middle = len(chunk) // 2
                for half in (chunk[:middle], chunk[middle:]):
                    self._put(half, done, outcome)
                return
            outcome.unput += left
            chunk = untried

    def _write(self, chunk: Sequence[Order], outcome: Outcome) -> tuple[list[Order], list[Refused], list[Order]]:
        """
        Put *chunk* once.

        Returns:
            The dead letters whose records the stream took, the dead letters that it refused, and the dead letters that
            were not sent because of a refused one.
        """
        stream, begun = chunk[0].stream, self.retry.clock()
        entries = [entry for order in chunk for entry in order.entries]
        written = self.sink(stream).write(entries, begun + _SETTLING_SECONDS)
        reasons = {unwritten.position: unwritten.reason for unwritten in written.unwritten}
        blocked = {unwritten.position for unwritten in written.unwritten if unwritten.untried}
        is_at_fault = any(unwritten.refused for unwritten in written.unwritten)
        outcome.records += len(entries) - len(reasons)
        self._failures[stream] = 0 if len(reasons) < len(entries) else self._failures[stream] + 1
        if reasons and self.retry.clock() - begun > _SETTLING_SECONDS / 2:
            self._failures[stream] = _MOST_FAILURES  # the sink has retried until its deadline
        put, left, untried, positions = list[Order](), list[Refused](), list[Order](), iter(range(len(entries)))
        for order in chunk:
            own = set(itertools.islice(positions, len(order.entries)))
            whys = [reasons[at] for at in sorted(own) if at in reasons]
            if is_at_fault and own <= blocked:
                untried.append(order)
            elif whys:
                left.append(Refused(order.letter, whys[0]))
            else:
                put.append(order)
        return put, left, untried


def _chunks(orders: Iterable[Order], most: int) -> Iterator[list[Order]]:
    """Yield chunks of *orders*: each chunk has one stream, and at most as many records as one request takes."""
    chunk: list[Order] = []
    size = records = 0
    for order in orders:
        full = records + len(order.entries) > most or size + order.size > MAX_REQUEST_BYTES
        if chunk and (order.stream != chunk[0].stream or full):
            yield chunk
            chunk, size, records = [], 0, 0
        chunk.append(order)
        size += order.size
        records += len(order.entries)
    if chunk:
        yield chunk


def delete_redriven(
    bucket: DeadLetterBucket, documents: Iterable[Document | Foreign], done: Identities
) -> tuple[int, list[str]]:
    """
    Delete the documents whose dead letters are all in *done*.

    Returns:
        The number of deleted documents, and the keys of documents that changed since they were read.
    """
    deleted, changed = 0, []
    for document in documents:
        if isinstance(document, Document) and all(letter.identity in done for letter in document.letters):
            if bucket.delete(document):
                deleted += 1
            else:
                changed.append(document.key)
    return deleted, changed
