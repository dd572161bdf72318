"""
Fakes of time, Kinesis and S3 that keep state and can be told to fail.

The rule: a fake behaves as the service does, and raises what botocore raises. Assert on what is on the stream
(:attr:`FakeKinesis.streams`) and in the bucket (:attr:`FakeS3.objects`); the logs (``requests``) are for the exact
requests made.

How to use them::

    time = FakeTime()
    kinesis = FakeKinesis(time, [rejecting(0, 3), None, RESET_AFTER])   # fault of the 1st, 2nd, 3rd call; then none
    s3 = FakeS3(time)
    stream = PredictionStream(kinesis.client, "ride_predictions", retry=time.retry())
    written = stream.write([Entry("256", b"{}")], deadline=time.clock() + 10)
    assert kinesis.streams["ride_predictions"] == [Entry("256", b"{}")]

With :meth:`FakeTime.retry` the sinks' calls run one after the other in the caller's thread, in the order in which
the sink submits them, and their durations overlap as if they had been in flight together. So a schedule of faults is
reproducible, which ``hypothesis`` needs to shrink it, and nothing ever sleeps. With the sinks' own ``RetryPolicy()``
the calls come from threads: the fakes lock, but which call meets which fault is then a race, and durations are ignored.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters
from stream_consumer.sinks import Entry

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_s3 import S3Client

ENDPOINT = "https://service.invalid/"


class FakeTime:
    """Time that passes only where somebody waits: in :meth:`sleep`, and for the longest of the calls in flight."""

    def __init__(self, now: float = 1_000.0, dice: Callable[[float, float], float] = max) -> None:
        """*dice* picks from an interval; ``max`` makes every backoff as long as it can be."""
        self.now = now
        self.slept: list[float] = []
        """Every backoff, in order."""
        self._dice = dice
        self._took = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def spend(self, seconds: float) -> None:
        """Make the service call that is being answered take so long; called by the fake services."""
        self._took += seconds

    def retry(self) -> RetryPolicy:
        return RetryPolicy(self.clock, self.sleep, self._dice, lambda _workers: _InTurn(self._run), self._unfinished)

    def _run(self, call: Callable[[], Any]) -> "_TimedFuture":
        self._took = 0.0
        future = _TimedFuture()
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 (as an executor does)
            future.set_exception(error)
        future.took = self._took
        return future

    def _unfinished(self, futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
        timed = cast("Collection[_TimedFuture]", futures)
        late: set[Future[Any]] = {future for future in timed if future.took > seconds}
        self.now += seconds if late else max(future.took for future in timed)
        return late


class _TimedFuture(Future[Any]):
    took: float


class _InTurn(Executor):
    def __init__(self, run: Callable[[Callable[[], Any]], Future[Any]]) -> None:
        self._run = run

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._run(lambda: fn(*args, **kwargs))


class Effect(Enum):
    """What a call that fails has nevertheless done."""

    NOTHING = "nothing"
    DONE = "done"
    """It was carried out, and only its answer was lost."""
    LATER = "later"
    """It is still on its way; :meth:`land` of the service carries it out."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call."""

    name: str
    error: Callable[[str], Exception] | None = field(default=None, repr=False)
    """Makes what is raised, from the operation's name; without one the call is answered."""
    effect: Effect = field(default=Effect.NOTHING, repr=False)
    rejected: frozenset[int] = field(default=frozenset(), repr=False)
    """Positions of entries rejected within the request; those beyond its end are ignored. PutRecords only."""
    code: str = field(default="ProvisionedThroughputExceededException", repr=False)
    """``ErrorCode`` of the rejected entries."""
    unanswered: int = field(default=0, repr=False)
    """How many entries at the end the answer does not mention, though they were written. PutRecords only."""
    answer: Callable[[int], Mapping[str, Any]] | None = field(default=None, repr=False)
    """Makes an answer to so many entries, of which none is written. PutRecords only."""
    took: float = field(default=0.0, repr=False)
    """Seconds the call takes, whatever comes of it."""


def rejecting(*positions: int, code: str = "ProvisionedThroughputExceededException") -> Fault:
    """Reject the entries at *positions* of the request and take the others."""
    return Fault(f"rejecting{positions}", rejected=frozenset(positions), code=code)


