"""
The decision: the fate of every record of a batch.

The rule: a record is settled when its prediction or its dead letter is acknowledged, and a lane of the batch is settled
up to its first record that is not. Dead letters go first, and nothing is published at or behind a record of the lane
that cannot be settled, so that what comes again has been published as little as possible. A batch of Kinesis is one
lane, and a batch of Kafka has a lane for each partition. The model is called once, for all of them.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from stream_consumer.comparison import Outcome, outcome_of
from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.errors import DeploymentAtFault
from stream_consumer.inference import Decider, Decision
from stream_consumer.scoring import unquoted
from stream_consumer.sinks import Entry, Sink, Unwritten

# A full batch makes some 100,000 objects that the collector can see, none of them in a cycle. With Python's own
# threshold it would look through them 150 times for nothing, which takes a twentieth of the batch's time.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


class _Stop(NamedTuple):
    """The first unsettled record of a lane, by its position, and why it is not settled."""

    position: int
    cause: str


@dataclass(slots=True)
class BatchResult:
    """What became of a batch; filled as it is decided. Every record is settled until its lane is stopped before it."""

    records: Sequence[Record]
    predictions: list[Prediction] = field(default_factory=list)
    """One for each record that could be scored, in order."""
    decision: Decision | None = None
    """Which record each prediction is of, and why the others have none."""
    published: int = 0
    """Acknowledged predictions; those behind an unsettled record will be published again."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """One for each invalid record, whether it could be written or not; those that were written first."""
    dead_letters_written: int = 0
    resent: int = 0
    unseen_categories: int = 0
    model_seconds: float = 0.0
    publish_seconds: float = 0.0
    dead_letter_seconds: float = 0.0
    _stops: dict[str | None, _Stop] = field(default_factory=dict)
    """By lane; a lane that is settled whole has none."""

    def is_settled(self, position: int) -> bool:
        return not self._stops or not self._is_behind(position)

    def _is_behind(self, position: int) -> bool:
        stop = self._stops.get(self.records[position].lane)
        return stop is not None and position >= stop.position

    @property
    def unsettled(self) -> int:
        """How many records are not settled."""
        return len(self.unsettled_positions)

    @property
    def unsettled_positions(self) -> Sequence[int]:
        return list(filter(self._is_behind, range(len(self.records)))) if self._stops else ()

    @property
    def settled(self) -> int:
        """How many records are settled. Of a single lane these are the first."""
        return len(self.records) - self.unsettled

    @property
    def settled_positions(self) -> Sequence[int]:
        everything = range(len(self.records))
        return list(filter(self.is_settled, everything)) if self._stops else everything

    @property
    def first_unsettled(self) -> Sequence[Record]:
        """The record from which each lane must come again, of every lane that is not settled whole."""
        return [self.records[stop.position] for stop in sorted(self._stops.values())]

    @property
    def cause(self) -> str:
        """Why the first unsettled record is not settled; empty if all are."""
        return min(self._stops.values()).cause if self._stops else ""

    @property
    def checkpoint(self) -> str | None:
        """The sequence number from which a single lane must come again; None if it need not, or if none is known."""
        return self.first_unsettled[0].sequence_number if self._stops else None

    @property
    def oldest_arrival(self) -> float | None:
        """Unix seconds of the earliest arrival in Kinesis."""
        return min((record.arrival for record in self.records if record.arrival is not None), default=None)

    def outcomes(self) -> list[Outcome]:
        """Return what the model made of each decided record, in order."""
        return list(map(outcome_of, self.decision.outcomes())) if self.decision else []

    def dead_letters_by_reason(self) -> Counter[Reason]:
        return Counter(letter.reason for letter in self.dead_letters[: self.dead_letters_written])

    def stop_at(self, position: int, cause: str) -> None:
        """
        Leave the lane of *position* unsettled from there on.

        Only whole aggregates are left: their parts share a sequence number.
        """
        if not self.is_settled(position):
            return
        lane, number = self.records[position].lane, self.records[position].sequence_number
        while position and number is not None and self._stands(position - 1, lane, number):
            position -= 1
        self._stops[lane] = _Stop(position, cause)

    def _stands(self, position: int, lane: str | None, sequence_number: str) -> bool:
        record = self.records[position]
        return record.sequence_number == sequence_number and record.lane == lane


LARGE_BATCH = 100
_REMEMBERED = 1_000
_REMEDIES = {
    Reason.UNDECODABLE: "look at what the producers send",
    Reason.SCHEMA: "deploy a model whose signature fits the events, or set ENTITY_FIELD, ID_FIELD or MODEL_COLUMNS",
    Reason.BOUNDS: "correct the bounds in the model's metadata, or the units that the producers send",
    Reason.UNSCORABLE: "deploy a model that predicts such events",
}


class _Watch:
    """
    Tells a deployment at fault from records at fault.

    The rule: until a consumer has scored its first record, a large batch without a valid one is the deployment's fault.
    """

    def __init__(self, max_share: float | None) -> None:
        self._max_share = max_share
        self._scored = False
        self._recent: deque[bool] = deque(maxlen=_REMEMBERED)
        """Whether each of the last records is a dead letter."""

    def check(self, result: BatchResult) -> None:
        """
        Take note of a decided batch.

        Raises:
            DeploymentAtFault: Its dead letters are not the records' fault, and none must be written.
        """
        letters, decided = len(result.dead_letters), result.settled
        self._scored = self._scored or bool(result.predictions)
        if not self._scored and letters >= LARGE_BATCH:
            raise DeploymentAtFault(f"none of the {letters:,} records is valid: {commonest_fault(result.dead_letters)}")
        if self._max_share is None:
            return
        self._recent.extend([True] * letters + [False] * (decided - letters))
        if sum(self._recent) > self._max_share * max(len(self._recent), LARGE_BATCH):
            share = sum(self._recent) / len(self._recent)
            raise DeploymentAtFault(
                f"{share:.0%} of the last {len(self._recent):,} records are invalid, more than the "
                f"DEAD_LETTER_MAX_SHARE of {self._max_share:.0%}: "
                + (commonest_fault(result.dead_letters) or "the last batch has no invalid record")
            )


class Faulty(Protocol):
    """A dead letter, as it is written or as it is read back."""

    @property
    def reason(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def detail(self) -> str: ...


def commonest_fault(letters: Sequence[Faulty]) -> str:
    """Return how many of *letters* have their commonest fault, which it is and its remedy; empty without letters."""
    if not letters:
        return ""
    [((reason, path, detail), count)] = Counter((one.reason, one.path, one.detail) for one in letters).most_common(1)
    return f"{count:,} have the fault {reason} at {path} ({unquoted(detail)}); {_REMEDIES[Reason(reason)]}"


class Consumer:
    """Decides and settles batches."""

    def __init__(
        self,
        decider: Decider,
        *,
        predictions: Sink | None,
        dead_letters: Sink | None,
        max_dead_letter_share: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Compose a consumer.

        Without *predictions* nothing is written anywhere and every record counts as settled: a test run. Without
        *dead_letters* an invalid record cannot be settled. More dead letters than *max_dead_letter_share* of the last
        1,000 records fail the batch.
        """
        self._decider = decider
        self._predictions = predictions
        self._dead_letters = dead_letters
        self._clock = clock
        self._watch = _Watch(max_dead_letter_share)

    def process(self, records: Sequence[Record], deadline: float = math.inf) -> BatchResult:
        """
        Settle as many of *records* as can be, in the order of each lane, until *deadline* (of the clock).

        Raises:
            ModelError: The model fails on its own example: no record is at fault and none is settled.
            DeploymentAtFault: No record of the first large batch is valid, or too many of the last 1,000 are not.
        """
        result = BatchResult(records)
        positions, letter_positions = self._decide(result, deadline)
        self._watch.check(result)
        if self._predictions is None:
            return result
        self._write_dead_letters(result, letter_positions, result.dead_letters, deadline)
        self._publish(result, positions, deadline, self._predictions)
        return result

    def _decide(self, result: BatchResult, deadline: float) -> tuple[list[int], list[int]]:
        """Give each record a prediction or a dead letter; the positions of the records that got one or the other."""
        now = self._clock()
        # Half of the time at most: what is decided by then must still be written, or a batch of many rows that the
        # model refuses would come again for ever.
        decision = self._decider.decide(result.records, now + (deadline - now) / 2)
        for undecided in range(decision.decided, len(result.records)):
            result.stop_at(undecided, "isolating the rows that the model refuses took too long")
        result.decision = decision
        result.unseen_categories = decision.unseen_categories
        result.model_seconds = decision.model_seconds
        result.predictions = decision.predictions
        invalid = sorted(filter(result.is_settled, decision.faults))
        result.dead_letters = [DeadLetter.of(result.records[at], decision.faults[at]) for at in invalid]
        return decision.positions, invalid

    def _write_dead_letters(
        self, result: BatchResult, positions: Sequence[int], letters: Sequence[DeadLetter], deadline: float
    ) -> None:
        if not positions:
            return
        if self._dead_letters is None:
            for at, one in zip(positions, letters, strict=True):
                result.stop_at(at, f"{one.reason} at {one.path}, and there is no DEAD_LETTER_BUCKET")
            return
        started = self._clock()
        # Half of the time: an S3 that hangs must leave enough to publish what precedes the first of them.
        written = self._dead_letters.write(letters, started + (deadline - started) / 2)
        result.dead_letter_seconds += self._clock() - started
        result.dead_letters_written += len(positions) - len(written.unwritten)
        for unwritten in written.unwritten:
            result.stop_at(positions[unwritten.position], f"dead letters not written: {unwritten.reason}")

    def _publish(self, result: BatchResult, positions: Sequence[int], deadline: float, sink: Sink) -> None:
        """
        Publish the predictions before the first record of each lane that cannot be settled.

        A prediction that the sink refuses makes its record a dead letter, which must be written before anything that
        the sink has held back behind it is sent.
        """
        waiting = [index for index, at in enumerate(positions) if result.is_settled(at)]
        while waiting:
            unwritten = self._send(result, waiting, deadline, sink)
            left = [(positions[waiting[one.position]], one) for one in unwritten]
            refused = [(at, one) for at, one in left if one.refused]
            failed = [one.reason for _, one in left if not one.refused and not one.untried]
            for at, one in left if failed else ():
                if not one.refused:
                    result.stop_at(at, f"predictions not published: {failed[0]}")
            self._bury(result, [(at, one) for at, one in refused if result.is_settled(at)], deadline)
            waiting = [waiting[one.position] for at, one in left if one.untried and result.is_settled(at)]

    def _send(self, result: BatchResult, waiting: Sequence[int], deadline: float, sink: Sink) -> list[Unwritten]:
        predictions = [result.predictions[at] for at in waiting]
        keys = [prediction.partition_key for prediction in predictions]
        event_ids = [prediction.event_id for prediction in predictions]
        entries = list(map(Entry, keys, map(encode_prediction, predictions), event_ids))
        started = self._clock()
        written = sink.write(entries, deadline)
        result.publish_seconds += self._clock() - started
        result.published += len(entries) - len(written.unwritten)
        result.resent += written.resent
        return written.unwritten

    def _bury(self, result: BatchResult, refused: Sequence[tuple[int, Unwritten]], deadline: float) -> None:
        """Write the dead letters of records whose predictions the sink refuses."""
        letters = [
            DeadLetter.of(
                result.records[at],
                InvalidRecord(Reason.UNSCORABLE, "$", f"the output stream refuses its prediction: {one.reason}"),
            )
            for at, one in refused
        ]
        result.dead_letters[result.dead_letters_written : result.dead_letters_written] = letters
        self._write_dead_letters(result, [at for at, _ in refused], letters, deadline)
