"""
What must hold of every run, whatever its schedule: each invariant a function named for it, its docstring the sentence.

docs/delivery.md says the same to readers.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import DeadLetter
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Record
from stream_consumer.local.mapping.delivery_rules import first_failed
from stream_consumer.sinks import Entry
from tests.fakes import Effect, PutRecords
from tests.faults.figures import Figures
from tests.faults.ingredients import INGREDIENTS
from tests.faults.run import Delivery, Run
from tests.faults.schedules import LONGEST_BACKOFF_SECONDS, PASSING_FAULTS, Die, Restart, SlowModel
from tests.faults.simulation import World


def event_of(entry: Entry) -> str:
    """Return the event that a record of the output stream answers."""
    found = decode_prediction(entry.data).event_id
    assert found is not None
    return found


def predictions_of(record: Entry) -> list[Entry]:
    """Return the predictions in a record of the output stream, each as the record that it is without aggregation."""
    if not record.data.startswith(kpl.MAGIC):
        return [record]
    datas = [part.data for part in kpl.unfold(record.data)]
    return [Entry(decode_prediction(data).partition_key, data) for data in datas]


@dataclass(frozen=True)
class Outcome:
    """A run as a reader downstream sees it, beside the run of the same records in which nothing goes wrong."""

    run: Run

    @cached_property
    def faultless(self) -> "Outcome":
        return Outcome(World(self.run.schedule.faultless()).play())

    @cached_property
    def records(self) -> list[Entry]:
        """The predictions on the output stream, in its order, duplicates included."""
        return [made for record in self.run.kinesis.records for made in predictions_of(record)]

    @cached_property
    def published(self) -> list[str]:
        """The events of these."""
        return list(map(event_of, self.records))

    @cached_property
    def output(self) -> dict[str | None, Entry]:
        """The first record of each event, in the order of the stream."""
        first: dict[str | None, Entry] = {}
        for event, entry in zip(self.published, self.records, strict=True):
            first.setdefault(event, entry)
        return first

    @cached_property
    def letters(self) -> dict[str | None, DeadLetter]:
        return {letter.event_id: letter for letter in self.run.s3.letters}

    @cached_property
    def discarded(self) -> dict[str | None, Record]:
        """The events of the on-failure documents, from their payload."""
        payloads = [json.loads(document["payload"]) for document in self.run.documents]
        return {record.event_id: record for payload in payloads for record in records_from_lambda(payload)}

    @property
    def duplicates(self) -> int:
        return len(self.published) - len(self.output)

    @cached_property
    def lost(self) -> list[str | None]:
        """The events that are nowhere."""
        kept = self.output.keys() | self.letters.keys() | self.discarded.keys()
        return [record.event_id for record in self.run.records if record.event_id not in kept]

    def figures(self) -> Figures:
        return Figures(
            schedules=1,
            events=len(self.run.records),
            invocations=len(self.run.deliveries),
            published=len(self.published),
            predictions=len(self.output),
            dead_letters=len(self.letters),
            discarded=len(self.discarded),
            lost=len(self.lost),
            faults=self.run.faults,
        )


def every_event_ends_with_its_bytes_intact(outcome: Outcome) -> None:
    """Every event ends as a prediction or a dead letter or, where the mapping gives up, in an on-failure document."""
    assert not outcome.lost
    assert outcome.run.schedule.gives_up or not outcome.discarded
    for record in outcome.run.records:
        for kept in (outcome.letters.get(record.event_id), outcome.discarded.get(record.event_id)):
            assert kept is None or kept.data == record.data, f"the bytes of {record.event_id} are altered"


def the_first_of_each_event_equals_the_faultless_run(outcome: Outcome) -> None:
    """Keeping the first of each event_id leaves the fault-free run's records, byte for byte, and no copy differs."""
    wanted = outcome.faultless.output
    assert wanted.keys() - outcome.discarded.keys() <= outcome.output.keys() <= wanted.keys()
    for event, entry in zip(outcome.published, outcome.records, strict=True):
        assert entry == wanted[event]


