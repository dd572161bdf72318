"""
Decide the fate of every record of a batch.

The rule: a record is settled when its prediction or its dead letter is acknowledged. A lane is settled up to its first
unsettled record. A Kinesis batch has a single lane. A Kafka batch has a lane for each partition.

Dead letters are written first. No prediction is published at or behind a record of the same lane that cannot be
settled, so a redelivery repeats as few predictions as possible. The model is called once, for the records of all lanes.
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
    """Position of the first unsettled record of a lane, with the cause."""

    position: int
    cause: str


@dataclass(slots=True)
class BatchResult:
    """The fate of a batch, filled in step by step. All records count as settled until ``stop_at`` stops their lane."""

    records: Sequence[Record]
    predictions: list[Prediction] = field(default_factory=list)
    """A prediction for each scored record, in order."""
    decision: Decision | None = None
    """The position of each prediction's record, and the faults of the records without a prediction."""
    published: int = 0
    """Number of acknowledged predictions. Those behind an unsettled record will be published again."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """A dead letter for each invalid record, written or not. The written dead letters come first."""
    dead_letters_written: int = 0
    resent: int = 0
    unseen_categories: int = 0
    model_seconds: float = 0.0
    publish_seconds: float = 0.0
    dead_letter_seconds: float = 0.0
    _stops: dict[str | None, _Stop] = field(default_factory=dict)
    """The stop of each lane. A wholly settled lane has none."""

    def is_settled(self, position: int) -> bool:
        return not self._stops or not self._is_behind(position)

    def _is_behind(self, position: int) -> bool:
        stop = self._stops.get(self.records[position].lane)
        return stop is not None and position >= stop.position

    @property
    def unsettled(self) -> int:
        return len(self.unsettled_positions)

    @property
    def unsettled_positions(self) -> Sequence[int]:
        return list(filter(self._is_behind, range(len(self.records)))) if self._stops else ()

    @property
    def settled(self) -> int:
        """Number of settled records. In a single lane, these are the leading records."""
        return len(self.records) - self.unsettled

    @property
    def settled_positions(self) -> Sequence[int]:
        everything = range(len(self.records))
        return list(filter(self.is_settled, everything)) if self._stops else everything

    @property
    def first_unsettled(self) -> Sequence[Record]:
        """The first unsettled record of each lane, from which the lane must be delivered again."""
        return [self.records[stop.position] for stop in sorted(self._stops.values())]

    @property
    def cause(self) -> str:
        """Why the first unsettled record is not settled. Empty if all records are."""
        return min(self._stops.values()).cause if self._stops else ""

    @property
    def checkpoint(self) -> str | None:
        """
        Sequence number from which a single lane must be redelivered.

        None if all records are settled or no number is known.
        """
        return self.first_unsettled[0].sequence_number if self._stops else None

    @property
    def oldest_arrival(self) -> float | None:
        """Earliest arrival time in Kinesis, in Unix seconds."""
        return min((record.arrival for record in self.records if record.arrival is not None), default=None)

    def outcomes(self) -> list[Outcome]:
        """Return the model's outcome for each decided record, in order."""
        return list(map(outcome_of, self.decision.outcomes())) if self.decision else []

    def dead_letters_by_reason(self) -> Counter[Reason]:
        return Counter(letter.reason for letter in self.dead_letters[: self.dead_letters_written])

    def stop_at(self, position: int, cause: str) -> None:
        """
        Leave the lane of *position* unsettled from there on.

        An aggregate is left whole: its parts share a sequence number.
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
    Reason.SCHEMA: (
        "deploy a model whose signature fits the events, such as a copy by `stream-consumer model sign`, or set "
        "ENTITY_FIELD or ID_FIELD, or MODEL_COLUMNS if the model has no signature"
    ),
    Reason.BOUNDS: "correct the bounds in the model's metadata, or the units that the producers send",
    Reason.UNSCORABLE: "deploy a model that predicts such events",
}


class _Watch:
    """
    Tells a faulty deployment from faulty records.

    The rule: until the consumer has scored its first record, a large batch without a valid record means that the
    deployment is at fault.
    """

    def __init__(self, max_share: float | None) -> None:
        self._max_share = max_share
        self._scored = False
        self._recent: deque[bool] = deque(maxlen=_REMEMBERED)
        """For each of the last records, whether the record is a dead letter."""

    def check(self, result: BatchResult) -> None:
        """
        Count a decided batch.

        Raises:
            DeploymentAtFault: The deployment is at fault, not the records. No dead letter must be written.
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
    """A dead letter, before or after its way through S3."""

    @property
    def reason(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def detail(self) -> str: ...


def commonest_fault(letters: Sequence[Faulty]) -> str:
    """
    Describe the commonest fault of the dead *letters*: its count, the fault and the remedy.

    Empty without dead letters.
    """
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

        Args:
            decider: Scores the records.
            predictions: Sink of predictions. None means a test run: nothing is written and every record counts as
                settled.
            dead_letters: Sink of dead letters. If None, an invalid record cannot be settled.
            max_dead_letter_share: Largest share of dead letters among the last 1,000 records. A batch above this share
                fails.
            clock: Clock of the deadlines, in seconds.
        """
        self._decider = decider
        self._predictions = predictions
        self._dead_letters = dead_letters
        self._clock = clock
        self._watch = _Watch(max_dead_letter_share)

    def process(self, records: Sequence[Record], deadline: float = math.inf) -> BatchResult:
        """
        Settle as many of *records* as possible before *deadline* (of the clock), in the order of each lane.

        Raises:
            ModelError: The model fails on its own example. No record is at fault and none is settled.
            DeploymentAtFault: No record of the first large batch is valid, or too many of the last 1,000 are invalid.
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
        """Decide each record. Return the positions of the predicted records and those of the invalid records."""
        now = self._clock()
        # Half of the time at most. The decided records must still be written. Otherwise a batch with many rows that the
        # model refuses would be redelivered forever.
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
        # Half of the time. If S3 hangs, the rest must suffice to publish the predictions before the first dead letter.
        written = self._dead_letters.write(letters, started + (deadline - started) / 2)
        result.dead_letter_seconds += self._clock() - started
        result.dead_letters_written += len(positions) - len(written.unwritten)
        for unwritten in written.unwritten:
            result.stop_at(positions[unwritten.position], f"dead letters not written: {unwritten.reason}")

    def _publish(self, result: BatchResult, positions: Sequence[int], deadline: float, sink: Sink) -> None:
        """
        Publish the predictions before the first unsettled record of each lane.

        If the sink refuses a prediction, its record becomes a dead letter. This dead letter must be written before the
        sink may send any prediction from behind the refused entry.
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
        """Write the dead letters of records whose predictions the sink refused."""
        letters = [
            DeadLetter.of(
                result.records[at],
                InvalidRecord(Reason.UNSCORABLE, "$", f"the output stream refuses its prediction: {one.reason}"),
            )
            for at, one in refused
        ]
        result.dead_letters[result.dead_letters_written : result.dead_letters_written] = letters
        self._write_dead_letters(result, [at for at, _ in refused], letters, deadline)
