"""
Put entries on a Kinesis stream.

Requests go out in waves of a few in flight. Only rejected entries are sent again, with full jitter, and no call starts
after the caller's deadline. A request refused as invalid is halved until the faulty entries stand alone.

Example: three entries in a single request, of which Kinesis throttles the second::

    PutRecords [0, 1, 2]   → None, "ProvisionedThroughputExceededException", None
    PutRecords [1]         → None
    result                   Written(unwritten=[], resent=1)

With a deadline before the second call, the result is ``Written([Unwritten(1,
"ProvisionedThroughputExceededException")], 0)``.

Invariant: each position is either acknowledged by Kinesis or in ``unwritten``, exactly once, in ascending order. A wave
is settled before the next begins, so nothing is published beyond a failed wave. The entries of a partition key are
never in two requests of a wave, so their order holds across requests. Within a request with rejected entries, Kinesis
promises no order.
"""

import bisect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
from stream_consumer.aws.bounded_calls import Calls, Failure
from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.sinks import NOT_SENT, Entry, Unwritten, Written

# Source: Amazon Kinesis Data Streams API reference, "PutRecords", and the default MaxRecordSizeInKiB of a stream.
MAX_ENTRIES = 500
MAX_REQUEST_BYTES = 5 * 2**20
MAX_ENTRY_BYTES = 2**20
_UNACCOUNTED = ""
Request = Sequence[int]
"""Positions of the entries of a PutRecords request, ascending."""


Wave = list[Request]


class _Invalid(NamedTuple):
    """A request that was refused as invalid."""

    request: Request
    failure: Failure


def _stopped(unwritten: Sequence[Unwritten], untried: range, resent: int) -> Written:
    return Written([*unwritten, *(Unwritten(at, NOT_SENT) for at in untried)], resent)


