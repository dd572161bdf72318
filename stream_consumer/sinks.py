"""
Where results go: predictions to a Kinesis stream, dead letters to S3.

The rule: what was *not* written comes back, by position, and an error of the service is never an exception. Only what
was rejected is sent again, with full jitter, until the caller's deadline; nothing is started after it.

Requests go out in waves of a few in flight. A wave is settled before the next begins, so that when a failure strikes,
nothing is published beyond the wave it struck. Entries of one partition key are never in two requests of a wave: their
order holds across requests. Within one request Kinesis promises none when it rejects some of the entries.
"""

import bisect
import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004
from botocore.parsers import ResponseParserError

from stream_consumer.contract import DeadLetter, encode_dead_letters
from stream_consumer.errors import is_transient

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_s3 import S3Client

# Source: Amazon Kinesis Data Streams API reference, "PutRecords", and the stream's default MaxRecordSizeInKiB.
MAX_ENTRIES = 500
MAX_REQUEST_BYTES = 5 * 2**20
MAX_ENTRY_BYTES = 2**20

# Full jitter. Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
_BACKOFF_BASE_SECONDS = 0.05
_BACKOFF_CAP_SECONDS = 2.0

# Errors whose message quotes what was refused; reasons are logged, and no log carries a payload.
_QUOTING = frozenset({"SerializationException", "ValidationException"})


class Entry(NamedTuple):
    """One record to put on a stream."""

    partition_key: str
    data: bytes


class Unwritten(NamedTuple):
    """One thing that was not written: its position among what was handed over, and the service's last word on it."""

    position: int
    reason: str


NOT_SENT = "not sent after a failure"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: empty ``unwritten`` means all of it was acknowledged."""

    unwritten: list[Unwritten] = field(default_factory=list)
    """Ascending by position. What is not listed was acknowledged."""
    resent: int = 0
    """How often an entry was sent again."""


Request = Sequence[int]
"""Positions, ascending."""
Wave = list[Request]


class Sink(Protocol):
    """Takes things in order and says which of them it could not write."""

    def write(self, items: Sequence[Any], deadline: float) -> Written: ...


def _unfinished(futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
    # An infinite deadline is no timeout that a lock can take.
    return wait(futures, timeout=min(seconds, threading.TIMEOUT_MAX)).not_done


@dataclass(frozen=True, slots=True)
class Patience:
    """The clock, the wait, the dice and the workers of a sink; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    """Makes so many workers."""
    unfinished: Callable[[Collection[Future[Any]], float], Collection[Future[Any]]] = _unfinished
    """Waits for calls, at most so many seconds; those that did not end in time."""

    def wait(self, attempt: int, deadline: float) -> bool:
        """Sleep before attempt number *attempt* + 1; False, without sleeping, if the deadline would come first."""
        delay = self.uniform(0, min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2.0 ** min(attempt, 16)))
        if self.clock() + delay >= deadline:
            return False
        self.sleep(delay)
        return True


def client_config(in_flight: int, **options: Any) -> Config:
    """
    Return the botocore configuration that the sinks rely on.

    One try a call, since the sinks resend themselves, and timeouts that leave time for a second try: botocore's own
    60 s are longer than most invocations.
    """
    return Config(
        connect_timeout=1,
        read_timeout=4,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=in_flight,
        tcp_keepalive=True,
        **options,
    )


class _Failure(NamedTuple):
    reason: str
    transient: bool


_OUT_OF_TIME = "the deadline came before an answer"


class _Calls:
    """Service calls in worker threads, so that a hanging one cannot outlive the deadline."""

    def __init__(self, in_flight: int, patience: Patience) -> None:
        self.in_flight = in_flight
        self._patience = patience
        self._pool: Executor | None = None

    def run(self, calls: Sequence[Callable[[], Any]], deadline: float) -> list[Any]:
        """Return for each call its result or the :class:`_Failure` it met, in order; start none after *deadline*."""
        if self._patience.clock() >= deadline:
            return [_Failure(_OUT_OF_TIME, transient=False)] * len(calls)
        # Made on first use: a SnapStart snapshot must not hold threads.
        self._pool = self._pool or self._patience.executor(self.in_flight)
        futures = [self._pool.submit(_attempt, call) for call in calls]
        late = self._patience.unfinished(futures, max(0.0, deadline - self._patience.clock()))
        if late:
            # The abandoned calls end by their own timeouts; the next write must not queue behind them.
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        return [_Failure(_OUT_OF_TIME, transient=False) if call in late else call.result() for call in futures]


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"].get("Code", "Unknown")
        return _Failure(code if code in _QUOTING else str(error), is_transient(error))
    except (ConnectionError, HTTPClientError, ResponseParserError) as error:
        return _Failure(f"{type(error).__name__}: {error}", transient=True)
    except BotoCoreError as error:  # no credentials, no region: for an operator
        return _Failure(f"{type(error).__name__}: {error}", transient=False)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not cost us our place; it may quote a payload)
        return _Failure(type(error).__name__, transient=False)