def slow(seconds: float) -> Fault:
    """Do as asked, in so many seconds; later than the deadline, the caller has given up on it."""
    return Fault(f"slow({seconds})", took=seconds)


def truncated(entries: int = 1) -> Fault:
    """Do as asked, but leave the last *entries* out of the answer."""
    return Fault(f"truncated({entries})", unanswered=entries)


def answering(answer: Mapping[str, Any]) -> Fault:
    """Write nothing and give *answer* all the same."""
    return Fault("answering", answer=lambda _entries: answer)


def client_error(code: str, status: int, message: str = "scripted") -> Callable[[str], ClientError]:
    """Return what makes botocore's exception for the service's answer *code*."""

    def make(operation: str) -> ClientError:
        answer: Any = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "fake", "RetryAttempts": 0},
        }
        return ClientError(answer, operation)

    return make


def _raising(kind: Callable[..., Exception], **arguments: Any) -> Callable[[str], Exception]:
    return lambda _operation: kind(**arguments)


# As sinks.client_config sets them.
_CONNECT_TIMEOUT, _READ_TIMEOUT = 1.0, 4.0
# Longer than any invocation: an answer that trickles in never trips the read timeout.
_FOR_EVER = 3_600.0

REJECTING_ALL = Fault("REJECTING_ALL", rejected=frozenset(range(500)))
INTERNAL_REJECTION = Fault("INTERNAL_REJECTION", rejected=frozenset(range(500)), code="InternalFailure")
THROTTLED = Fault("THROTTLED", client_error("ProvisionedThroughputExceededException", 400))
RATE_LIMITED = Fault("RATE_LIMITED", client_error("ThrottlingException", 400))
SLOW_DOWN = Fault("SLOW_DOWN", client_error("SlowDown", 503))
INTERNAL_FAILURE = Fault("INTERNAL_FAILURE", client_error("InternalFailure", 500))
INTERNAL_FAILURE_AFTER = Fault("INTERNAL_FAILURE_AFTER", client_error("InternalFailure", 500), Effect.DONE)
UNAVAILABLE = Fault("UNAVAILABLE", client_error("503", 503))
UNREACHABLE = Fault("UNREACHABLE", _raising(EndpointConnectionError, endpoint_url=ENDPOINT))
CONNECT_TIMEOUT = Fault("CONNECT_TIMEOUT", _raising(ConnectTimeoutError, endpoint_url=ENDPOINT), took=_CONNECT_TIMEOUT)
RESET_BEFORE = Fault("RESET_BEFORE", _raising(ConnectionClosedError, endpoint_url=ENDPOINT))
RESET_AFTER = Fault("RESET_AFTER", _raising(ConnectionClosedError, endpoint_url=ENDPOINT), Effect.DONE)
READ_TIMEOUT_BEFORE = Fault(
    "READ_TIMEOUT_BEFORE", _raising(ReadTimeoutError, endpoint_url=ENDPOINT), took=_READ_TIMEOUT
)
READ_TIMEOUT_AFTER = Fault(
    "READ_TIMEOUT_AFTER", _raising(ReadTimeoutError, endpoint_url=ENDPOINT), Effect.DONE, took=_READ_TIMEOUT
)
GARBLED = Fault("GARBLED", lambda _operation: ResponseParserError("not the service's answer"), Effect.DONE)
TRUNCATED = truncated()
UNACCOUNTED = Fault("UNACCOUNTED", answer=lambda entries: {"FailedRecordCount": 0, "Records": [{}] * entries})
HANG = Fault("HANG", _raising(ReadTimeoutError, endpoint_url=ENDPOINT), took=_FOR_EVER)
HANG_AFTER = Fault("HANG_AFTER", _raising(ReadTimeoutError, endpoint_url=ENDPOINT), Effect.DONE, took=_FOR_EVER)
HANG_THEN_LATER = Fault(
    "HANG_THEN_LATER", _raising(ReadTimeoutError, endpoint_url=ENDPOINT), Effect.LATER, took=_FOR_EVER
)
DENIED = Fault("DENIED", client_error("AccessDeniedException", 400))
NOT_FOUND = Fault("NOT_FOUND", client_error("ResourceNotFoundException", 400))
NO_BUCKET = Fault("NO_BUCKET", client_error("NoSuchBucket", 404))
NO_CREDENTIALS = Fault("NO_CREDENTIALS", _raising(NoCredentialsError))

