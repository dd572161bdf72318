"""
Entries are put on a Kinesis stream.

The rule: entries that were *not* written come back, by position. Only rejected entries are sent again, with full
jitter, until the caller's deadline. No call starts after the deadline.

Requests go out in waves of a few in flight. A wave is settled before the next begins, so that when a failure strikes,
nothing is published beyond the wave it struck. Entries of one partition key are never in two requests of a wave: their
order holds across requests. Within one request Kinesis promises none when it rejects some of the entries.
"""

import bisect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
from stream_consumer.aws.bounded_calls import Calls, Failure
from stream_consumer.aws.retry import Patience
from stream_consumer.sinks import Entry, Unwritten, Written

# Source: Amazon Kinesis Data Streams API reference, "PutRecords", and the stream's default MaxRecordSizeInKiB.
MAX_ENTRIES = 500
MAX_REQUEST_BYTES = 5 * 2**20
MAX_ENTRY_BYTES = 2**20
NOT_SENT = "not sent after a failure"
_UNACCOUNTED = ""
Request = Sequence[int]
"""Positions, ascending."""


Wave = list[Request]


class PredictionStream:
    """The output stream."""

    def __init__(
        self, client: "KinesisClient", name: str, *, in_flight: int = 4, patience: Patience | None = None
    ) -> None:
        """*name* is the stream's name or, for a stream of another account, its ARN."""
        self._client = client
        self._stream: dict[str, Any] = {"StreamARN" if name.startswith("arn:") else "StreamName": name}
        self._patience = patience or Patience()
        self._calls = Calls(in_flight, self._patience)

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
            if isinstance(answer, Failure)
            else [Unwritten(position, code) for position, code in zip(request, answer, strict=True) if code]
            for request, answer in zip(wave, answers, strict=True)
        ]
        return rejected, any(isinstance(answer, Failure) and not answer.transient for answer in answers)

    def _call(self, items: Sequence[Entry], request: Request) -> Callable[[], list[str | None]]:
        def put() -> list[str | None]:
            records: Any = [{"Data": items[at].data, "PartitionKey": items[at].partition_key} for at in request]
            return _error_codes(self._client.put_records(Records=records, **self._stream), len(request))

        return put


def _error_codes(response: Mapping[str, Any], entries: int) -> list[str | None]:
    """
    Return the error code of each entry, None for an acknowledged one.

    An entry without an error code is acknowledged by its sequence number and by nothing else: an answer that does not
    account for each entry says nothing about any of them.

    Raises:
        ResponseParserError: The answer does not account for each of so many *entries*.

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