def dead_letters_equal_the_faultless_run(outcome: Outcome) -> None:
    """Each event's dead letter is the fault-free run's, in however many objects it lies."""
    wanted = outcome.faultless.letters
    assert wanted.keys() - outcome.discarded.keys() <= outcome.letters.keys() <= wanted.keys()
    for letter in outcome.run.s3.letters:
        assert letter == wanted[letter.event_id]


def the_faultless_run_gives_each_event_its_verdict(outcome: Outcome) -> None:
    """Without faults every event has one prediction or one dead letter of the right reason, and comes once."""
    faultless = outcome.faultless
    verdicts = [v for _, name in outcome.run.schedule.records for v in INGREDIENTS[name].verdicts]
    for record, verdict in zip(faultless.run.records, verdicts, strict=True):
        letter = faultless.letters.get(record.event_id)
        assert (letter and letter.reason) == verdict
        assert (record.event_id in faultless.output) == (verdict is None)
    assert len(faultless.published) + len(faultless.run.s3.letters) == len(verdicts)


def nothing_is_published_beyond_what_was_in_flight(outcome: Outcome) -> None:
    """Behind the checkpoint of a failed invocation lies no more than one round of requests, and its aggregate."""
    schedule = outcome.run.schedule
    for delivery in outcome.run.deliveries:
        if not delivery.died:
            beyond = _sent(delivery) - _settled(delivery) - _aggregate_at_checkpoint(delivery)
            assert len(beyond) <= schedule.in_flight * schedule.request_entries


def duplicates_stay_within_the_bound(outcome: Outcome) -> None:
    """
    Duplicates come from answers that were lost, invocations that failed and outcomes nobody heard, so many of each.

    A lost answer: the entries of its request. A failed invocation: what it published behind its checkpoint (see above).
    One that was killed, or whose outcome was lost: what it published. A mapping that restarts: what its other lanes
    had settled beyond the checkpoint.
    """
    allowed = outcome.run.forgotten
    for delivery in outcome.run.deliveries:
        allowed += sum(
            len(predictions_of(entry))
            for request in delivery.requests
            if _answer_was_lost(request)
            for entry in request.entries
        )
        unheard = delivery.died or delivery.ignored or isinstance(delivery.trouble, Restart)
        allowed += len(_sent(delivery) - (set() if unheard else _settled(delivery)))
    assert outcome.duplicates <= allowed


def the_shard_advances(outcome: Outcome) -> None:
    """An invocation that no fault strikes settles its whole batch, so finite faults cannot hold the shard."""
    if outcome.run.schedule.bucket:
        for delivery in outcome.run.deliveries:
            if not delivery.faults and delivery.trouble is None:
                assert _settled(delivery) == {record.event_id for record in delivery.records}


def nothing_settled_is_an_error(outcome: Outcome) -> None:
    """An invocation that settles no record raises, so that Lambda counts an error and bisects the batch."""
    for delivery in outcome.run.deliveries:
        assert delivery.invocation.error or _checkpoint(delivery) > 0


def what_another_try_can_mend_is_mended(outcome: Outcome) -> None:
    """An invocation that only passing faults strike settles its whole batch too, unless its time is up."""
    schedule = outcome.run.schedule
    for delivery in outcome.run.deliveries:
        passing = all(fault in PASSING_FAULTS for fault in delivery.faults)
        # Dead letters get half of the time, and predictions the rest.
        in_time = delivery.ended - delivery.began < schedule.deadline_seconds / 2 - LONGEST_BACKOFF_SECONDS
        if schedule.bucket and passing and in_time and delivery.trouble is None:
            assert _settled(delivery) == {record.event_id for record in delivery.records}


