"""
Preparing a dead letter for redrive: the records to put, or the reason not to.

The rule: a dead letter goes back on the stream of its ARN. It goes to a stream of another account, region or kind only
if the operator names that stream. A Kafka topic and a Kinesis stream with the same name are never confused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from stream_consumer.contract import kpl
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.contract.stream_arn import KinesisStream, kinesis_stream
from stream_consumer.kinesis.stream_writer import MAX_ENTRY_BYTES
from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter
from stream_consumer.operate.identity import sha256
from stream_consumer.operate.jq_edit import Edit, NotEdited
from stream_consumer.operate.topic_target import StaysPut, TopicTarget
from stream_consumer.sinks import Entry

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

# Source: Amazon Kinesis Data Streams API reference, "PutRecordsRequestEntry".
_MAX_KEY = 256


@dataclass(frozen=True, slots=True)
class Order:
    """The records to put for a dead letter, and their stream. An edit can make several records."""

    letter: StoredDeadLetter
    stream: str
    """ARN or, for an older dead letter, name of a Kinesis stream. Location of a topic."""
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        return sum(map(_size, self.entries))


def _size(entry: Entry) -> int:
    return len(entry.data) + len(entry.partition_key.encode())


@dataclass(frozen=True, slots=True)
class Refused:
    """A dead letter that did not go back, with the reason."""

    letter: StoredDeadLetter
    why: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepares dead letters for redrive."""

    stream: str | None = None
    """Target stream, a name or an ARN. By default the stream that each dead letter came from."""
    edit: Edit | None = None
    schema: EventSchema | None = None
    """The schema that the data must match."""
    elsewhere: Callable[[str], str | None] = lambda _: None
    """Returns the reason why the stream of an ARN cannot be the target, or None."""
    topics: TopicTarget | None = None
    """Target topics of a Kafka cluster, instead of streams."""

    def __call__(self, letter: StoredDeadLetter) -> Order | Refused:
        try:
            stream = self.topics.location(letter) if self.topics else self._stream(letter)
            datas = self.edit(letter.data) if self.edit else [letter.data]
            if self.topics:
                entries = self.topics.entries(letter, datas, edited=self.edit is not None)
            else:
                entries = tuple(Entry(_key(letter), data) for data in datas)
        except (StaysPut, NotEdited) as error:
            return Refused(letter, str(error))
        why = next((why for why in map(self._why_not, entries) if why), None)
        return Refused(letter, why) if why else Order(letter, stream, entries)

    def _stream(self, letter: StoredDeadLetter) -> str:
        """
        Return the Kinesis stream for *letter*.

        Raises:
            StaysPut: The stream is unknown.
        """
        if self.stream:
            return self.stream
        if letter.kafka:
            raise StaysPut(
                f"it came from the Kafka topic {letter.kafka.topic}; name its cluster with --kafka, or name a stream "
                "with --stream"
            )
        elsewhere = self.elsewhere(letter.stream_arn) if letter.stream_arn is not None else None
        if elsewhere:
            raise StaysPut(f"{elsewhere}; name a stream with --stream")
        stream = _origin(letter)
        if stream is None:
            raise StaysPut("it came by a direct invocation, so its stream is unknown: name a stream with --stream")
        return stream

    def _why_not(self, entry: Entry) -> str | None:
        size = _size(entry)
        if size > MAX_ENTRY_BYTES and not self.topics:
            return f"it has {size:,} bytes with its key; Kinesis takes at most {MAX_ENTRY_BYTES:,}"
        fault = self._fault(entry.data)
        return f"still {fault.reason} at {fault.path}: {fault.detail}" if fault else None

    def _fault(self, data: bytes) -> InvalidRecord | None:
        if self.schema is None:
            return None
        try:
            parts = [part.data for part in kpl.unfold(data)] if data.startswith(kpl.MAGIC) else [data]
        except kpl.CorruptAggregate:
            parts = [data]
        return next((fault for fault in map(self.schema.decode, parts) if isinstance(fault, InvalidRecord)), None)


def _key(letter: StoredDeadLetter) -> str:
    """
    Return the partition key of *letter*.

    Raises:
        StaysPut: Kinesis does not accept the key.
    """
    # A record without a partition key gets one from its content.
    key = sha256(letter.data) if letter.partition_key is None else letter.partition_key
    if not 1 <= len(key) <= _MAX_KEY:
        raise StaysPut(f"its partition key has {len(key)} characters; Kinesis takes 1 to {_MAX_KEY}")
    return key


def _origin(letter: StoredDeadLetter) -> str | None:
    known = kinesis_stream(letter.stream_arn) if letter.stream_arn else None
    return known.arn if known else letter.stream


class Elsewhere:
    """Tells why the stream of an ARN is not in the client's account and region."""

    def __init__(self, kinesis: "KinesisClient") -> None:
        self._kinesis = kinesis
        self._told: dict[str, str | None] = {}

    def __call__(self, arn: str) -> str | None:
        """Return the reason, or None if the stream is there. Each stream is described once."""
        if arn not in self._told:
            stream = kinesis_stream(arn)
            self._told[arn] = self._why(stream) if stream else f"it came from {arn}, which is not a Kinesis stream"
        return self._told[arn]

    def _why(self, stream: KinesisStream) -> str | None:
        region = self._kinesis.meta.region_name
        if stream.region != region:
            return f"it came from {stream.arn}, and this is {region}: pass --region {stream.region}"
        try:
            here = self._kinesis.describe_stream_summary(StreamName=stream.name)
        except ClientError as error:
            # Without permission to describe the stream, AWS itself checks the account of the ARN at the put.
            denied = error.response["Error"].get("Code") == "AccessDeniedException"
            return None if denied else f"it came from {stream.arn}, which cannot be described: {error}"
        arn = here["StreamDescriptionSummary"]["StreamARN"]
        return None if arn == stream.arn else f"it came from {stream.arn}, and {stream.name} is {arn} here"
