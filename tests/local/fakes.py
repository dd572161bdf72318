"""A scriptable Kinesis, a clock that needs no time, and the rest of a mapping's surroundings."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from stream_consumer.local.mapping.delivery_rules import Discarded
from stream_consumer.local.mapping.lambda_records import StreamRecord
from stream_consumer.local.mapping.on_failure import DestinationUnavailable, Origin
from stream_consumer.local.runtime.functions import FunctionError, Invocation

STREAM_ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides"
FIRST_NUMBER = 49_630_081_666_084_879_290_581_185_630_324_770_398_608_704_880_802_529_282
START = 1_700_000_000.0


def stream_records(numbers: Iterable[int], *, key: str = "key", arrived: float = START) -> tuple[StreamRecord, ...]:
    return tuple(StreamRecord(str(number), key, arrived, b"{}") for number in numbers)


def client_error(code: str, status: int = 400, operation: str = "GetRecords") -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": f"told to fail with {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


class ExpiredIteratorException(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ExpiredIteratorException", "Message": "expired"}}, "GetRecords")


class FakeClock:
    """Waiting moves it on at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = START

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds

    def wait(self, event: threading.Event, seconds: float | None) -> None:
        if seconds is None:
            assert event.wait(10), "nothing happened that was waited for without a limit"
            return
        # Gives the threads that work a moment of real time; what they do does not depend on how long it is.
        if not event.wait(0.0005):
            self.advance(seconds)


class Inline:
    """An executor that does the job at once."""

    closed = False

    def submit(self, job: Callable[[], None]) -> None:
        job()

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class FakeShard:
    shard_id: str
    parents: tuple[str, ...] = ()
    records: list[dict[str, Any]] = field(default_factory=list)
    trimmed: int = 0
    closed: bool = False


class FakeKinesis:
    """
    As much of a Kinesis client as a mapping calls.

    ``faults[operation]`` are raised first, one a call; the first ``empty_pages`` reads give nothing, as Kinesis may.
    """

    class exceptions:  # noqa: N801 - botocore's name
        ExpiredIteratorException = ExpiredIteratorException

    def __init__(self, shards: int = 1, *, clock: FakeClock | None = None, page: int = 10_000) -> None:
        self.clock = clock or FakeClock()
        self.shards = {shard_id: FakeShard(shard_id) for shard_id in map(shard_name, range(shards))}
        self.faults: dict[str, list[Exception]] = defaultdict(list)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.page = page
        self.shards_a_page = 1000
        self.empty_pages = 0
        self._iterators: dict[str, tuple[str, int]] = {}
        self._made = 0
        self._numbers = FIRST_NUMBER
        self._lock = threading.RLock()

    def put(self, *keys: str, shard: int = 0, data: bytes = b"ride", age: float = 0.0) -> list[str]:
        """Put a record for each key; returns their sequence numbers."""
        with self._lock:
            target = self.shards[shard_name(shard)]
            assert not target.closed
            for key in keys:
                self._numbers += 17
                target.records.append(
                    {
                        "SequenceNumber": str(self._numbers),
                        "PartitionKey": key,
                        "Data": data,
                        "ApproximateArrivalTimestamp": datetime.fromtimestamp(self.clock.now() - age, UTC),
                    }
                )
            return [record["SequenceNumber"] for record in target.records[-len(keys) :]]

    def split(self, shard: int) -> tuple[int, int]:
        return self._child(shard), self._child(shard)

    def merge(self, one: int, other: int) -> int:
        return self._child(one, other)

    def expire_iterators(self) -> None:
        self._iterators.clear()

    def describe_stream_summary(self, **request: Any) -> dict[str, Any]:
        self._called("describe_stream_summary", request)
        return {"StreamDescriptionSummary": {"StreamARN": STREAM_ARN}}

    def list_shards(self, **request: Any) -> dict[str, Any]:
        self._called("list_shards", request)
        assert not {"StreamName", "NextToken"} <= request.keys(), "Kinesis refuses both together"
        begin = int(request.get("NextToken", 0))
        end = begin + self.shards_a_page
        with self._lock:
            listed = [_listed(shard) for shard in self.shards.values()]
        return {"Shards": listed[begin:end]} | ({"NextToken": str(end)} if end < len(listed) else {})

    def get_shard_iterator(self, **request: Any) -> dict[str, Any]:
        self._called("get_shard_iterator", request)
        shard = self.shards[request["ShardId"]]
        return {"ShardIterator": self._iterator(shard.shard_id, _position(shard, request))}

    def get_records(self, **request: Any) -> dict[str, Any]:
        self._called("get_records", request)
        if request["ShardIterator"] not in self._iterators:
            raise ExpiredIteratorException
        shard_id, begin = self._iterators[request["ShardIterator"]]
        with self._lock:
            shard = self.shards[shard_id]
            page, self.empty_pages = (0, self.empty_pages - 1) if self.empty_pages else (self.page, 0)
            records = shard.records[begin : begin + min(page, request["Limit"])]
            end = begin + len(records)
            behind = 0 if end == len(shard.records) else 1000
            over = shard.closed and not behind
            following = {} if over else {"NextShardIterator": self._iterator(shard_id, end)}
        return {"Records": records, "MillisBehindLatest": behind} | following

    def _child(self, *parents: int) -> int:
        with self._lock:
            for parent in parents:
                self.shards[shard_name(parent)].closed = True
            number = len(self.shards)
            self.shards[shard_name(number)] = FakeShard(shard_name(number), tuple(map(shard_name, parents)))
            return number

    def _iterator(self, shard_id: str, position: int) -> str:
        self._made += 1
        self._iterators[str(self._made)] = shard_id, position
        return str(self._made)

    def _called(self, operation: str, request: dict[str, Any]) -> None:
        self.calls.append((operation, request))
        if self.faults[operation]:
            raise self.faults[operation].pop(0)