ENTRY_FAULTS = (rejecting(0), rejecting(1, 4), REJECTING_ALL, INTERNAL_REJECTION, TRUNCATED, UNACCOUNTED)
"""Faults that only PutRecords knows; another try helps."""
TRANSIENT_FAULTS = (
    THROTTLED,
    RATE_LIMITED,
    SLOW_DOWN,
    INTERNAL_FAILURE,
    INTERNAL_FAILURE_AFTER,
    UNAVAILABLE,
    UNREACHABLE,
    CONNECT_TIMEOUT,
    RESET_BEFORE,
    RESET_AFTER,
    READ_TIMEOUT_BEFORE,
    READ_TIMEOUT_AFTER,
    GARBLED,
)
"""Faults of either service after which another try helps, if time is left for one."""
HANGS = (HANG, HANG_AFTER, HANG_THEN_LATER)
"""Faults that use up all the time there is."""
HOPELESS_FAULTS = (DENIED, NOT_FOUND, NO_BUCKET, NO_CREDENTIALS)
"""Faults of either service for which an operator is needed."""


class _Service:
    """What the fake services share: a script of faults, and writes that are still on their way."""

    def __init__(self, time: FakeTime | None = None, faults: Iterable[Fault | None] = ()) -> None:
        """*faults* are met by one call each, in order (``itertools.repeat`` for ever); after them all is well."""
        self.faults_met: list[Fault] = []
        self._time = time or FakeTime()
        self._faults: Iterator[Fault | None] = iter(faults)
        self._late: list[Callable[[], object]] = []
        self._lock = threading.RLock()

    def script(self, *faults: Fault | None) -> None:
        """Let the next calls meet *faults*, ahead of those not met yet."""
        self._faults = itertools.chain(faults, self._faults)

    def land(self) -> None:
        """Carry out the writes that are still on their way, in the order in which they were sent."""
        with self._lock:
            late, self._late = self._late, []
            for write in late:
                write()

    def _next_fault(self) -> Fault:
        fault = next(self._faults, None)
        if fault is None:
            return _NO_FAULT
        self.faults_met.append(fault)
        self._time.spend(fault.took)
        return fault

    def _fail(self, fault: Fault, operation: str, write: Callable[[], object]) -> None:
        if fault.error is None:
            return
        if fault.effect is Effect.DONE:
            write()
        elif fault.effect is Effect.LATER:
            self._late.append(write)
        raise fault.error(operation)


_NO_FAULT = Fault("none")


@dataclass(frozen=True, slots=True)
class PutRecords:
    """One request as Kinesis received it."""

    stream: str
    entries: tuple[Entry, ...]
    at: float
    fault: Fault | None

    @property
    def keys(self) -> list[str]:
        return [entry.partition_key for entry in self.entries]