class PredictionStream:
    """The output stream."""

    def __init__(
        self, client: "KinesisClient", name: str, *, in_flight: int = 4, patience: Patience | None = None
    ) -> None:
        """*name* is the stream's name or, for a stream of another account, its ARN."""
        self._client = client
        self._stream: dict[str, Any] = {"StreamARN" if name.startswith("arn:") else "StreamName": name}
        self._patience = patience or Patience()
        self._calls = _Calls(in_flight, self._patience)

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Put *items* on the stream, resending only what Kinesis rejected, until *deadline* (of the clock).

        Source: Amazon Kinesis Data Streams API reference, "PutRecords".
        """
        sizes = [len(data) + len(key.encode()) for key, data in items]
        fitting = next((at for at, size in enumerate(sizes) if size > MAX_ENTRY_BYTES), len(items))
        resent = 0
        for wave in _waves(items, sizes[:fitting], self._calls.in_flight):
            rejected, again = self._settle(items, wave, deadline)
            resent += again
            if rejected:
                untried = range(wave[-1][-1] + 1, len(items))
                return Written([*rejected, *(Unwritten(at, NOT_SENT) for at in untried)], resent)
        too_large = f"larger than {MAX_ENTRY_BYTES} bytes with its key"
        return Written([Unwritten(at, too_large) for at in range(fitting, len(items))], resent)

    def _settle(self, items: Sequence[Entry], wave: Wave, deadline: float) -> tuple[list[Unwritten], int]:
        """Send a wave until all of it is acknowledged or nothing more helps; what is left, and the entries resent."""
        attempt = resent = 0
        while True:
            rejected, hopeless = self._send(items, wave, deadline)
            unwritten = sorted(entry for request in rejected for entry in request)
            if not unwritten or hopeless or not self._patience.wait(attempt, deadline):
                return unwritten, resent
            attempt += 1
            resent += len(unwritten)
            # Each request keeps its own entries: merging two could put one partition key in two requests.
            wave = [[entry.position for entry in request] for request in rejected if request]

    def _send(self, items: Sequence[Entry], wave: Wave, deadline: float) -> tuple[list[list[Unwritten]], bool]:
        """Send the requests of a wave once; for each what was rejected, and whether trying again is hopeless."""
        answers = self._calls.run([self._call(items, request) for request in wave], deadline)
        rejected = [
            [Unwritten(position, answer.reason) for position in request]
            if isinstance(answer, _Failure)
            else [Unwritten(position, code) for position, code in zip(request, answer, strict=True) if code]
            for request, answer in zip(wave, answers, strict=True)
        ]
        return rejected, any(isinstance(answer, _Failure) and not answer.transient for answer in answers)

    def _call(self, items: Sequence[Entry], request: Request) -> Callable[[], list[str | None]]:
        def put() -> list[str | None]:
            records: Any = [{"Data": items[at].data, "PartitionKey": items[at].partition_key} for at in request]
            response = self._client.put_records(Records=records, **self._stream)
            codes = [record.get("ErrorCode") for record in response.get("Records", ())]
            if len(codes) != len(request):
                raise ResponseParserError(f"PutRecords answered for {len(codes)} of {len(request)} entries")
            return codes

        return put


def _waves(items: Sequence[Entry], sizes: Sequence[int], in_flight: int) -> Iterator[Wave]:
    """Yield the positions of *sizes*, which are those of the items' bytes, as waves of requests, in order."""
    first, wave, keys_before = 0, list[Request](), set[str]()
    while first < len(sizes):
        end = first + _fitting(sizes[first : first + MAX_ENTRIES])
        keys = [entry.partition_key for entry in items[first:end]]
        repeated = not keys_before.isdisjoint(keys)
        if repeated:
            end = first + next(at for at, key in enumerate(keys) if key in keys_before)
        if first < end:
            wave.append(range(first, end))
            keys_before.update(keys)
        if repeated or len(wave) == in_flight:
            yield wave
            wave, keys_before = [], set()
        first = end
    if wave:
        yield wave


def _fitting(sizes: Sequence[int]) -> int:
    """How many of the first entries fit into one request."""
    return bisect.bisect_right(list(itertools.accumulate(sizes)), MAX_REQUEST_BYTES)


class DeadLetters:
    """Invalid records as JSON lines in S3, one object a batch."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str, *, patience: Patience | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._patience = patience or Patience()
        self._calls = _Calls(1, self._patience)

    def write(self, items: Sequence[DeadLetter], deadline: float) -> Written:
        """Write all *items* as one object or none of them; a redelivered batch overwrites its own object."""
        if not items:
            return Written()
        body = encode_dead_letters(items)
        key = dead_letter_key(self._prefix, items[0], body)
        attempt = 0
        while True:
            [answer] = self._calls.run([lambda: self._put(key, body)], deadline)
            if not isinstance(answer, _Failure):
                return Written(resent=attempt * len(items))
            if not answer.transient or not self._patience.wait(attempt, deadline):
                unwritten = [Unwritten(position, answer.reason) for position in range(len(items))]
                return Written(unwritten, attempt * len(items))
            attempt += 1

    def _put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")


def dead_letter_key(prefix: str, first: DeadLetter, body: bytes) -> str:
    """
    Return the key of the object that holds *body*, the letters of a batch, of which *first* is the first.

    The same letters have the same key on every delivery, and other letters another: when two deliveries of different
    size overlap, the smaller one, ending last, must not overwrite letters that the larger one has settled.
    """
    digest = hashlib.sha256(body).hexdigest()
    if first.sequence_number is None:  # a direct invocation has no place in a stream
        return f"{prefix}/direct/{digest}.jsonl"
    return f"{prefix}/{first.stream or 'direct'}/{first.shard or 'direct'}/{first.sequence_number}-{digest[:16]}.jsonl"