def shard_name(number: int) -> str:
    return f"shardId-{number:012d}"


def _listed(shard: FakeShard) -> dict[str, Any]:
    names = ("ParentShardId", "AdjacentParentShardId")
    numbers = {"StartingSequenceNumber": "1"} | ({"EndingSequenceNumber": "2"} if shard.closed else {})
    descent = dict(zip(names, shard.parents, strict=False))
    return {"ShardId": shard.shard_id, "SequenceNumberRange": numbers} | descent


def _position(shard: FakeShard, request: dict[str, Any]) -> int:
    match request["ShardIteratorType"]:
        case "TRIM_HORIZON":
            return 0
        case "LATEST":
            return len(shard.records)
        case "AT_TIMESTAMP":
            older = [r for r in shard.records if r["ApproximateArrivalTimestamp"] < request["Timestamp"]]
            return len(older)
        case "AT_SEQUENCE_NUMBER":
            at = int(request["StartingSequenceNumber"])
            return sum(int(record["SequenceNumber"]) < at for record in shard.records)
        case "AFTER_SEQUENCE_NUMBER":
            after = int(request["StartingSequenceNumber"])
            return sum(int(record["SequenceNumber"]) <= after for record in shard.records)
        case other:
            raise AssertionError(other)


Behaviour = Callable[[list[str]], Invocation]
"""What a function does with the sequence numbers of a batch."""


def succeed(_: Sequence[str]) -> Invocation:
    return Invocation("request", payload=b'{"batchItemFailures":[]}')


def respond(response: object) -> Invocation:
    return Invocation("request", payload=json.dumps(response).encode())


def fail() -> Invocation:
    return Invocation("request", error=FunctionError("ValueError", "told to fail"))


def throttle() -> Invocation:
    return Invocation("", throttled=True)


def report(*numbers: object) -> Invocation:
    return respond({"batchItemFailures": [{"itemIdentifier": number} for number in numbers]})


class ScriptedFunction:
    """Does *outcomes* in order and then *ever_after*; ``batches`` are the sequence numbers it was given."""

    arn = "arn:aws:lambda:eu-west-1:123456789012:function:score"

    def __init__(self, *outcomes: Invocation | BaseException, ever_after: Behaviour = succeed) -> None:
        self._outcomes = list(outcomes)
        self._ever_after = ever_after
        self._lock = threading.Lock()
        self.events: list[dict[str, Any]] = []
        self.batches: list[list[str]] = []

    def invoke(self, payload: bytes) -> Invocation:
        event = json.loads(payload)
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        with self._lock:
            self.events.append(event)
            self.batches.append(numbers)
            outcome = self._outcomes.pop(0) if self._outcomes else self._ever_after(numbers)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class FakeDestination:
    """Takes documents after refusing *refusals* of them."""

    def __init__(self, refusals: int = 0) -> None:
        self._refusals = refusals
        self.taken: list[tuple[list[str], str]] = []

    def deliver(self, discarded: Discarded, origin: Origin) -> None:
        assert origin.stream_arn == STREAM_ARN
        if self._refusals:
            self._refusals -= 1
            raise DestinationUnavailable("told to refuse")
        numbers = [record.sequence_number for record in discarded.batch.records]
        self.taken.append((numbers, discarded.condition.value))