class FakeKinesis(_Service):
    """Kinesis as far as the core calls it; a stream is the list of its records in the order they were accepted."""

    def __init__(
        self,
        time: FakeTime | None = None,
        faults: Iterable[Fault | None] = (),
        streams: Sequence[str] = ("ride_predictions",),
        forbidden: Sequence[bytes] = (),
    ) -> None:
        """A request is refused as invalid if any of its entries holds *forbidden* bytes."""
        super().__init__(time, faults)
        self.forbidden = forbidden
        self.streams: dict[str, list[Entry]] = {name: [] for name in streams}
        self.requests: list[PutRecords] = []

    @property
    def client(self) -> "KinesisClient":
        return cast("KinesisClient", self)

    @property
    def records(self) -> list[Entry]:
        """What is on the only stream."""
        [records] = self.streams.values()
        return records

    def create_stream(self, *, StreamName: str) -> None:  # noqa: N803 (AWS's name)
        self.streams[StreamName] = []

    def delete_stream(self, *, StreamName: str) -> None:  # noqa: N803 (AWS's name)
        del self.streams[StreamName]

    def put_records(
        self,
        *,
        Records: Sequence[Mapping[str, Any]],  # noqa: N803 (AWS's name)
        StreamName: str | None = None,  # noqa: N803 (AWS's name)
        StreamARN: str | None = None,  # noqa: N803 (AWS's name)
    ) -> dict[str, Any]:
        stream = StreamName or (StreamARN or "").rpartition("/")[2]
        entries = tuple(Entry(record["PartitionKey"], record["Data"]) for record in Records)
        with self._lock:
            fault = self._next_fault()
            self.requests.append(PutRecords(stream, entries, self._time.clock(), None if fault is _NO_FAULT else fault))
            self._fail(fault, "PutRecords", lambda: self._take(stream, entries))
            self._validate(entries)
            if stream not in self.streams:
                raise client_error("ResourceNotFoundException", 400, f"Stream {stream} not found.")("PutRecords")
            return self._answer(stream, entries, fault)

    def _take(self, stream: str, entries: Sequence[Entry]) -> None:
        with contextlib.suppress(ClientError):  # what is invalid is never carried out
            self._validate(entries)
            self.streams.get(stream, []).extend(entries)

    def _validate(self, entries: Sequence[Entry]) -> None:
        _validate(entries)
        for at, entry in enumerate(entries, 1):
            if any(data in entry.data for data in self.forbidden):
                raise client_error("ValidationException", 400, f"Value at 'records.{at}.member.data'")("PutRecords")

    def _answer(self, stream: str, entries: Sequence[Entry], fault: Fault) -> dict[str, Any]:
        if fault.answer is not None:
            return dict(fault.answer(len(entries)))
        answers = []
        for position, entry in enumerate(entries):
            if position in fault.rejected:
                answers.append({"ErrorCode": fault.code, "ErrorMessage": "scripted"})
                continue
            self.streams[stream].append(entry)
            number = f"{len(self.streams[stream]):056d}"
            answers.append({"SequenceNumber": number, "ShardId": "shardId-000000000000"})
        return {
            "FailedRecordCount": sum("ErrorCode" in answer for answer in answers),
            "Records": answers[: len(answers) - fault.unanswered],
            "ResponseMetadata": {"HTTPStatusCode": 200},
        }


def _validate(entries: Sequence[Entry]) -> None:
    """Refuse what Kinesis refuses: one bad entry fails the whole request."""
    size = sum(len(entry.data) + len(entry.partition_key.encode()) for entry in entries)
    if not 1 <= len(entries) <= 500 or size > 5 * 2**20:
        raise client_error("InvalidArgumentException", 400, f"{len(entries)} records of {size} bytes")("PutRecords")
    for entry in entries:
        if not 1 <= len(entry.partition_key) <= 256 or len(entry.data) + len(entry.partition_key.encode()) > 2**20:
            raise client_error("ValidationException", 400, f"'{entry.partition_key}' failed to satisfy")("PutRecords")
    for at, entry in enumerate(entries, 1):
        if len(entry.partition_key.encode("utf-16-le")) > 2 * 256:  # as some services count
            said = f"Value at 'records.{at}.member.partitionKey' failed to satisfy constraint"
            raise client_error("ValidationException", 400, said)("PutRecords")


@dataclass(frozen=True, slots=True)
class PutObject:
    """One request as S3 received it."""

    bucket: str
    key: str
    body: bytes
    content_type: str
    at: float
    fault: Fault | None


class FakeS3(_Service):
    """S3 as far as the core calls it."""

    def __init__(
        self,
        time: FakeTime | None = None,
        faults: Iterable[Fault | None] = (),
        buckets: Collection[str] = ("dead-letters-bucket",),
    ) -> None:
        super().__init__(time, faults)
        self.buckets = set(buckets)
        self.objects: dict[str, bytes] = {}
        """What is stored, by key; all buckets share it."""
        self.requests: list[PutObject] = []

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    @property
    def letters(self) -> list[DeadLetter]:
        """The dead letters of all objects, in the order in which the objects first appeared."""
        return [letter for body in self.objects.values() for letter in decode_dead_letters(body)]

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        with self._lock:
            fault = self._next_fault()
            logged = None if fault is _NO_FAULT else fault
            self.requests.append(PutObject(Bucket, Key, Body, ContentType, self._time.clock(), logged))
            self._fail(fault, "PutObject", lambda: self.objects.update({Key: Body}))
            if Bucket not in self.buckets:
                raise client_error("NoSuchBucket", 404, "The specified bucket does not exist")("PutObject")
            self.objects[Key] = Body
            return {"ETag": '"fake"', "ResponseMetadata": {"HTTPStatusCode": 200}}