def an_invocation_ends_in_time(outcome: Outcome) -> None:
    """Nothing is sent at or after the deadline, and with a margin nobody runs into the timeout."""
    schedule = outcome.run.schedule
    for delivery in outcome.run.deliveries:
        for call in delivery.calls:
            assert call.at < delivery.began + schedule.deadline_seconds
        if schedule.margin_ms and not isinstance(delivery.trouble, Die | SlowModel):
            assert not delivery.died


def order_holds_per_partition_key(outcome: Outcome) -> None:
    """
    First copies keep the order of the input, per partition key of input and output.

    But for entries of one request of which Kinesis rejected the earlier and took the later, and for events that the
    mapping gave up.
    """
    place = {event: at for at, event in enumerate(outcome.output)}
    overtaken = {pair for d in outcome.run.deliveries for request in d.requests for pair in _overtakings(request)}
    for events in _ordered(outcome):
        for earlier, later in combinations(events, 2):
            assert place[earlier] < place[later] or (earlier, later) in overtaken, f"{later} overtook {earlier}"


INVARIANTS: tuple[Callable[[Outcome], None], ...] = (
    every_event_ends_with_its_bytes_intact,
    the_first_of_each_event_equals_the_faultless_run,
    dead_letters_equal_the_faultless_run,
    the_faultless_run_gives_each_event_its_verdict,
    nothing_is_published_beyond_what_was_in_flight,
    duplicates_stay_within_the_bound,
    the_shard_advances,
    nothing_settled_is_an_error,
    what_another_try_can_mend_is_mended,
    an_invocation_ends_in_time,
    order_holds_per_partition_key,
)


def _ordered(outcome: Outcome) -> Iterator[list[str | None]]:
    """The published events whose order is promised among each other, in the order of the input."""
    schedule = outcome.run.schedule
    numbers = list(dict.fromkeys(record.sequence_number for record in outcome.run.records))
    key_of = dict(zip(numbers, (key for key, _ in schedule.records), strict=True))
    lanes = schedule.mapping.parallelization_factor
    groups: defaultdict[tuple[str, str], list[str | None]] = defaultdict(list)
    for record in outcome.run.records:
        if record.event_id in outcome.output.keys() - outcome.discarded.keys():
            # One lane delivers the shard in order, several only each partition key of the input.
            input_key = key_of[record.sequence_number] if lanes > 1 else ""
            groups[input_key, outcome.output[record.event_id].partition_key].append(record.event_id)
    yield from groups.values()


def _overtakings(request: PutRecords) -> Iterator[tuple[str, str]]:
    if request.fault and request.fault.rejected:
        events = [
            (position, event_of(made))
            for position, entry in enumerate(request.entries)
            for made in predictions_of(entry)
        ]
        rejected = [event for position, event in events if position in request.fault.rejected]
        yield from product(rejected, (event for position, event in events if position not in request.fault.rejected))


def _answer_was_lost(request: PutRecords) -> bool:
    fault = request.fault
    return fault is not None and (fault.effect is not Effect.NOTHING or fault.unanswered > 0)


def _sent(delivery: Delivery) -> set[str | None]:
    return {
        event_of(made) for request in delivery.requests for entry in request.entries for made in predictions_of(entry)
    }


def _checkpoint(delivery: Delivery) -> int:
    """How many events of a delivery its outcome settles."""
    if delivery.invocation.error is not None:
        return 0
    numbers = [record.sequence_number or "" for record in delivery.records]
    failed = first_failed(delivery.invocation.payload, numbers)
    return len(numbers) if failed is None else numbers.index(numbers[failed])


def _settled(delivery: Delivery) -> set[str | None]:
    return {record.event_id for record in delivery.records[: _checkpoint(delivery)]}


def _aggregate_at_checkpoint(delivery: Delivery) -> set[str | None]:
    rest = delivery.records[_checkpoint(delivery) :]
    parts = [record.event_id for record in rest if record.sequence_number == rest[0].sequence_number]
    return set(parts) if len(parts) > 1 else set()