class PredictionStream:
    """The output stream."""

    def __init__(
        self,
        client: "KinesisClient",
        name: str,
        *,
        in_flight: int = 4,
        retry: RetryPolicy | None = None,
        stop_at_refused: bool = False,
    ) -> None:
        """
        Write to the stream *name*, given by name or, in another account, by ARN.

        With *stop_at_refused*, a refused entry stops the rest of its request. The caller may then retry parts of the
        entry first.
        """
        self._client = client
        self._stream: dict[str, Any] = {"StreamARN" if name.startswith("arn:") else "StreamName": name}
        self._retry = retry or RetryPolicy()
        self._calls = Calls(in_flight, self._retry)
        self._stop_at_refused = stop_at_refused
        self._accepted = False
        """Whether the stream has ever accepted an entry."""

    def write(self, items: Sequence[Entry], deadline: float) -> Written:
        """
        Put *items* on the stream until *deadline* (of the clock), resending only the entries that Kinesis rejected.

        A request refused as invalid is halved until the faulty entries stand alone. Nothing is sent behind the wave of
        a faulty entry.

        Source: Amazon Kinesis Data Streams API reference, "PutRecords".
        """
        sizes = [len(entry.data) + len(entry.partition_key.encode()) for entry in items]
        fitting = next((at for at, size in enumerate(sizes) if size > MAX_ENTRY_BYTES), len(items))
        # Half of the time at most: the faulty entries must still become dead letters.
        began = self._retry.clock()
        isolating_until = began + (deadline - began) / 2
        resent = 0
        for wave in _waves(items, sizes[:fitting], self._calls.in_flight):
            unwritten, again = self._put(items, wave, deadline, isolating_until)
            resent += again
            if unwritten:
                return _stopped(unwritten, range(wave[-1][-1] + 1, len(items)), resent)
        if fitting == len(items):
            return Written(resent=resent)
        too_large = Unwritten(fitting, f"larger than {MAX_ENTRY_BYTES} bytes with its key", refused=True)
        return _stopped([too_large], range(fitting + 1, len(items)), resent)

    def _put(
        self, items: Sequence[Entry], wave: Wave, deadline: float, isolating_until: float
    ) -> tuple[list[Unwritten], int]:
        """
        Settle a wave and isolate its faulty entries.

        Return the unwritten entries and the number of resent entries.
        """
        unwritten, invalid, resent = self._settle(items, wave, deadline)
        if unwritten:  # the wave has failed, so the next invocation would send these entries again
            unwritten += [Unwritten(at, why.reason) for request, why in invalid for at in request]
            return sorted(unwritten), resent
        for request, why in invalid:
            found, again = self._isolate(items, request, why, isolating_until)
            unwritten += found
            resent += again
        return unwritten, resent

    def _settle(
        self, items: Sequence[Entry], wave: Wave, deadline: float
    ) -> tuple[list[Unwritten], list[_Invalid], int]:
        """
        Send a wave until every entry is acknowledged or a retry is of no use.

        Returns:
            The unwritten entries, the requests refused as invalid, and the number of resent entries.
        """
        resent = 0
        unwritten: list[Unwritten] = []
        invalid: list[_Invalid] = []
        for _ in self._retry.attempts(deadline):
            resent += len(unwritten)
            rejected, refused, hopeless = self._send(items, wave, deadline)
            invalid += refused
            unwritten = sorted(entry for request in rejected for entry in request)
            if not unwritten or hopeless:
                break
            # Each request keeps its own entries: merging two could put a partition key in two requests.
            wave = [[entry.position for entry in request] for request in rejected if request]
        return unwritten, sorted(invalid, key=lambda one: one.request[0]), resent

    def _isolate(
        self, items: Sequence[Entry], request: Request, failure: Failure, deadline: float
    ) -> tuple[list[Unwritten], int]:
        """
        Send an invalid request in halves, until the faulty entries stand alone.

        An entry refused alone is at fault only if the service blames the entry, or has accepted an entry before. A
        fault of all entries is the deployment's.
        """
        if len(request) == 1:
            at_fault = failure.blames_part or self._accepted
            return [Unwritten(request[0], failure.reason, refused=at_fault)], 0
        unwritten: list[Unwritten] = []
        resent = 0
        half = len(request) // 2
        # The halves go out in sequence, since both may hold entries of the same partition key.
        for part in (request[:half], request[half:]):
            if unwritten and (self._stop_at_refused or not all(entry.refused for entry in unwritten)):
                unwritten += [Unwritten(at, NOT_SENT) for at in part]
            elif self._retry.clock() >= deadline:
                unwritten += [Unwritten(at, failure.reason) for at in part]
            else:
                left, again = self._put(items, [part], deadline, deadline)
                unwritten += left
                resent += len(part) + again
        return unwritten, resent

    def _send(
        self, items: Sequence[Entry], wave: Wave, deadline: float
    ) -> tuple[list[list[Unwritten]], list[_Invalid], bool]:
        """
        Send the requests of a wave once.

        Return the rejected entries, the invalid requests, and whether a retry is hopeless.
        """
        answers = self._calls.run([self._call(items, request) for request in wave], deadline)
        rejected: list[list[Unwritten]] = []
        invalid: list[_Invalid] = []
        hopeless = False
        for request, answer in zip(wave, answers, strict=True):
            if not isinstance(answer, Failure):
                codes = zip(request, answer, strict=True)
                rejected.append([Unwritten(position, code) for position, code in codes if code])
                self._accepted = self._accepted or None in answer
            elif answer.invalid:
                invalid.append(_Invalid(request, answer))
            else:
                rejected.append([Unwritten(position, answer.reason) for position in request])
                hopeless |= not answer.transient
        return rejected, invalid, hopeless

    def _call(self, items: Sequence[Entry], request: Request) -> Callable[[], list[str | None]]:
        def put() -> list[str | None]:
            records: Any = [{"Data": items[at].data, "PartitionKey": items[at].partition_key} for at in request]
            return _error_codes(self._client.put_records(Records=records, **self._stream), len(request))

        return put


def _error_codes(response: Mapping[str, Any], entries: int) -> list[str | None]:
    """
    Return the error code of each entry, None for an acknowledged entry.

    Only a sequence number acknowledges an entry without an error code. An answer that does not account for each entry
    proves nothing about any of them.

    Raises:
        ResponseParserError: The answer does not account for each of *entries* entries.

    Source: Amazon Kinesis Data Streams API reference, "PutRecordsResultEntry", "FailedRecordCount".
    """
    codes = [
        result.get("ErrorCode") or (None if result.get("SequenceNumber") else _UNACCOUNTED)
        for result in response.get("Records") or ()
    ]
    unaccounted, failed = codes.count(_UNACCOUNTED), response.get("FailedRecordCount")
    rejected = len(codes) - codes.count(None) - unaccounted
    if unaccounted or len(codes) != entries or failed not in {None, rejected}:
        raise ResponseParserError(
            f"PutRecords answered for {len(codes) - unaccounted} of {entries} entries: {rejected} with an error code, "
            f"where it counts {failed}"
        )
    return codes


def _waves(items: Sequence[Entry], sizes: Sequence[int], in_flight: int) -> Iterator[Wave]:
    """
    Yield positions of *items* as waves of requests, in order.

    *sizes* are the bytes of the leading items that fit.
    """
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
    """Return the number of leading entries that fit into a request."""
    return bisect.bisect_right(list(itertools.accumulate(sizes)), MAX_REQUEST_BYTES)
